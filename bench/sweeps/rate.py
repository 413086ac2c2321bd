"""Does the responder see the rate that --rate and --max-rate state?"""

import time

from compare.place import Failed
from compare.report import verdict
from sweeps import ours
from sweeps.counter import sampled

STATED, WINDOW_S, CEILING_S, SETTLED_S = 1_000_000, 5.0, 1.0, 0.5


def run(place, option, seconds):
    """The rates of all windows; the scan is far larger than what is watched of it."""
    path = place.dir / "rate.jsonl"
    argv = [place.prtip, "-n", "-Pn", "-sS", "--engine", "xdp", option, str(STATED), "-p", "1-400", "-oJ", path,
            ours.NETWORK]
    with sampled(place) as samples, ours.started(place, argv) as p:
        time.sleep(seconds + SETTLED_S)
        end = time.monotonic()
        ours.interrupt(place, p)
    samples.cut(end)
    found, summary = ours.read(path)
    ours.check_sums(summary)
    return samples, found


def check_true(place, found):
    """What an interrupted scan reports is true; how much it is is no matter here."""
    row = ours.compare(found, place.open_ports(ours.NETWORK, "1-400"))
    ours.check_found(row, False)


def measure(place, size):
    place.respond(False, open=1000)
    row = {"stated": STATED}
    for option in ("--rate", "--max-rate"):
        samples, found = run(place, option, size.seconds)
        check_true(place, found)
        row[option] = {str(s): [min(w), max(w)] for s in (CEILING_S, WINDOW_S) if (w := samples.windows(s, SETTLED_S))}
        if len(row[option]) < 2:
            raise Failed("watched for less than 5 s")
    place.respond(True)
    return row


HEAD = ["", "lowest", "highest", "asked for", "met"]


def table(row):
    rows = []
    for option, (low_end, high_end) in {"--rate": (-0.02, 0.005), "--max-rate": (-1, 0.005)}.items():
        for seconds, (low, high) in row[option].items():
            a, b = low / row["stated"] - 1, high / row["stated"] - 1
            judged = option == "--max-rate" or float(seconds) >= WINDOW_S  # what --rate misses it catches up for
            wanted = f"{low_end:+.1%} … {high_end:+.1%}" if option == "--rate" else f"≤ {high_end:+.1%}"
            rows.append([f"{option}, any {float(seconds):g} s", f"{a:+.2%}", f"{b:+.2%}", wanted if judged else "",
                         verdict(a >= low_end and b <= high_end) if judged else ""])
    return rows
