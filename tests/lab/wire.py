"""What the tests of the wire share: a scan under the eyes of a capture, and what can be read from its packets."""

import bisect
import collections
import contextlib
import pathlib
import shlex
import signal
import struct
import subprocess
import threading
import time

from support import PRTIP

WEB = {"v4": "198.18.11.2", "v6": "2001:db8:11::2"}  # 80 is open, 22 closed, one hop away
SILENT = {"v4": "198.18.22.2", "v6": "2001:db8:22::2"}  # 22 and 443 are open, no answer from the others
NEAR = {"v4": "198.18.0.10", "v6": "2001:db8::10"}  # on the scanner's own segment
SCANNER = {"v4": "198.18.0.2", "v6": "2001:db8::2"}
EXTRA = {"v4": "198.18.0.77", "v6": "2001:db8::77"}  # a second address of the scanner, for -S
SINK = "9000-9999"  # ports of the any-IP network behind eth1 that swallow everything (prepare)
MSS = {"v4": bytes.fromhex("020405b4"), "v6": bytes.fromhex("020405a0")}

SINK_RULES = """
table inet wire {
  chain sink {
    type filter hook prerouting priority raw; policy accept;
    tcp dport 9000-9999 drop
  }
}
"""


def prepare(lab):
    """Adds what these tests need to a lab of their own."""
    lab.run("ip", "addr", "add", EXTRA["v4"] + "/24", "dev", "eth0", check=True)
    # Deprecated: it is never chosen by itself.
    lab.run("ip", "addr", "add", EXTRA["v6"] + "/64", "dev", "eth0", "nodad", "preferred_lft", "0", check=True)
    lab.run("nft", "-f", "-", input=SINK_RULES, host="anyip", check=True)
    lab.run("ping", "-c1", "-W2", WEB["v4"], check=True)  # gateways are known from here on
    lab.run("ping", "-c1", "-W2", WEB["v6"], check=True)
    lab.run("ping", "-c1", "-W2", "198.18.70.2", check=True)


def words(arguments):
    return shlex.split(arguments) if isinstance(arguments, str) else list(arguments)


def scan(lab, arguments, filter="", iface="eth0", host="scanner", status=0, timeout=60, **options):
    """Runs prtip under a capture; returns both."""
    with lab.capture(iface, host=host, filter=filter) as seen:
        done = lab.prtip(*words(arguments), timeout=timeout, **options)
    assert done.returncode == status, f"{arguments}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return seen, done


def probes(seen, **wanted):
    """The SYNs, in the order in which they left."""
    return seen.only(proto="tcp", flags="S", **wanted)


def by_port(packets):
    """{port: its packets in order}."""
    ports = collections.defaultdict(list)
    for p in packets:
        ports[p.dport].append(p)
    return dict(ports)


def gaps(packets):
    return [b.time - a.time for a, b in zip(packets, packets[1:])]


def times_in(path):
    """When each packet of a capture file was seen, in seconds; a cut last one is left out."""
    data = path.read_bytes()
    times, at = [], 24
    while at + 16 <= len(data):
        seconds, micros, length, _ = struct.unpack_from("<IIII", data, at)
        times.append(seconds + micros / 1e6)
        at += 16 + length
    return times


def waited_for_processor(pid):
    """Seconds for which its threads were ready to run and did not."""
    return sum(int((task / "schedstat").read_text().split()[1]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


def windows(times, seconds):
    """Fewest and most packets in any window of that length that lies within the scan."""
    counts = [bisect.bisect_left(times, t + seconds) - i for i, t in enumerate(times) if t + seconds <= times[-1]]
    return min(counts), max(counts)


def most(times, seconds):
    """Most packets in any window of that length, also a shorter one at the end."""
    return max(bisect.bisect_left(times, t + seconds) - i for i, t in enumerate(times))


def batches(times, pause):
    """Sizes of the groups that are a pause apart."""
    sizes = [1]
    for a, b in zip(times, times[1:]):
        if b - a > pause:
            sizes.append(1)
        else:
            sizes[-1] += 1
    return sizes


class Running:
    """A scan in the background and its capture."""

    def __init__(self, lab, arguments, filter="", iface="eth0", host="scanner", watch=False):
        self.capture = lab.capture(iface, host=host, filter=filter, buffer_kib=16384)
        self.capture.__enter__()
        self.begin = time.monotonic()
        self.process = lab.popen(PRTIP, *words(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        self.waited = 0.0  # for a processor, in all
        if watch:
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        with contextlib.suppress(OSError, ValueError, IndexError):
            while self.process.poll() is None:
                self.waited = waited_for_processor(self.process.pid)
                time.sleep(0.1)

    def end(self, after=None, timeout=60):
        """Waits for the scan's end, or breaks it off so many seconds after it began. Returns the capture."""
        if after is not None:
            time.sleep(max(0, self.begin + after - time.monotonic()))
            self.process.send_signal(signal.SIGINT)
        try:
            self.output, self.errors = self.process.communicate(timeout=timeout)
        finally:
            self.process.kill()
            self.capture.__exit__()
        self.status = self.process.returncode
        assert self.status not in (1, 2), self.errors
        return self.capture

    def stall(self, seconds):
        """The scanner is not run for a while, as on a busy machine."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)
