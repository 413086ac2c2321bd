"""What the lab tests share: a lab's handle, captures, and nmap as the oracle."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "lab"))

from netlab import keeper, netns  # noqa: E402
from netlab.describe import Description  # noqa: E402

LAB = ROOT / "lab" / "lab"
PRTIP = pathlib.Path(os.environ.get("PRTIP") or ROOT / "build" / "prtip").absolute()
if (PRTIP.parent / "lab" / "delaybox").exists():
    os.environ.setdefault("PRTIP_BUILD", str(PRTIP.parent))  # the delay box of the same build
LINK_ADDRESSES = "02:00:00:00:"  # every link address of a lab begins so


def need(*programs):
    """Skips the test (in CI: fails it) when a program is missing."""
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


class Lab:
    """A lab that is up."""

    def __init__(self, name, plan="lab"):
        self.name = name
        self.directory = pathlib.Path("/run/prtip-lab") / name
        self.description = Description(plan)
        self.hosts = self.description.hosts
        self.zone = self.description.zone

    @classmethod
    def up(cls, name, owner=None, plan="lab"):
        done = subprocess.run([LAB, "up", "--name", name, "--owner", str(owner or os.getpid()), "--plan", plan],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return cls(name, plan)

    def down(self):
        subprocess.run([LAB, "down", "--name", self.name], capture_output=True, timeout=60, check=True)

    def state(self):
        return json.loads((self.directory / "state.json").read_text())

    def host(self, name):
        return self.hosts[name]

    def popen(self, *command, host="scanner", user=None, **options):
        """Starts a command in a host's namespace with the lab's resolver, in a process group of its own."""
        path = self.state()["netns"][host]
        resolver = self.directory / "resolv.conf"

        def enter():
            fd = os.open(path, os.O_RDONLY)
            netns.enter(fd)
            os.close(fd)
            netns.bind_privately(resolver, os.path.realpath("/etc/resolv.conf"))
            if user is not None:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)

        return subprocess.Popen([str(c) for c in command], preexec_fn=enter, start_new_session=True, **options)

    def run(self, *command, timeout=60, check=False, input=None, **options):
        """Runs a command to its end; what takes longer than `timeout` seconds is killed with its children and fails."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
                   "stdin": subprocess.DEVNULL if input is None else subprocess.PIPE} | options
        with self.popen(*command, **options) as process:
            try:
                out, err = process.communicate(input, timeout=timeout)
            except BaseException as e:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
                if isinstance(e, subprocess.TimeoutExpired):
                    pytest.fail(f"not done after {timeout} s: {command}\n{out}\n{err}")
                raise
        done = subprocess.CompletedProcess(command, process.returncode, out, err)
        assert not check or done.returncode == 0, f"{command}: status {done.returncode}\n{out}\n{err}"
        return done

    def prtip(self, *arguments, **options):
        """Runs the program under test (build/prtip; PRTIP overrides)."""
        if not PRTIP.exists():
            pytest.skip(f"{PRTIP} is not built")
        if options.get("user") is None:
            return self.run(PRTIP, *arguments, **options)
        with tempfile.TemporaryDirectory() as folder:  # a user may not come as far as the build's own, in /root say
            os.chmod(folder, 0o755)
            for path in [PRTIP, *PRTIP.parent.glob("libprtip-*.so")]:
                shutil.copy(path, folder)
            return self.run(pathlib.Path(folder) / PRTIP.name, *arguments, **options)

    def capture(self, iface="eth0", host="scanner", filter="", buffer_kib=131072):
        return Capture(self, iface, host, filter, buffer_kib)


@dataclasses.dataclass
class Packet:
    """One captured packet; an ICMP error has the ports of the packet it is about, and no flags."""
    time: float
    length: int
    proto: str  # tcp, udp, icmp, icmpv6, arp, or what tshark calls it
    src: str
    dst: str
    eth_src: str
    eth_dst: str
    ttl: int
    ip_id: int
    sport: int
    dport: int
    flags: str  # "S", "SA", "R", "RA", "A" …
    seq: int
    ack: int
    window: int
    options: bytes
    icmp: tuple  # (type, code)


FIELDS = ["frame.time_epoch", "frame.len", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "arp.src.proto_ipv4",
          "arp.dst.proto_ipv4", "eth.src", "eth.dst", "ip.ttl", "ipv6.hlim", "ip.id", "tcp.srcport", "tcp.dstport",
          "udp.srcport", "udp.dstport", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.window_size_value", "tcp.options",
          "icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code"]
PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6", "arp")


def _number(text):
    return int(text, 0) if text else None


def _flags(text):
    bits = _number(text) or 0
    return "".join(letter for i, letter in enumerate("FSRPAUEC") if bits >> i & 1)


