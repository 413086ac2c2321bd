"""Other traffic of the same interface while a paced sweep goes on: UDP of iperf3 at 1 Gb/s, and how much of it is lost."""

import contextlib
import json
import statistics
import subprocess
import time

from compare.place import Failed
from compare.report import spread, verdict
from sweeps import ours

GATEWAY, BITS, DATAGRAM, PACE = "198.19.255.1", "1G", 1448, 200_000
READY_S, MOST_LOST = 5, 5.0  # percent


@contextlib.contextmanager
def server(place):
    """iperf3 behind the responder, for one test."""
    command = ["nsenter", f"--net={place.state['netns']['responder']}", "iperf3", "-s", "-1", "-B", GATEWAY]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        try:
            until = time.monotonic() + READY_S
            while ":5201" not in place._in("responder", "ss", "-Hltn") and time.monotonic() < until:
                time.sleep(0.05)
            yield
        finally:
            p.kill()


def iperf(place, seconds):
    with server(place):
        done = subprocess.run(["iperf3", "-c", GATEWAY, "-u", "-b", BITS, "-l", str(DATAGRAM), "-t", f"{seconds:.0f}", "-J"],
                              capture_output=True, text=True, timeout=seconds + 30, check=False)
    said = json.loads(done.stdout or "{}")
    if done.returncode or "error" in said:
        raise Failed(f"iperf3 ended with {done.returncode}: {said.get('error', done.stderr.strip())}")
    end = said["end"]
    return {"sent_bps": end["sum_sent"]["bits_per_second"], "lost_percent": end["sum"]["lost_percent"],
            "datagrams": end["sum"]["packets"]}


def with_scan(place, seconds):
    """The scan is far larger than what is watched of it; what it reports is true."""
    path = place.dir / "beside.jsonl"
    before = place.seen()
    argv = [place.prtip, "-n", "-Pn", "-sS", "--engine", "xdp", "--rate", str(PACE), "-p", "1-400", "-oJ", path, ours.NETWORK]
    with ours.started(place, argv) as p:
        time.sleep(1)
        begin, count = time.monotonic(), place.seen()
        row = iperf(place, seconds)
        row["scan_pps"] = (place.seen() - count) / (time.monotonic() - begin)
        ours.interrupt(place, p)
    found, summary = ours.read(path)
    ours.check_sums(summary)
    ours.check_found(ours.compare(found, place.open_ports(ours.NETWORK, "1-400")), False)
    time.sleep(0.2)
    seen = place.seen() - before
    if seen != summary["frames"] - summary["not_taken"]:
        raise Failed(f"{seen} SYNs were seen, {summary['frames']} frames sent, {summary['not_taken']} not taken")
    return row


def measure(place, size):
    place.respond(False)
    return place.each((f"run {i + 1}", lambda: {"alone": iperf(place, size.seconds), "scan": with_scan(place, size.seconds)})
                      for i in range(size.repeats))


HEAD = ["", "Mb/s sent", "lost, %", "SYNs a second beside it", "asked for", "met"]


def table(raw):
    rows = []
    for which, name in (("alone", "iperf3 alone"), ("scan", f"iperf3 beside --rate {PACE}")):
        some = [r[which] for r in raw]
        lost = [r["lost_percent"] for r in some]
        judged = which == "scan"
        rows.append([name, spread((r["sent_bps"] / 1e6 for r in some), 0), spread(lost),
                     spread((r["scan_pps"] for r in some), 0) if judged else "", f"< {MOST_LOST:g} %" if judged else "",
                     verdict(statistics.median(lost) < MOST_LOST) if judged else ""])
    return rows
