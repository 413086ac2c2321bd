"""How many answers a second reach a JSON Lines file, when every probe is answered."""

import json
import re
import statistics

from compare.place import Failed
from compare.report import spread, verdict
from sweeps import ours
from sweeps.counter import sampled

ASKED = 2e6
LINE = re.compile(rb'"ip":"198\.18\.(\d+)\.(\d+)","port":(\d+),.*"state":"(open|closed)"')
STATES = {b"open": 1, b"closed": 2}


def positions(lines, take, ports):
    """Which state each of the network's positions has, by what `take` reads in each line; and how many came again."""
    states, again = bytearray(65536 * ports), 0
    for line in lines:
        part = take(line)
        if part:
            a, b, port, state = part
            at = (int(a) * 256 + int(b)) * ports + int(port) - 1
            again += states[at] != 0
            states[at] = STATES[state]
    return states, again


def of_truth(line):
    address, port, state = line.split()
    return [*address.split(b".")[2:], port, state]


def of_report(line):
    m = LINE.search(line)
    return m.groups() if m else None


def last_line(path):
    with open(path, "rb") as f:
        f.seek(max(0, path.stat().st_size - 8192))
        return json.loads(f.read().splitlines()[-1])


def one(place, ports):
    path, count = place.dir / "sinks.jsonl", int(ports.split("-")[1])
    path.unlink(missing_ok=True)
    with sampled(place, path) as samples:
        run = place.run([place.prtip, "-n", "-Pn", "-sS", "--engine", "xdp", "--all-states", "-p", ports, "-oJ", path,
                         ours.NETWORK], limit=300)
    s = last_line(path)
    ours.check_sums(s)
    with open(path, "rb") as lines:
        states, again = positions(lines, of_report, count)
    truth, _ = positions(place.truth(ours.NETWORK, ports, "--all"), of_truth, count)
    wrong = sum(a != b for a, b in zip(states, truth)) if states != truth else 0
    if wrong or again or s["ring_drops"]:
        raise Failed(f"{wrong} of {len(truth)} records are missing or wrong, {again} came twice, {s['ring_drops']} answers "
                     f"were dropped on the way in")
    size = path.stat().st_size
    return {"seconds": run.seconds, "cpu": run.cpu, "bytes": size, "records": len(truth), "ring_drops": s["ring_drops"],
            "answers_ps": samples.between(ours.LOW, ours.HIGH, len(truth), 2),
            "lines_ps": samples.between(ours.LOW, ours.HIGH, size, 3) * len(truth) / size,
            "whole_ps": len(truth) / run.seconds}


def measure(place, size):
    place.respond(False, open=50_000, closed=950_000)
    return place.each((f"run {i + 1}", lambda: one(place, size.ports)) for i in range(size.repeats))


HEAD = ["", "million a second", "asked for", "met"]


def table(raw):
    rows = [[name, spread(r[key] / 1e6 for r in raw), "", ""] for name, key in (
        ("answers that the responder sent", "answers_ps"), ("records, start to exit", "whole_ps"))]
    lines = [r["lines_ps"] for r in raw]
    rows.append(["lines that came into the file", spread(n / 1e6 for n in lines), f"≥ {ASKED / 1e6:g}",
                 verdict(statistics.median(lines) >= ASKED)])
    return rows + [["records of all / dropped", f"{raw[0]['records']} of {raw[0]['records']} / 0", "all / 0", verdict(True)]]
