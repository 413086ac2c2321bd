"""Does the interface's counter see the rate that --rate and --max-rate state?"""

import os
import signal
import subprocess
import time

from compare.place import Failed

STEP_S, WINDOW_S, CEILING_S = 0.02, 5.0, 1.0


def samples(place, option, rate, seconds):
    argv = [place.prtip, "-n", "-Pn", "-sS", "--engine", "afpacket", option, str(rate), "-p", "1-65535",
            "-oJ", os.devnull, "198.19.0.0/16"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        points, first = [], place.packets("scanner", "tx", "eth1")
        until = time.monotonic() + seconds
        while time.monotonic() < until and p.poll() is None:
            points.append((time.monotonic(), place.packets("scanner", "tx", "eth1") - first))
            time.sleep(STEP_S)
        p.send_signal(signal.SIGINT)
        p.wait()
    points = [(t, n) for t, n in points if n > 0]
    if not points or points[-1][0] - points[0][0] < WINDOW_S:
        raise Failed(f"{option} {rate}: the scan was over too soon")
    return points[1:]


def windows(points, length):
    """Mean rates over every window of at least that many seconds."""
    end = 0
    for t, n in points:
        while end < len(points) and points[end][0] - t < length:
            end += 1
        if end == len(points):
            return
        yield (points[end][1] - n) / (points[end][0] - t)


def measure(place, rate, seconds):
    stated = list(windows(samples(place, "--rate", rate, seconds), WINDOW_S))
    capped = list(windows(samples(place, "--max-rate", rate, seconds), CEILING_S))
    # A window cannot be told finer than one batch.
    batch = max(1, min(300, rate // 1000))
    return {"rate": rate, "lowest": min(stated) / rate - 1, "highest": max(stated) / rate - 1,
            "ceiling": max(capped) / rate - 1, "grain_5s": batch / (rate * WINDOW_S),
            "grain_1s": batch / (rate * CEILING_S)}
