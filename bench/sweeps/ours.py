"""One sweep of prtip, measured, and the proof that it was done: exit status, sums, SYNs that the responder saw, ports found."""

import contextlib
import json
import signal
import subprocess

from compare.place import Failed
from sweeps.counter import sampled

NETWORK = "198.18.0.0/16"
LOW, HIGH = 0.1, 0.9  # frames a second are those between these shares of the first tries


def check_sums(s):
    """What docs/output.md promises of a summary. An interrupted scan has positions that it did not come to."""
    whole = "positions_done" if s["interrupted"] else "positions"
    sums = {whole: s["answered"] + s["silent"] + s["unsent"], "frames": s["first_tries"] + s["resends"],
            "answers": s["records"] + s["duplicates"] + s["late"] + s["rejected"]}
    wrong = [f"{name} is {s[name]}, its parts are {n}" for name, n in sums.items() if s[name] != n]
    if wrong:
        raise Failed("the summary does not add up: " + "; ".join(wrong))


def read(path):
    """(open ports with repetitions, summary) of JSON Lines; the ports as (b"address", b"port")."""
    found, last = [], b""
    with open(path, "rb") as lines:
        for line in lines:
            last = line
            if b'"kind":"port"' in line:
                row = json.loads(line)
                if row["state"] == "open":
                    found.append((row["ip"].encode(), str(row["port"]).encode()))
    summary = json.loads(last or b"{}")
    if summary.get("kind") != "summary":
        raise Failed("the report has no summary")
    return found, summary


def compare(found, truth):
    seen = set(found)
    return {"open": len(truth), "found": len(seen & truth), "false": len(seen - truth), "twice": len(found) - len(seen)}


def check_found(row, whole):
    if row["false"] or row["twice"] or (whole and row["found"] != row["open"]):
        raise Failed(f"found {row['found']} of {row['open']} open ports, {row['false']} false ones, {row['twice']} twice")


def check_seen(engine, row, s):
    """Every probe was seen. The XDP engine knows how many frames left; a packet socket does not hear of those that a full
    ring on the other side refused."""
    if row["seen"] < s["positions"]:
        raise Failed(f"the responder saw {row['seen']} SYNs of {s['positions']} probes")
    if engine == "xdp" and row["seen"] != s["frames"] - s["not_taken"]:
        raise Failed(f"{row['seen']} SYNs were seen, {s['frames']} frames sent, {s['not_taken']} not taken")


@contextlib.contextmanager
def started(place, argv):
    """A scan that is watched while it runs, and ended with `interrupt`."""
    with open(place.dir / "stderr", "wb") as said, subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=said) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(place, process):
    """Ends a scan, which must not have ended by itself."""
    over = process.poll()
    process.send_signal(signal.SIGINT)
    status = process.wait(120)
    if over is not None or status != 128 + signal.SIGINT:
        said = (place.dir / "stderr").read_text(errors="replace").strip().splitlines()
        raise Failed(f"the scan ended with {status if over is None else over}, and was to be interrupted: {said[-1] if said else ''}")


def sweep(place, truth, targets, ports, *options, engine="xdp", lossy=False):
    """`truth`: the open ports there are. With `lossy` what is missing is counted instead of refused."""
    path = place.dir / "stdout"  # JSON Lines alone: no report by host is kept beside
    before = place.seen()
    with sampled(place) as samples:
        run = place.run([place.prtip, "-n", "-Pn", "-sS", "--engine", engine, "-p", ports, "-oJ", "-", *options,
                         *targets], limit=300)
    found, s = read(path)
    row = {"seconds": run.seconds, "cpu": run.cpu, "peak_kib": run.peak_kib, "seen": place.seen() - before} | \
        compare(found, truth) | {k: s[k] for k in ("positions", "frames", "not_taken", "ring_drops", "tries", "loss")}
    check_sums(s)
    check_found(row, not lossy)
    if not lossy:
        check_seen(engine, row, s)
    row["pps"] = samples.between(LOW, HIGH, s["positions"])
    return row
