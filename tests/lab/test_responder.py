"""The lab's responder (lab/README.md): what it answers is what `responder truth` says, as nmap, prtip and tshark see it;
its losses and extras are as many as asked for; and nothing of it outlives it."""

import collections
import json
import math
import os
import secrets
import signal
import subprocess
import time

import pytest

from responder import IFACE, PLAIN, RESPONDER, answering, change, counted, need_built, states, stats, truth
from support import Lab, need, nmap_states
from truth import read_json

# The same seed in both; networks, ports and how many hosts these are.
SWEPT = [("198.18.7.0/26", "1-64"), ("2001:db8:1::40/122", "1-64")]


@pytest.fixture(scope="module", autouse=True)
def built():
    need_built()


@pytest.fixture
def lab(sweep_lab):
    change(sweep_lab, *PLAIN, "--pass", "on")
    return sweep_lab


PACKETS = ["--engine", "afpacket"]
SHOWN = ["--engine", "rawip"]  # captures on the scanner see what this sends


def scan(lab, targets, ports, *options):
    """prtip's JSON Lines, with whatever answered in them. Not so fast that on a busy machine a ring of the link is full."""
    done = lab.prtip("-n", "-Pn", "--all-states", "--max-rate", "20000", "-oJ", "-", "-p", ports, *options, targets,
                     timeout=120, check=True)
    return read_json(done.stdout)


def test_truth_is_what_nmap_sees(lab):
    for address in ("198.18.0.1", "198.18.255.255", "2001:db8:1::1", "2001:db8:1:ffff:1234::7"):
        want = {"open": "open syn-ack", "closed": "closed reset", "silent": "filtered no-response"}
        expected = {port: want[state] for (_, port), state in truth(address, "1-600").items()}
        assert nmap_states(lab, address, "1-600", "-sS", "-T4") == expected
        assert len(collections.Counter(expected.values())) == 3


@pytest.mark.parametrize("seed", [1, 2**64 - 1])
@pytest.mark.parametrize("targets, ports", SWEPT)
def test_truth_is_what_a_sweep_sees(lab, targets, ports, seed):
    change(lab, "--seed", str(seed), "--open", "100000")
    expected = truth(targets, ports, "--seed", str(seed), "--open", "100000")
    assert len(expected) == 4096
    said = scan(lab, targets, ports, *PACKETS)
    assert states(said) == answering(expected)
    assert said.repeated == []


def test_truth_without_all_is_what_is_open():
    out = subprocess.run([RESPONDER, "truth", "198.18.0.0/22,198.19.0.1,2001:db8:1::/120", "1-100"], capture_output=True, text=True,
                         check=True).stdout
    every = truth("198.18.0.0/22,198.19.0.1,2001:db8:1::/120", "1-100")
    assert len(every) == (1024 + 1 + 256) * 100
    assert out.splitlines() == [f"{address} {port} open" for (address, port), state in every.items() if state == "open"]
    assert {state for (address, _), state in every.items() if address == "198.19.0.1"} == {"silent"}  # nobody's


def test_ten_million_pairs_in_a_few_seconds():
    begin = time.monotonic()
    out = subprocess.run([RESPONDER, "truth", "198.18.0.0/16", "1-160"], stdout=subprocess.PIPE, check=True).stdout
    assert time.monotonic() - begin < 5
    assert 0.0098 < out.count(b"\n") / (65536 * 160) < 0.0102


def echoed(lab, targets):
    """The addresses that answer an echo request, by nmap."""
    need("nmap")
    out = lab.run("nmap", "-n", "-sn", "-PE", "-T4", *(["-6"] if ":" in targets else []), "-oG", "-", targets, check=True).stdout
    return {line.split()[1] for line in out.splitlines() if line.endswith("Status: Up")}


def test_hosts_that_are_not_up(lab):
    """They say nothing, not even to an echo request; all others answer that."""
    shares = ["--open", "1000000", "--closed", "0", "--up", "400000"]
    change(lab, *shares)
    for targets in ("198.18.9.0/24", "2001:db8:1:7::/120"):
        up = {address for (address, _), state in truth(targets, "9", *shares).items() if state == "open"}
        assert 60 < len(up) < 145  # 102, five deviations of 7.8
        assert echoed(lab, targets) == up


# ---- losses and extras

TARGETS, PORTS, POSITIONS = "198.18.32.0/20", "1-5", 20480
ONE_TRY = ["--max-retries", "0"]


def near(count, of, ppm):
    """Whether so many of `of` are a share of `ppm`, within five deviations."""
    share = ppm / 1e6
    return abs(count - of * share) <= 5 * math.sqrt(of * share * (1 - share)) + 1


