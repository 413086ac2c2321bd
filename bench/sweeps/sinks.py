"""How many answers a second reach a JSON Lines file, when every probe is answered and 5 % are open: with what the report
holds by default, and with a line for each answer (--all-states)."""

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


WAYS = {"default": [], "--all-states": ["--all-states"]}


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


def one(place, ports, way):
    path, count = place.dir / "stdout", int(ports.split("-")[1])  # JSON Lines alone: no report by host is kept beside
    path.unlink(missing_ok=True)
    with sampled(place, path) as samples:
        run = place.run([place.prtip, "-n", "-Pn", "-sS", "--engine", "xdp", "-p", ports, "-oJ", "-", *WAYS[way], ours.NETWORK],
                        limit=300)
    s = last_line(path)
    ours.check_sums(s)
    with open(path, "rb") as lines:
        states, again = positions(lines, of_report, count)
    truth, _ = positions(place.truth(ours.NETWORK, ports, *["--all"] * (way == "--all-states")), of_truth, count)
    wrong = sum(a != b for a, b in zip(states, truth)) if states != truth else 0
    if wrong or again or s["ring_drops"] or s["answered"] != len(truth):
        raise Failed(f"{wrong} of {len(truth)} records are missing or wrong, {again} came twice, {s['ring_drops']} answers "
                     f"were dropped on the way in, {s['answered']} positions answered")
    size, lines = path.stat().st_size, len(truth) - truth.count(0)
    return {"seconds": run.seconds, "cpu": run.cpu, "bytes": size, "answers": len(truth), "lines": lines,
            "ring_drops": s["ring_drops"], "answers_ps": samples.between(ours.LOW, ours.HIGH, len(truth), 2),
            "lines_ps": samples.between(ours.LOW, ours.HIGH, size, 3) * lines / size, "whole_ps": len(truth) / run.seconds}


def measure(place, size):
    place.respond(False, open=50_000, closed=950_000)
    return place.each((f"{way}, run {i + 1}", lambda way=way: one(place, size.ports, way) | {"way": way})
                      for i in range(size.repeats) for way in list(WAYS)[::-1 if i % 2 else 1])


HEAD = ["", "million answers a second, sent by the responder", "million lines a second, into the file",
        "million answers a second, start to exit", "lines of all / answers dropped", "asked for", "met"]


def table(raw):
    rows = []
    for way in WAYS:
        some = [r for r in raw if r["way"] == way]
        if not some:
            continue
        figures = [spread(r[key] / 1e6 for r in some) for key in ("answers_ps", "lines_ps", "whole_ps")]
        judged = way == "default"
        rows.append([way, *figures, f"{some[0]['lines']} of {some[0]['lines']} / 0", f"≥ {ASKED / 1e6:g} M answers/s" if judged else "",
                     verdict(statistics.median(r["answers_ps"] for r in some) >= ASKED) if judged else ""])
    return rows
