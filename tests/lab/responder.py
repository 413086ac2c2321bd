"""The lab's responder (lab/README.md) under a test's hand: what it is told, what it counted, and its truth."""

import contextlib
import json
import os
import subprocess

import pytest

from support import keeper

RESPONDER = keeper.program("responder")
IFACE = "eth0"
PLAIN = ["--seed", "1", "--open", "10000", "--closed", "250000", "--up", "1000000", "--loss-in", "0", "--loss-out", "0",
         "--duplicate", "0", "--wrong", "0", "--late", "0"]


def need_built():
    if not os.access(RESPONDER, os.X_OK):
        pytest.skip(f"{RESPONDER} is not built: it needs libbpf-dev, clang and bpftool")


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


def states(said):
    return {where: line["state"] for where, line in said.ports.items()}


def answering(expected):
    return {where: state for where, state in expected.items() if state != "silent"}