def _packet(line):
    f = dict(zip(FIELDS, line.split("\t"), strict=True))
    names = f["frame.protocols"].split(":")
    proto = next((n for n in names if n in PROTOCOLS), names[-1])
    kind = (f["icmp.type"] or f["icmpv6.type"], f["icmp.code"] or f["icmpv6.code"])
    return Packet(
        time=float(f["frame.time_epoch"]), length=int(f["frame.len"]), proto=proto,
        src=f["ip.src"] or f["ipv6.src"] or f["arp.src.proto_ipv4"],
        dst=f["ip.dst"] or f["ipv6.dst"] or f["arp.dst.proto_ipv4"], eth_src=f["eth.src"], eth_dst=f["eth.dst"],
        ttl=_number(f["ip.ttl"] or f["ipv6.hlim"]), ip_id=_number(f["ip.id"]),
        sport=_number(f["tcp.srcport"] or f["udp.srcport"]), dport=_number(f["tcp.dstport"] or f["udp.dstport"]),
        flags=_flags(f["tcp.flags"]) if proto == "tcp" else "", seq=_number(f["tcp.seq_raw"]),
        ack=_number(f["tcp.ack_raw"]), window=_number(f["tcp.window_size_value"]),
        options=bytes.fromhex(f["tcp.options"].replace(":", "")),
        icmp=tuple(int(part) for part in kind) if kind[0] and proto.startswith("icmp") else None)


class Capture:
    """An independent witness: tcpdump writes what passes an interface, tshark reads it back.

    with lab.capture("eth0", filter="tcp") as seen:
        lab.prtip(…)
    for packet in seen.packets: …
    """

    def __init__(self, lab, iface, host, filter, buffer_kib):
        need("tcpdump", "tshark")
        self.lab, self.iface, self.where, self.filter, self.buffer_kib = lab, iface, host, filter, buffer_kib
        self.directory = tempfile.TemporaryDirectory(prefix="prtip-capture-")
        self.path = pathlib.Path(self.directory.name) / "capture.pcap"
        self.dropped = None
        self._packets = None

    def __enter__(self):
        command = ["tcpdump", "-i", self.iface, "-w", self.path, "-Z", "root", "-n", "-s", "160", "-B", str(self.buffer_kib), "-U",
                   "--immediate-mode", *([self.filter] if self.filter else [])]
        self.process = self.lab.popen(*command, host=self.where, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                return self
        raise AssertionError(f"tcpdump did not start: {self.process.wait()}")

    def _counts(self):
        """What tcpdump has written, and what has passed its filter."""
        self.process.send_signal(signal.SIGUSR1)
        for line in self.process.stderr:
            counts = re.search(r"(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped", line)
            if counts:
                captured, received, dropped = map(int, counts.groups())
                return captured + dropped, received
        return 0, 0

    def __exit__(self, *_):
        time.sleep(0.1)
        # On a busy machine tcpdump is behind, and what it has not read when it ends is lost. (On loopback it leaves
        # out half of what passed the filter, so it is enough that nothing more comes.)
        before, idle = None, 0
        while idle < 10:
            captured, received = self._counts()
            if captured >= received:
                break
            idle = idle + 1 if captured == before else 0
            before = captured
            time.sleep(0.05)
        self.process.send_signal(signal.SIGINT)
        try:
            _, err = self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        counts = [line.split()[0] for line in err.splitlines() if "dropped by kernel" in line]
        self.dropped = int(counts[0]) if counts else 0

    @property
    def packets(self):
        assert self.dropped == 0, f"the capture itself lost {self.dropped} packets"
        if self._packets is None:
            command = ["tshark", "-n", "-r", self.path, "-T", "fields", "-E", "occurrence=f"]
            for field in FIELDS:
                command += ["-e", field]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            self._packets = [_packet(line) for line in out.splitlines()]
        return self._packets

    def only(self, **wanted):
        """Packets with these attributes: seen.only(flags="S", dst="198.18.11.2")."""
        return [p for p in self.packets if all(getattr(p, k) == v for k, v in wanted.items())]


def port_list(text):
    ports = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        ports += range(int(first), int(last or first) + 1)
    return ports


def nmap_states(lab, target, ports, *arguments, proto="tcp", timeout=120):
    """nmap's verdict on one host: {port: "state reason"}. `ports` as for -p; add "-sT", "-sU" … as arguments."""
    need("nmap")
    family = ["-6"] if ":" in target else []
    done = lab.run("nmap", "-n", "-Pn", *family, "-p", ports, "-oX", "-", *arguments, target, timeout=timeout, check=True)
    states = {}
    host = xml.etree.ElementTree.fromstring(done.stdout).find("host")
    for extra in host.iterfind("ports/extraports"):
        for reason in extra.iterfind("extrareasons"):
            states.update(dict.fromkeys(port_list(reason.get("ports")), f"{extra.get('state')} {reason.get('reason')}"))
    for port in host.iterfind("ports/port"):
        state = port.find("state")
        if port.get("protocol") == proto:
            states[int(port.get("portid"))] = f"{state.get('state')} {state.get('reason')}"
    return states