def test_losses_are_as_many_as_asked_for(lab):
    change(lab, "--open", "200000", "--loss-in", "100000", "--loss-out", "50000")
    with counted(lab) as more:
        said = scan(lab, TARGETS, PORTS, *PACKETS, *ONE_TRY)
    n = more["v4"]
    answers = n["open"] + n["closed"]
    assert answers + n["silent"] == n["syns"]
    assert near(POSITIONS - n["syns"], POSITIONS, 100000) and near(n["lost_out"], answers, 50000)
    assert len(said.ports) == answers - n["lost_out"]
    # The scanner's kernel resets what was open, and its resets are lost as often.
    assert POSITIONS < n["lost_in"] + n["syns"] + n["other"] <= POSITIONS + n["open"]
    expected = truth(TARGETS, PORTS, "--open", "200000")
    assert {where: expected[where] for where in said.ports} == states(said)


def answers_in(capture):
    """{(address, port): its answers, in their order} of a capture of TCP."""
    found = collections.defaultdict(list)
    for packet in capture.packets:
        if packet.sport is not None and packet.flags in ("SA", "RA"):
            found[packet.src, packet.sport].append(packet)
    return found


@pytest.mark.parametrize("targets", ["198.18.64.0/22", "2001:db8:1:64::/118"])
def test_duplicates(lab, targets):
    change(lab, "--open", "500000", "--closed", "500000", "--duplicate", "300000")
    with counted(lab) as more, lab.capture(filter="tcp or ip6") as seen:
        said = scan(lab, targets, "1-2", *ONE_TRY)
    family = more["v6" if ":" in targets else "v4"]
    answers = answers_in(seen)
    assert len(answers) == len(said.ports) == 2048 and said.repeated == []
    twice = {where: packets for where, packets in answers.items() if len(packets) == 2}
    assert sum(map(len, answers.values())) == 2048 + len(twice)
    assert len(twice) == family["duplicates"] == more["extras"]["sent"] and near(len(twice), 2048, 300000)
    assert all((a.flags, a.seq, a.ack) == (b.flags, b.seq, b.ack) for a, b in twice.values())


@pytest.mark.parametrize("targets", ["198.18.64.0/22", "2001:db8:1:64::/118"])
def test_wrong_answers_are_on_top(lab, targets):
    """Before or after each comes one with another number, which no scanner may believe: prtip finds what is true."""
    shares = ["--open", "300000", "--closed", "300000"]
    change(lab, *shares, "--wrong", "1000000")
    with lab.capture(filter="tcp or ip6") as seen:
        said = scan(lab, targets, "1-2", *SHOWN)
    assert states(said) == answering(truth(targets, "1-2", *shares)) and said.repeated == []
    asked = {}
    for packet in seen.packets:
        if packet.flags == "S":
            asked[packet.dst, packet.dport, packet.sport] = packet.seq
    for packets in answers_in(seen).values():
        right = [p for p in packets if p.ack == asked[p.src, p.sport, p.dport] + 1 & 0xffffffff]
        assert len(packets) == 2 * len(right)


