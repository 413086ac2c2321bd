"""The lab's responder (lab/README.md): what it answers is what `responder truth` says, as nmap, prtip and tshark see it;
its losses and extras are as many as asked for; and nothing of it outlives it."""

import collections
import contextlib
import json
import os
import secrets
import subprocess
import time

import pytest

from support import Lab, keeper, nmap_states
from truth import read_json

RESPONDER = keeper.program("responder")
IFACE = "eth0"
PLAIN = ["--seed", "1", "--open", "10000", "--closed", "250000", "--up", "1000000", "--loss-in", "0", "--loss-out", "0",
         "--duplicate", "0", "--wrong", "0", "--late", "0"]
# The same seed in both; networks, ports and how many hosts these are.
SWEPT = [("198.18.7.0/26", "1-64"), ("2001:db8:1::40/122", "1-64")]


@pytest.fixture(scope="module")
def sweep_lab():
    if not os.access(RESPONDER, os.X_OK):
        pytest.skip(f"{RESPONDER} is not built: it needs libbpf-dev, clang and bpftool")
    it = Lab.up(f"t-{secrets.token_hex(4)}", plan="sweep")
    yield it
    it.down()


@pytest.fixture
def lab(sweep_lab):
    change(sweep_lab, *PLAIN, "--pass", "on")
    return sweep_lab


def change(lab, *options):
    lab.run(RESPONDER, "set", IFACE, *options, host="responder", check=True)


def stats(lab):
    return json.loads(lab.run(RESPONDER, "stats", IFACE, host="responder", check=True).stdout)


@contextlib.contextmanager
def counted(lab):
    """Yields a dict that is filled afterwards with what was counted meanwhile: {"v4": {…}, "v6": {…}, "extras": {…}}."""
    before, more = stats(lab), {}
    yield more
    after = stats(lab)
    for part in ("v4", "v6", "extras"):
        more[part] = {name: after[part][name] - before[part][name] for name in after[part]}


def truth(targets, ports, *options):
    """{(address, port): state} of all positions."""
    out = subprocess.run([RESPONDER, "truth", "--all", *options, targets, ports], capture_output=True, text=True, check=True)
    lines = (line.split() for line in out.stdout.splitlines())
    return {(address, int(port)): state for address, port, state in lines}


def scan(lab, targets, ports, *options):
    """prtip's JSON Lines, with whatever answered in them, by frames from a packet socket."""
    done = lab.prtip("--engine", "afpacket", "-n", "-Pn", "--all-states", "-oJ", "-", "-p", ports, *options, targets,
                     timeout=120, check=True)
    return read_json(done.stdout)


def states(said):
    return {where: line["state"] for where, line in said.ports.items()}


def answering(expected):
    return {where: state for where, state in expected.items() if state != "silent"}


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
    said = scan(lab, targets, ports)
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
