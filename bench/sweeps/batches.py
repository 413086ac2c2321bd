"""Frames a second by the sizes of batches."""

import statistics

from compare.report import spread
from sweeps import chart, ours

WHAT = {"xdp": ("--xdp-batch", "--batch-size", "--receive-batch"), "afpacket": ("--batch-size", "--receive-batch")}
SIZES = (16, 32, 64, 128, 256, 512, 1024)
MOST = {"--xdp-batch": 256}


def steps(size):
    """(engine, option, batch) of one round, the engines in turn as blocks: changing between them is slow."""
    return [(engine, option, n) for engine, options in WHAT.items() for option in options
            for n in SIZES[::size.batch_step] if n <= MOST.get(option, 1024)]


def one(place, ports, engine, option, n):
    place.respond(engine != "xdp")
    row = ours.sweep(place, place.open_ports(ours.NETWORK, ports), [ours.NETWORK], ports, option, str(n), engine=engine)
    return {"engine": engine, "option": option, "batch": n} | {k: row[k] for k in ("pps", "seconds", "seen", "frames", "ring_drops")}


def measure(place, size):
    ports = {"xdp": size.ports, "afpacket": size.slow_ports}
    return place.each((f"{e} {o} {n}", lambda e=e, o=o, n=n: one(place, ports[e], e, o, n))
                      for i in range(size.repeats) for e, o, n in steps(size)[::-1 if i % 2 else 1])


def of(raw, engine, option):
    """{batch: [frames a second, …]}"""
    got = {}
    for r in raw:
        if r["engine"] == engine and r["option"] == option:
            got.setdefault(r["batch"], []).append(r["pps"])
    return got


def draw(raw, where):
    """One chart for each engine, beside the tables."""
    for engine, options in WHAT.items():
        series = []
        for option in options:
            points = [(n, *(f(p) / 1e6 for f in (statistics.median, min, max))) for n, p in of(raw, engine, option).items()]
            series += [{"name": option, "points": points}] if points else []
        if series:
            svg = chart.draw(f"Batches, --engine {engine}", "frames in a batch", "million frames a second", series)
            (where / f"batches-{engine}.svg").write_text(svg)


HEAD = ["engine", "batch", *map(str, SIZES)]


def table(raw):
    rows = []
    for engine, options in WHAT.items():
        for option in options:
            got = of(raw, engine, option)
            rows.append([engine, option, *(spread(p / 1e6 for p in got[n]) if n in got else "" for n in SIZES)])
    return rows
