#!/usr/bin/env python3
"""test_gen_xdp_bad.py GENERATOR TABLE: data/gen_xdp_bad.py makes an entry of every line of the table, and refuses what
is malformed with file and line. Prints TAP-like lines; fails with status 1."""
import pathlib
import re
import subprocess
import sys
import tempfile

GOOD = ("igc", "refuse", "-", "5.18", "6.8,6.7.10,6.1.82", "panic", "somebody's word")
MALFORMED = (  # field, what stands there
    (0, "IGC"), (0, ""), (0, "igc "), (0, "i*"), (0, "a" * 32),
    (1, "forbid"), (1, "Refuse"),
    (2, "cpus>"), (2, "cpus>x"), (2, "cpus>64 "), (2, "cpus<64"), (2, "always"),
    (3, "-"), (3, "5"), (3, "5.17"), (3, "5.18.x"), (3, "05.18"), (3, "5.18.0.1"), (3, "5.18-rc1"), (3, "99999.1"),
    (4, ""), (4, "6.8.1,6.7.10"), (4, "6.8,"), (4, "6.8;6.7"), (4, "6.1.82,6.8"), (4, "6.8,6.7.10,6.7.9"), (4, "6.8,6.8"),
    (4, "5.18"), (4, "6.8,5.17.3"), (4, ",".join(f"6.{n}" for n in range(30, 20, -1))), (4, "6.8, 6.7.10"),
    (5, ""), (5, "a" * 201), (5, "p\u00e4nic"), (5, "pa\x1bnic"),
    (6, ""),
)


def generated(generator, text, folder):
    source, target = folder / "table", folder / "out.c"
    source.write_bytes(text)
    done = subprocess.run([sys.executable, generator, source, target], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr, target.read_text() if done.returncode == 0 else ""


def line(*changes):
    fields = list(GOOD)
    for field, text in changes:
        fields[field] = text
    return "\t".join(fields)


def checks(generator, table, folder):
    status, _, made = generated(generator, line().encode() + b"\n", folder)
    yield "a good line", (status, made.count(".driver = "), '.driver = "igc"' in made), (0, 1, True)
    yield "its repairs", "{{6, 8, 0}, {6, 7, 10}, {6, 1, 82}}" in made, True
    real = pathlib.Path(table).read_bytes()
    rows = [row for row in real.split(b"\n") if row and not row.startswith(b"#")]
    status, _, made = generated(generator, real, folder)
    yield "an entry for each line", (status, made.count(".driver = "), f"known_bad_count = {len(rows)};" in made), (0, len(rows), True)
    bad = {f"{change}": line(change) for change in MALFORMED}
    bad |= {"six fields": line().rsplit("\t", 1)[0], "eight fields": line() + "\tx", "spaces": line().replace("\t", " "), "twice": line()}
    for name, text in bad.items():
        status, said, _ = generated(generator, f"# head\n{line()}\n\n{text}\n".encode(), folder)
        yield f"refuses {name}", (status, re.match(rf"{folder}/table:4: .+\n\Z", said) is not None), (1, True)
    status, said, _ = generated(generator, b"# head\n\xff\xfe\tx\n", folder)
    yield "refuses bytes that are no text", (status, said.startswith(f"{folder}/table:2: ")), (1, True)
    status, said, _ = generated(generator, b"# head\n", folder)
    yield "refuses an empty table", (status, said.startswith(f"{folder}/table: ")), (1, True)


def main(words):
    if len(words) != 2:
        sys.exit(__doc__)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, got, expected in checks(words[0], words[1], pathlib.Path(folder)):
            if got != expected:
                failed += 1
                print(f"not ok {name}: {got!r}, expected {expected!r}")
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
