#!/usr/bin/env python3
"""Turn xdp-bad.txt into the C table of src/transport/xdp/known_bad.h.

usage: gen_xdp_bad.py xdp-bad.txt out.c
"""
import re
import sys

FIELDS = ["driver", "action", "when", "bad from", "good from", "reason", "evidence"]
ACTIONS = ["note", "warn", "refuse"]
WHEN = {"-": "ALWAYS", "iommu": "IOMMU", "no-program": "NO_PROGRAM"}
DRIVER = re.compile(r"\*|[a-z0-9_]{1,31}")
CPUS = re.compile(r"cpus>(\d{1,4})")
NUMBER = "(?:0|[1-9][0-9]{0,3})"
RELEASE = re.compile(rf"[1-9][0-9]{{0,3}}\.{NUMBER}(\.{NUMBER})?")
LIVE_FRAMES = (5, 18, 0)  # the first release that has them
GOOD_MAX = 8
REASON_MAX = 200  # it is part of one line for people


class Malformed(Exception):
    """What is wrong with a line."""


def release(text, what):
    if not RELEASE.fullmatch(text):
        raise Malformed(f"{what}: {text!r} is not a release")
    numbers = tuple(map(int, text.split(".")))
    return numbers + (0,) * (3 - len(numbers))


def repairs(text, first_bad):
    """Releases with the repair: the mainline one, then those of older branches."""
    if text == "-":
        return []
    good = [release(part, "good from") for part in text.split(",")]
    if len(good) > GOOD_MAX:
        raise Malformed(f"good from: more than {GOOD_MAX} releases")
    if good[0][2]:
        raise Malformed("good from: the first is not a mainline release")
    if any(a[:2] <= b[:2] for a, b in zip(good, good[1:])):
        raise Malformed("good from: not newest first, or two of one branch")
    if good[-1] <= first_bad:
        raise Malformed("good from: not after bad from")
    return good


def condition(text):
    cpus = CPUS.fullmatch(text)
    if cpus:
        return "CPUS", int(cpus[1])
    if text not in WHEN:
        raise Malformed(f"when: {text!r} is not known")
    return WHEN[text], 0


def row(line):
    fields = line.split("\t")
    if len(fields) != len(FIELDS) or not all(f and f == f.strip() for f in fields):
        raise Malformed("expected seven fields between tabs: " + ", ".join(FIELDS))
    driver, action, when, bad, good, reason, _ = fields
    if not DRIVER.fullmatch(driver):
        raise Malformed(f"driver: {driver!r} is no driver's name")
    if action not in ACTIONS:
        raise Malformed(f"action: {action!r} is none of {', '.join(ACTIONS)}")
    if len(reason) > REASON_MAX or not reason.isascii() or not reason.isprintable():
        raise Malformed(f"reason: more than {REASON_MAX} characters, or not all of them printable ASCII")
    first_bad = release(bad, "bad from")
    if first_bad < LIVE_FRAMES:
        raise Malformed("bad from: before 5.18 there are no live frames")
    return driver, action, condition(when), first_bad, repairs(good, first_bad), reason


def read(path):
    rows = []
    with open(path, encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith("#") or not line.strip():
                continue
            try:
                rows.append(row(line.rstrip("\n")))
                if rows[-1] in rows[:-1]:
                    raise Malformed("this line is there twice")
            except Malformed as what:
                sys.exit(f"{path}:{number}: {what}")
    if not rows:
        sys.exit(f"{path}: no line but comments")
    return rows


def initializer(numbers):
    return "{%d, %d, %d}" % numbers


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") + '"'


def main():
    source, target = sys.argv[1:]
    rows = read(source)
    with open(target, "w", encoding="ascii") as out:
        out.write(f"// made by {sys.argv[0].rsplit('/', 1)[-1]}, do not edit\n")
        out.write('#include "transport/xdp/known_bad.h"\n\nconst struct known_bad known_bad_table[] = {\n')
        for driver, action, (when, cpus), first_bad, good, reason in rows:
            out.write(f"\t{{\n\t\t.driver = {quoted(driver)},\n\t\t.action = KNOWN_BAD_{action.upper()},\n")
            out.write(f"\t\t.when = KNOWN_BAD_{when},\n\t\t.cpus = {cpus},\n\t\t.from = {initializer(first_bad)},\n")
            if good:
                out.write(f"\t\t.good = {{{', '.join(map(initializer, good))}}},\n\t\t.good_count = {len(good)},\n")
            out.write(f"\t\t.reason = {quoted(reason)},\n\t}},\n")
        out.write(f"}};\n\nconst unsigned known_bad_count = {len(rows)};\n")


if __name__ == "__main__":
    main()
