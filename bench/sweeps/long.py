"""Two sweeps of one process at full rate: which hosts of the /16 are up, and all of their ports, 2^32 probes. It ends when
that is done, or is interrupted after so many minutes. Memory, objects in the kernel, and sums at the end."""

import json
import pathlib
import re
import subprocess
import time

from compare.place import Failed
from compare.report import verdict
from sweeps import ours
from sweeps.counter import sampled

PORTS, OPEN_PPM, STEP_S, SETTLED_S = "0-65535", 1000, 2.0, 20.0
CHECKED = 200  # addresses
HOST_SYNS = 65536 * 3  # one of the probes that ask whether a host is up is a SYN, tried thrice at most
GROWTH_KIB = 64 * 1024  # records of open ports that are remembered may take so much


def status(pid):
    text = pathlib.Path("/proc", str(pid), "status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", text, re.MULTILINE)[1])


def objects(pid):
    """{("prog" or "map", id)} that the process holds."""
    held = set()
    for info in pathlib.Path("/proc", str(pid), "fdinfo").iterdir():
        held |= set(re.findall(r"^(prog|map)_id:\t(\d+)", info.read_text(), re.MULTILINE))
    return held


def memlock(held):
    """Bytes that these take in the kernel, by bpftool; 0 for what is gone."""
    total = 0
    for kind, number in held:
        done = subprocess.run(["bpftool", "-j", kind, "show", "id", number], capture_output=True, text=True, check=False)
        total += int(json.loads(done.stdout).get("bytes_memlock", 0)) if done.returncode == 0 else 0
    return total


def watch(process, samples, until):
    """Every 2 s: seconds, SYNs so far, resident KiB, objects of the kernel and their bytes."""
    rows, held, begin = [], set(), time.monotonic()
    while process.poll() is None and time.monotonic() < until:
        time.sleep(STEP_S)
        try:
            now = objects(process.pid)
            rows.append({"at": round(time.monotonic() - begin, 1), "syns": samples.rows[-1][1] - samples.rows[0][1],
                         "rss_kib": status(process.pid), "objects": len(now), "memlock": memlock(now)})
        except (OSError, TypeError):
            break  # it ended meanwhile
        held |= now
    return rows, held


def check_open(place, found, whole):
    """What was found is what is open at some hundred of the addresses, or a part of it: the truth of all takes an hour."""
    if len(set(found)) != len(found):
        raise Failed("an open port was reported twice")
    some = {f"198.18.{i // 256}.{i % 256}".encode() for i in range(7, 65536, 65536 // CHECKED)}
    truth, seen = place.open_ports(b",".join(sorted(some)).decode(), PORTS), {f for f in found if f[0] in some}
    if seen - truth or (whole and truth - seen):
        raise Failed(f"of {len(truth)} open ports {len(truth - seen)} are missing, {len(seen - truth)} others are none")
    return {"open_checked": len(truth), "open_found": len(truth & seen)}


def measure(place, size):
    place.respond(False, open=OPEN_PPM)
    path = place.dir / "long.jsonl"
    before = place.seen()
    argv = [place.prtip, "-n", "-sS", "--engine", "xdp", "-p", PORTS, "-oJ", path, ours.NETWORK]
    with sampled(place) as samples, ours.started(place, argv) as p:
        begin = time.monotonic()
        rows, held = watch(p, samples, begin + size.minutes * 60)
        if p.poll() != 0:  # else it has been through all 2^32 of them
            ours.interrupt(place, p)
        seconds = time.monotonic() - begin
    found, summary = ours.read(path)
    ours.check_sums(summary)
    checked = check_open(place, found, not summary["interrupted"])
    seen = place.seen() - before
    time.sleep(1)
    kept = ("positions", "positions_done", "answered", "silent", "unsent", "frames", "first_tries", "resends", "not_taken", "answers", "records",
            "duplicates", "late", "rejected", "ring_drops", "open", "loss", "tries")
    return checked | {"seconds": seconds, "interrupted": summary["interrupted"], "seen": seen, "summary": {k: summary[k] for k in kept},
            "left_in_kernel": memlock(held), "samples": rows[::max(1, len(rows) // 300)]}


HEAD = ["", "", "asked for", "met"]


def table(raw):
    s, rows = raw["summary"], raw["samples"]
    settled = [r["rss_kib"] for r in rows if r["at"] >= SETTLED_S] or [r["rss_kib"] for r in rows]
    growth = max(settled) - settled[0]
    locked = {r["memlock"] for r in rows if r["at"] >= 2 * STEP_S}
    sent = s["frames"] - s["not_taken"]
    asking = raw["seen"] - sent  # of the first sweep, which the summary's counters leave out
    return [["seconds", f"{raw['seconds']:.0f}", "", ""],
            ["frames − not taken of the ports' sweep", f"{sent:,}", "", ""],
            ["SYNs seen beyond these, of the hosts' sweep", f"{asking:,}", f"≤ {HOST_SYNS:,}", verdict(0 <= asking <= HOST_SYNS)],
            ["open ports of some addresses, found", f"{raw['open_found']:,} of {raw['open_checked']:,}", "all, if it came to the end",
             verdict(raw["interrupted"] or raw["open_found"] == raw["open_checked"])],
            ["million SYNs a second", f"{raw['seen'] / raw['seconds'] / 1e6:.2f}", "", ""],
            ["positions done = answered + silent + unsent", f"{s['positions_done']:,} of {s['positions']:,}", "", verdict(True)],
            ["frames = first tries + resends", f"{s['frames']:,}", "", verdict(True)],
            ["answers = records + duplicates + late + rejected", f"{s['answers']:,}", "", verdict(True)],
            ["resident KiB, growth after the first 20 s", f"{growth:,}", f"≤ {GROWTH_KIB:,}", verdict(growth <= GROWTH_KIB)],
            ["bytes of BPF objects, different values", len(locked), 1, verdict(len(locked) == 1)],
            ["bytes of BPF objects after the end", raw["left_in_kernel"], 0, verdict(raw["left_in_kernel"] == 0)]]
