#!/usr/bin/env python3
"""test_scale.py SCALE DOCUMENT BAD: tools/scale computes what is computed by hand here, docs/internet-scale.md contains
what it prints, and data/xdp-bad.txt has the form that its head describes. Prints TAP-like lines; fails with status 1."""
import contextlib
import importlib.machinery
import importlib.util
import io
import ipaddress
import re
import sys

sys.dont_write_bytecode = True
TRIES = (  # targets, tries, share that would answer, loss: frames
    ((1000, 1, 0.1, 0.02), 1000),
    ((1000, 2, 0.1, 0.0), 1900),  # all but those that answered
    ((1000, 2, 0.1, 0.5), 1950),  # half of them did not get through
    ((1000, 3, 0.1, 0.5), 2875),
    ((1000, 2, 0.0, 0.02), 2000),
)
WIRE = (((4, False), 84), ((4, True), 86), ((6, False), 102), ((6, True), 106))
DURATIONS = ((63.2, "63 s"), (119.4, "119 s"), (250, "4 min 10 s"), (3599.6, "60 min 00 s"), (4921, "1 h 22 min"),
             (7199, "2 h 00 min"))
WRONG = (["--emit-ns", "0"], ["--loss", "1"], ["--loss", "x"], ["--timeout", "inf"], ["nothing"])
BAD_LINE = re.compile(r"[a-z0-9_*]+\t(refuse|warn|note)\t(-|cpus>\d+|iommu|no-program)\t\d+\.\d+\t(-|[\d.,]+)\t[^\t]+\t[^\t]+")


def loaded(path):
    loader = importlib.machinery.SourceFileLoader("scale", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("scale", loader))
    sys.modules["scale"] = module  # dataclasses look it up
    loader.exec_module(module)
    return module


def printed(scale, *words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = scale.main(list(words))
    return out.getvalue() if status == 0 else ""


def refused(scale, words):
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            scale.main(words)
        except SystemExit as end:
            return end.code == 2
    return False


def arithmetic(scale):
    for given, expected in TRIES:
        yield f"frames{given}", scale.frames(*given), expected
    for given, expected in WIRE:
        yield f"wire{given}", scale.syn_wire(*given), expected
    for given, expected in DURATIONS:
        yield f"duration({given})", scale.duration(given), expected
    yield "a gigabit of least frames", round(scale.line_rate(1, 84)), 1488095
    # 2^32, three /8, a /10, a /12, two /16, a /15, five /24, two /4
    yield "targets", scale.targets(), 2**32 - 3 * 2**24 - 2**22 - 2**20 - 2 * 2**16 - 2**17 - 5 * 2**8 - 2 * 2**28
    yield "cores, just full", scale.cores(5e6, 200), 1
    yield "cores, just over", scale.cores(5.01e6, 200), 2
    yield "found", round(scale.found(2, 0.02), 6), 0.9996
    yield "window", scale.window(1e6, 0.3), 300000


def registry(scale):
    """Python's copy of IANA's registry as the witness. 192.88.99/24 it takes for reachable; newer ones do not."""
    for net in map(ipaddress.ip_network, scale.RESERVED):
        first, after = net[0], net[-1] + 1 if int(net[-1]) < 2**32 - 1 else None
        known = str(net) == "192.88.99.0/24" or first.is_multicast or not first.is_global
        yield f"{net} is reserved", known, True
        yield f"what follows {net}", after is None or after.is_global or any(
            after in ipaddress.ip_network(other) for other in scale.RESERVED), True


def document(scale, path):
    """Every table, as the document has it after its mark."""
    with open(path, encoding="utf-8") as text:
        document_text = text.read()
    for name in scale.TABLES:
        block = printed(scale, name).strip()
        yield f"{path} contains table {name}", block.count("\n") > 2 and block in document_text, True


def behaviour(scale):
    yield "--list", printed(scale, "--list").split(), list(scale.TABLES)
    mine = printed(scale, "--emit-ns", "100", "--user-ns", "50", "cores")
    yield "own costs", re.search(r"^\| 10 Gb/s \| 14.88 \| 67.2 \| 2 \| 1 \|", mine, re.M) is not None, True
    for words in WRONG:
        yield f"refuses {words}", refused(scale, words), True


def bad_list(path):
    """Form, and that good versions are in order: the first release without the fault, then older branches."""
    with open(path, encoding="utf-8") as text:
        lines = [line.rstrip("\n") for line in text]
    rows = [line for line in lines if line and not line.startswith("#")]
    yield "pairs are listed", len(rows) > 0, True
    for row in rows:
        yield f"form of {row[:40]!r}", BAD_LINE.fullmatch(row) is not None, True
        first, good = row.split("\t")[3:5]
        versions = [tuple(map(int, v.split("."))) for v in good.split(",")] if good != "-" else []
        yield f"order of {row[:40]!r}", versions == sorted(versions, reverse=True), True
        yield f"bad before good in {row[:40]!r}", all(tuple(map(int, first.split("."))) < v for v in versions), True


def main(words):
    if len(words) != 3:
        sys.exit(__doc__)
    scale = loaded(words[0])
    failed = 0
    for checks in (arithmetic(scale), registry(scale), behaviour(scale), document(scale, words[1]), bad_list(words[2])):
        for name, got, expected in checks:
            if got != expected:
                failed += 1
                print(f"not ok {name}: {got!r}, expected {expected!r}")
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
