"""From how many probes on the XDP engine is faster than a packet socket, start to exit."""

import statistics

from compare.report import spread
from sweeps import ours

# (network, ports): about 50 thousand to 5 million probes
SIZES = [("198.18.0.0/18", "1-3"), ("198.18.0.0/17", "1-3"), ("198.18.0.0/16", "1-3"), ("198.18.0.0/16", "1-5"),
         ("198.18.0.0/16", "1-8"), ("198.18.0.0/16", "1-15"), ("198.18.0.0/16", "1-31"), ("198.18.0.0/16", "1-76")]
ENGINES = ("afpacket", "xdp")


def one(place, network, ports, engine):
    place.respond(engine != "xdp")
    return ours.sweep(place, place.open_ports(network, ports), [network], ports, engine=engine)


def pair(place, network, ports, i):
    row = {e: one(place, network, ports, e) for e in ENGINES[::-1 if i % 2 else 1]}
    return row | {"probes": row["xdp"]["positions"]}


def measure(place, size):
    return place.each((f"{network}, ports {ports}", lambda n=network, p=ports, i=i: pair(place, n, p, i))
                      for network, ports in SIZES[:size.sizes] for i in range(size.runs))


def medians(raw):
    """{probes: {engine: median seconds}}"""
    return {n: {e: statistics.median(r[e]["seconds"] for r in raw if r["probes"] == n) for e in ENGINES}
            for n in sorted({r["probes"] for r in raw})}


def crossing(raw):
    """The fewest probes from which on the XDP engine is never slower; between two sizes by a straight line."""
    points = [(n, m["xdp"] - m["afpacket"]) for n, m in medians(raw).items()]
    slower = [i for i, (_, d) in enumerate(points) if d > 0]
    if not slower:
        return f"below {points[0][0]:,}"
    if slower[-1] == len(points) - 1:
        return f"above {points[-1][0]:,}"
    (n0, d0), (n1, d1) = points[slower[-1]:slower[-1] + 2]
    return f"about {round(n0 + (n1 - n0) * d0 / (d0 - d1), -4):,.0f}"


HEAD = ["probes", "afpacket, seconds", "xdp, seconds", "afpacket / xdp"]


def table(raw):
    rows = []
    for n in medians(raw):
        some = [r for r in raw if r["probes"] == n]
        rows.append([f"{n:,}", *(spread((r[e]["seconds"] for r in some), 3) for e in ENGINES),
                     spread(r["afpacket"]["seconds"] / r["xdp"]["seconds"] for r in some)])
    return rows + [["xdp is faster from", crossing(raw), "probes on", ""]]