def test_late_answers(lab):
    change(lab, "--open", "500000", "--closed", "500000", "--late", "500000", "--late-by", "400")
    with counted(lab) as more, lab.capture(filter="tcp") as seen:
        scan(lab, "198.18.64.0/22", "1-2", *SHOWN, *ONE_TRY, "--wait", "1s")
    asked = {(p.dst, p.dport): p.time for p in seen.only(flags="S")}
    answers = answers_in(seen)
    assert len(answers) == len(asked) == 2048
    after = sorted(packets[0].time - asked[where] for where, packets in answers.items())
    late = [t for t in after if t >= 0.4]
    assert len(late) == more["v4"]["late"] == more["extras"]["sent"] and near(len(late), 2048, 500000)
    assert not [t for t in after if 0.2 < t < 0.4], "an answer is at once or in its time"
    assert late[len(late) // 2] < 0.45


@pytest.mark.parametrize("targets", ["198.18.64.0/24", "2001:db8:1:64::/120"])
def test_checksums_are_right(lab, targets):
    """By tshark, of answers at once, duplicates, wrong and late ones, and echo replies."""
    change(lab, "--open", "500000", "--closed", "500000", "--duplicate", "300000", "--wrong", "300000", "--late", "300000",
           "--late-by", "20")
    with lab.capture(filter="tcp or icmp or ip6") as seen:
        scan(lab, targets, "1-4", *ONE_TRY)
        assert len(echoed(lab, targets)) == 256
    fields = ["ip.src", "ipv6.src", "ip.checksum.status", "tcp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status"]
    command = ["tshark", "-n", "-r", seen.path, "-T", "fields", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    for field in fields:
        command += ["-e", field]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kinds = collections.Counter()
    for line in out.splitlines():
        row = dict(zip(fields, line.split("\t"), strict=True))
        if (row["ip.src"] or row["ipv6.src"]).startswith(("198.18.64.", "2001:db8:1:64:")):
            good = {name: value for name, value in row.items() if name.endswith("status") and value}
            assert set(good.values()) == {"1"}, line
            kinds.update(list(good))
    version6 = ":" in targets
    assert kinds["tcp.checksum.status"] > 1024 * 1.4
    assert kinds["icmpv6.checksum.status" if version6 else "icmp.checksum.status"] >= 256
    assert version6 or kinds["ip.checksum.status"] >= kinds["tcp.checksum.status"] + 256


# ---- what holds it, and what is left of it

def program_on(lab, host):
    return "prog/xdp" in lab.run("ip", "-d", "link", "show", "dev", IFACE, host=host, check=True).stdout


def test_the_other_end_is_free_for_a_scanner_of_its_own(lab):
    another = [RESPONDER, "run", IFACE, "--prefix", "2001:db8:2::/48"]  # some program with a link, on the scanner's end
    done = lab.run(*another, timeout=10)
    assert done.returncode == 1 and "cannot attach" in done.stderr
    change(lab, "--pass", "off")
    assert not program_on(lab, "scanner") and not stats(lab)["settings"]["pass"]
    with counted(lab) as more:
        assert scan(lab, "198.18.64.0/24", "1-4", *ONE_TRY).ports == {}
    assert more["v4"]["closed"] > 0  # they were sent, and did not arrive
    with lab.popen(*another, stdout=subprocess.PIPE, text=True) as own:
        assert own.stdout.readline() == "ready\n"
        assert len(scan(lab, "198.18.64.0/24", "1-4", *ONE_TRY).ports) > 200
        own.terminate()
        assert own.wait(10) == 0
    change(lab, "--pass", "on")
    assert len(scan(lab, "198.18.64.0/24", "1-4", *ONE_TRY).ports) > 200


@pytest.mark.parametrize("arguments, status, text", [
    (["run", IFACE], 1, "a responder is there already"), (["run", "none0"], 1, "no interface"),
    (["run", "lo"], 1, "cannot attach"), (["stats", "lo"], 1, "no responder runs"),
    (["set", IFACE, "--open", "900000"], 2, "together"), (["set", IFACE, "--pass", "maybe"], 2, "neither on nor off"),
    (["set", IFACE, "--late", "1"], 2, "--late-by"), (["set", IFACE, "--loss-in", "1%"], 2, "--loss-in"),
    (["run", IFACE, "--prefix", "198.18.0.0/40"], 2, "prefix length"), (["truth", "::/64", "1"], 2, "2^32"),
    (["truth", "198.18.0.0/24", "http,x"], 2, "x"), (["fly"], 2, "no command"), ([], 2, "command is needed"),
])
def test_bad_input(lab, arguments, status, text):
    change(lab, "--late-by", "0")
    before = stats(lab)["settings"]
    done = lab.run(RESPONDER, *arguments, host="responder", timeout=10)
    assert done.returncode == status and done.stdout == ""
    assert text in done.stderr and done.stderr.count("\n") == 1
    assert stats(lab)["settings"] == before


def responders():
    """Programs of any responder that the kernel holds."""
    out = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True, check=True).stdout
    return {p["id"] for p in json.loads(out) if p.get("name") in ("respond", "pass")}


@pytest.mark.parametrize("victim", ["responder", "keeper"])
def test_nothing_is_left_of_a_killed_one(victim):
    os.environ["PATH"] += ":/usr/sbin"
    before = responders()
    own = Lab.up(f"t-{secrets.token_hex(4)}", plan="sweep")
    try:
        ours = responders() - before
        assert len(ours) >= 2 and program_on(own, "scanner") and program_on(own, "responder")
        pid = own.state()["keeper"]
        if victim == "responder":
            pid = int(subprocess.run(["pgrep", "-P", str(pid), "-x", "responder"], capture_output=True, text=True,
                                     check=True).stdout)
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while ours & responders() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not ours & responders()
        if victim == "responder":
            assert not program_on(own, "scanner") and not program_on(own, "responder")
            assert own.run(RESPONDER, "stats", IFACE, host="responder").returncode == 1
    finally:
        own.down()
