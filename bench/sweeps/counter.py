"""Reads the responder's counts every few milliseconds while something runs, straight from its map in the kernel: neither
a scanner's word nor a question to the responder, which has only two cores to share with the scanner."""

import contextlib
import ctypes
import os
import pathlib
import platform
import threading
import time

from compare.place import Failed

SYSCALLS = {"x86_64": {"bpf": 321, "pidfd_getfd": 438}, "aarch64": {"bpf": 280, "pidfd_getfd": 438}}
LOOKUP, PERCPU_ARRAY = 1, 6  # enum bpf_cmd, enum bpf_map_type
KINDS = 14  # RESPONDER_COUNTS in lab/responder/truth.h, once for each family
SYNS, OPEN, CLOSED, LOST_IN = 0, 1, 2, 6
STEP_S = 0.005

libc = ctypes.CDLL(None, use_errno=True)


class Lookup(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("key", ctypes.c_uint64), ("value", ctypes.c_uint64), ("flags", ctypes.c_uint64)]


def call(name, *arguments):
    result = libc.syscall(SYSCALLS[platform.machine()][name], *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def map_of(pid):
    """A descriptor of our own for the counts of the responder that runs as `pid`."""
    for info in pathlib.Path("/proc", str(pid), "fdinfo").iterdir():
        words = dict(line.split(":\t", 1) for line in info.read_text().splitlines() if ":\t" in line)
        if words.get("map_type") == str(PERCPU_ARRAY) and words.get("value_size") == str(2 * KINDS * 8):
            pidfd = os.pidfd_open(pid)
            try:
                return call("pidfd_getfd", pidfd, int(info.name), 0)
            finally:
                os.close(pidfd)
    raise Failed("the responder has no map of counts, or one of another shape")


def cpus():
    """How many values a map for each CPU has."""
    last = pathlib.Path("/sys/devices/system/cpu/possible").read_text().strip().split(",")[-1]
    return int(last.split("-")[-1]) + 1


class Samples:
    """(seconds, SYNs that came, open and closed ones among them, bytes of a file) at each moment."""

    def __init__(self):
        self.rows = []

    def column(self, index):
        first = self.rows[0][index]
        return [(r[0], r[index] - first) for r in self.rows]

    def cut(self, moment):
        """Forgets what was seen later."""
        self.rows = [r for r in self.rows if r[0] <= moment]

    def between(self, low, high, of, index=1):
        """How many a second came between the moments at which `low` and `high` of `of` had come."""
        points = self.column(index)
        (t0, n0), (t1, n1) = (crossing(points, share * of) for share in (low, high))
        if t1 <= t0:
            raise Failed("over before its rate could be measured")
        return (n1 - n0) / (t1 - t0)

    def windows(self, length, since=0.0, index=1):
        """Rates over every window of that many seconds, from `since` seconds after the first count on."""
        points = [p for p in self.column(index) if p[1] > 0]
        points = [p for p in points if p[0] >= points[0][0] + since]
        end, rates = 0, []
        for t, n in points:
            while end < len(points) and points[end][0] - t < length:
                end += 1
            if end == len(points):
                break
            rates.append((points[end][1] - n) / (points[end][0] - t))
        return rates


def crossing(points, count):
    """The moment at which `count` was reached, between two samples."""
    for (t0, n0), (t1, n1) in zip(points, points[1:]):
        if n1 >= count:
            return (t0 + (t1 - t0) * (count - n0) / (n1 - n0), count) if n1 > n0 else (t1, n1)
    raise Failed(f"only {points[-1][1]} of {count:.0f} came")


class Sampler:
    def __init__(self, pid, path=None):
        self.fd, self.path, self.samples = map_of(pid), path, Samples()
        self.size = 2 * KINDS * cpus()
        self.values, self.key = (ctypes.c_uint64 * self.size)(), ctypes.c_uint32(0)
        self.ask = Lookup(self.fd, ctypes.addressof(self.key), ctypes.addressof(self.values), 0)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _take(self):
        begin = time.monotonic()
        call("bpf", LOOKUP, ctypes.byref(self.ask), ctypes.sizeof(self.ask))
        end = time.monotonic()
        kinds = [sum(self.values[i::KINDS]) for i in (SYNS, OPEN, CLOSED, LOST_IN)]
        size = 0
        with contextlib.suppress(OSError):
            size = os.stat(self.path).st_size if self.path else 0
        self.samples.rows.append(((begin + end) / 2, kinds[0] + kinds[3], kinds[1] + kinds[2], size))

    def _run(self):
        while not self.stop.wait(STEP_S):
            self._take()

    def __enter__(self):
        self._take()
        self.thread.start()
        return self.samples

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self._take()
        os.close(self.fd)


def sampled(place, path=None):
    """`with sampled(place) as samples:` – what came while the block ran; with `path`, also how a file grew."""
    return Sampler(place.pid, path)
