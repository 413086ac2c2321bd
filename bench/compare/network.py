"""A whole network: probes a second of prtip, zmap and masscan on the same pair of namespaces.

Ours is timed from start to exit. The peers are timed by the interface's counter from their first frame to their last,
so that neither their set-up nor their waiting for late answers counts against them; zmap runs once for each port."""

import contextlib
import json
import re
import signal
import subprocess
import time

from compare.pairs import Truth, port_list
from compare.place import Failed

NETWORK, PORTS = "198.19.0.0/16", "20-26,80,81,443"
MASSCAN_RATES = (300_000, 1_000_000)
STILL_S = 1.5  # a sender whose counter has stood still for so long is done


def report(truth, found, arrived):
    seen = set(found)
    return {"open": len(truth.open), "found": len(seen & truth.open), "false": len(seen - truth.open),
            "twice": len(found) - len(seen), "packets": arrived}


def ours(place, truth):
    path = place.dir / "ours.jsonl"
    before = place.packets("anyip")
    run = place.run([place.prtip, "-n", "-Pn", "-sS", "--engine", "afpacket", "-p", PORTS, "-oJ", path, NETWORK])
    arrived = place.packets("anyip") - before
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    found = [(r["ip"], r["port"]) for r in lines if r["kind"] == "port" and r["state"] == "open"]
    truth.check(found, arrived)
    return {"pps": truth.least / run.seconds, "seconds": run.seconds, "peak_kib": run.peak_kib} | \
        report(truth, found, arrived)


def watch(place, process):
    """Seconds from the first frame to the last, by the interface's counter."""
    first = last = seen = place.packets("scanner", "tx", "eth1")
    begin = end = 0.0
    while True:
        now, count = time.monotonic(), place.packets("scanner", "tx", "eth1")
        if count > last:
            begin, end, last = begin or now, now, count
        if process.poll() is not None or (last > first + 100 and now - end > STILL_S):
            return end - begin, last - seen
        time.sleep(0.002)


def peer(place, argv):
    """Starts a peer, waits until it sends no more, and ends it. Returns seconds and frames."""
    if place.real_time:
        argv = ["chrt", "-r", str(place.real_time), *argv]
    with subprocess.Popen(argv, cwd=place.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        span, frames = watch(place, p)
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.wait(STILL_S)
                break
            p.send_signal(number)
    if span <= 0:
        raise Failed(f"{argv[0]} sent nothing")
    return span, frames


def zmap(place, truth, mac):
    before, seconds, found = place.packets("anyip"), 0.0, []
    (place.dir / "none").touch()
    for port in port_list(PORTS):
        path = place.dir / "zmap.out"
        path.unlink(missing_ok=True)
        seconds += peer(place, ["zmap", "-C", "/dev/null", "-b", "none", "-i", "eth1", "-G", mac, "-S", "198.18.70.1",
                                "-p", str(port), "-r", "0", "-c", "1", "-q", "-v", "0", "-o", path, NETWORK])[0]
        found += [(line, port) for line in path.read_text().split()]
    return {"pps": truth.least / seconds, "seconds": seconds} | report(truth, found, place.packets("anyip") - before)


def masscan(place, truth, mac, rate):
    before, path = place.packets("anyip"), place.dir / "masscan.out"
    path.unlink(missing_ok=True)
    seconds, _ = peer(place, ["masscan", NETWORK, "-p", PORTS, "--rate", str(rate), "--wait", "1", "--adapter", "eth1",
                              "--source-ip", "198.18.70.1", "--source-port", "40000-40255", "--router-mac", mac,
                              "-oL", path])
    found = [(m[2], int(m[1])) for m in re.finditer(r"^open tcp (\d+) (\S+)", path.read_text(), re.MULTILINE)]
    return {"pps": truth.least / seconds, "seconds": seconds, "rate": rate} | \
        report(truth, found, place.packets("anyip") - before)


def measure(place, pairs):
    truth, mac, rows = Truth(place, NETWORK, PORTS), place.mac("anyip"), []
    for _ in range(pairs):
        row = {"ours": ours(place, truth), "zmap": zmap(place, truth, mac)}
        tries = [masscan(place, truth, mac, rate) for rate in MASSCAN_RATES]
        row["masscan"] = max(tries, key=lambda t: t["pps"])
        row["masscan_tries"] = tries
        row["value"] = row["ours"]["pps"] / max(row["zmap"]["pps"], row["masscan"]["pps"])
        rows.append(row)
    return rows


def memory(place):
    """Peak resident KiB for N probes and for ten times as many."""
    peaks = {}
    for ports in ("22,80,443,1001-1007", "22,80,443,1001-1097"):  # as many open ones in both
        before = place.packets("anyip")
        run = place.run([place.prtip, "-n", "-Pn", "-sS", "--engine", "afpacket", "-p", ports, "-oJ", "-", NETWORK])
        probes = 65536 * len(list(port_list(ports)))
        if place.packets("anyip") - before < probes:
            raise Failed("not all probes arrived")
        peaks[probes] = run.peak_kib
    return peaks
