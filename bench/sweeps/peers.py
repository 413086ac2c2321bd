"""zmap and masscan over the same network. Their frames are counted where ours are: by the responder, between 10 % and 90 %
of a run's probes, so that neither set-up nor waiting for late answers counts against them."""

import contextlib
import re
import signal
import subprocess
import time

from compare.pairs import port_list
from compare.place import Failed
from sweeps.counter import sampled
from sweeps.ours import HIGH, LOW, NETWORK, compare

SOURCE, STILL_S, LONGEST_S = "198.19.255.2", 1.5, 300  # a sender from whom nothing came for STILL_S is done
HOSTS = 65536
MASSCAN_RATE = 10_000_000  # far above what it reaches


def finish(process, samples, probes):
    """Waits until so many probes came and no more do, or the sender is done by itself; then ends it, since zmap's
    cool-down and masscan's --wait last longer."""
    begin, last, moved = time.monotonic(), 0, time.monotonic()
    while process.poll() is None and time.monotonic() - begin < LONGEST_S:
        time.sleep(0.05)
        came = samples.rows[-1][1] - samples.rows[0][1]
        if came != last:
            last, moved = came, time.monotonic()
        if last >= probes / 2 and time.monotonic() - moved > STILL_S:
            break
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STILL_S)
            break
        process.send_signal(number)


def run(place, argv, probes):
    """Frames a second, and how many came: one that loses frames in a full ring is measured by those that came."""
    with sampled(place) as samples, \
            subprocess.Popen(argv, cwd=place.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        begin = time.monotonic()
        finish(p, samples, probes)
        seconds = time.monotonic() - begin
    seen = samples.rows[-1][1] - samples.rows[0][1]
    if seen < probes / 2:
        raise Failed(f"{argv[0]}: only {seen} of {probes} probes came")
    return {"pps": samples.between(LOW, HIGH, min(seen, probes)), "seen": seen, "seconds": seconds}


def zmap(place, ports):
    """Once for each port, as it scans no more at a time."""
    (place.dir / "none").touch()
    rows, found = [], []
    for port in port_list(ports):
        path = place.dir / "zmap.out"
        path.unlink(missing_ok=True)
        rows.append(run(place, ["zmap", "-C", "/dev/null", "-b", "none", "-i", "eth0", "-G", place.gateway_mac(), "-S", SOURCE,
                                "-p", str(port), "-r", "0", "-c", "1", "-q", "-v", "0", "-o", path, NETWORK], HOSTS))
        found += [(line, str(port).encode()) for line in path.read_bytes().split()]
    span = sum(r["seen"] / r["pps"] for r in rows)
    return {"pps": sum(r["seen"] for r in rows) / span, "seconds": sum(r["seconds"] for r in rows),
            "seen": sum(r["seen"] for r in rows)} | compare(found, place.open_ports(NETWORK, ports))


# A line that was cut short has no time at its end.
OPEN = re.compile(rb"^open tcp (\d+) (\S+) \d+$", re.MULTILINE)


def masscan(place, ports):
    path = place.dir / "masscan.out"
    path.unlink(missing_ok=True)
    row = run(place, ["masscan", NETWORK, "-p", ports, "--rate", str(MASSCAN_RATE), "--wait", "1", "--adapter", "eth0",
                      "--source-ip", SOURCE, "--source-port", "40000-40255", "--router-mac", place.gateway_mac(), "-oL",
                      path], HOSTS * len(list(port_list(ports))))
    found = [(m[2], m[1]) for m in OPEN.finditer(path.read_bytes())]
    return row | compare(found, place.open_ports(NETWORK, ports))


def both(place, zmap_ports, masscan_ports):
    return {"zmap": zmap(place, zmap_ports), "masscan": masscan(place, masscan_ports)}
