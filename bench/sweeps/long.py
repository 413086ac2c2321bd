"""One sweep of the /16 × all ports (2^32 probes) for some minutes: memory, objects in the kernel, and sums at the end."""

import json
import pathlib
import re
import subprocess
import time

from compare.place import Failed
from compare.report import verdict
from sweeps import ours
from sweeps.counter import sampled

PORTS, OPEN_PPM, STEP_S, SETTLED_S = "0-65535", 200, 2.0, 20.0
CHECKED = 200  # addresses
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


def check_open(place, found):
    """What was found is true, by the truth of some hundred of the addresses: that of all takes an hour."""
    if len(set(found)) != len(found):
        raise Failed("an open port was reported twice")
    some = {a for a, _ in found[::max(1, len(found) // CHECKED)]}
    truth = place.open_ports(b",".join(sorted(some)).decode(), PORTS)
    false = {f for f in found if f[0] in some} - truth
    if false:
        raise Failed(f"{len(false)} open ports are none")


def measure(place, size):
    place.respond(False, open=OPEN_PPM)
    path = place.dir / "long.jsonl"
    before = place.seen()
    argv = [place.prtip, "-n", "-Pn", "-sS", "--engine", "xdp", "-p", PORTS, "-oJ", path, ours.NETWORK]
    with sampled(place) as samples, ours.started(place, argv) as p:
        begin = time.monotonic()
        rows, held = watch(p, samples, begin + size.minutes * 60)
        if p.poll() != 0:  # else it has been through all 2^32 of them
            ours.interrupt(place, p)
        seconds = time.monotonic() - begin
    found, summary = ours.read(path)
    ours.check_sums(summary)
    check_open(place, found)
    seen = place.seen() - before
    time.sleep(1)
    kept = ("positions", "positions_done", "answered", "silent", "unsent", "frames", "first_tries", "resends", "not_taken", "answers", "records",
            "duplicates", "late", "rejected", "ring_drops", "open", "loss", "tries")
    return {"seconds": seconds, "interrupted": summary["interrupted"], "seen": seen, "summary": {k: summary[k] for k in kept},
            "left_in_kernel": memlock(held), "samples": rows[::max(1, len(rows) // 300)]}


HEAD = ["", "", "asked for", "met"]


def table(raw):
    s, rows = raw["summary"], raw["samples"]
    settled = [r["rss_kib"] for r in rows if r["at"] >= SETTLED_S] or [r["rss_kib"] for r in rows]
    growth = max(settled) - settled[0]
    locked = {r["memlock"] for r in rows if r["at"] >= 2 * STEP_S}
    sent = s["frames"] - s["not_taken"]
    return [["seconds", f"{raw['seconds']:.0f}", "", ""], ["SYNs seen, beside frames − not taken", f"{raw['seen']:,}", f"{sent:,}",
                                                          verdict(raw["seen"] == sent)],
            ["million SYNs a second", f"{raw['seen'] / raw['seconds'] / 1e6:.2f}", "", ""],
            ["positions done = answered + silent + unsent", f"{s['positions_done']:,} of {s['positions']:,}", "", verdict(True)],
            ["frames = first tries + resends", f"{s['frames']:,}", "", verdict(True)],
            ["answers = records + duplicates + late + rejected", f"{s['answers']:,}", "", verdict(True)],
            ["resident KiB, growth after the first 20 s", f"{growth:,}", f"≤ {GROWTH_KIB:,}", verdict(growth <= GROWTH_KIB)],
            ["bytes of BPF objects, different values", len(locked), 1, verdict(len(locked) == 1)],
            ["bytes of BPF objects after the end", raw["left_in_kernel"], 0, verdict(raw["left_in_kernel"] == 0)]]
