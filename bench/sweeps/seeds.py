"""The sweep that everything is measured by: a /16 × 40 ports, with another network for each seed."""

import statistics

from compare.report import spread, verdict
from sweeps import ours, peers

WAYS = {"default": [], "--keep-half-open": ["--keep-half-open"]}
ASKED_PPS = {"default": 3.5e6, "--keep-half-open": 4e6}
ASKED_S, TIMES_ZMAP, TIMES_MASSCAN = 1.5, 12, 30


def one(place, size, seed):
    place.respond(False, seed=seed)
    truth = place.open_ports(ours.NETWORK, size.ports)
    row = {"seed": seed}
    for way in list(WAYS)[::1 if seed % 2 else -1]:  # neither is always first
        row[way] = ours.sweep(place, truth, [ours.NETWORK], size.ports, "--seed", str(seed), *WAYS[way])
    if seed <= size.beside:
        place.respond(True, seed=seed)
        row |= peers.both(place, size.zmap_ports, size.ports)
    return row


def measure(place, size):
    return place.each((f"seed {seed}", lambda seed=seed: one(place, size, seed)) for seed in range(1, size.seeds + 1))


def way_row(raw, way):
    rows = [r[way] for r in raw]
    pps, seconds = ([r[k] for r in rows] for k in ("pps", "seconds"))
    good = statistics.median(pps) >= ASKED_PPS[way] and statistics.median(seconds) <= ASKED_S
    return [f"prtip, {way}", spread(p / 1e6 for p in pps), spread(seconds),
            f"{sum(r['found'] for r in rows)}/{sum(r['open'] for r in rows)}",
            sum(r["false"] for r in rows), sum(r["twice"] for r in rows),
            f"≥ {ASKED_PPS[way] / 1e6:g} M/s, ≤ {ASKED_S} s", verdict(good)]


def peer_row(raw, who):
    rows = [r[who] for r in raw if who in r]
    return [who, spread((r["pps"] / 1e6 for r in rows), 3), spread(r["seconds"] for r in rows),
            f"{sum(r['found'] for r in rows)}/{sum(r['open'] for r in rows)}", sum(r["false"] for r in rows),
            sum(r["twice"] for r in rows), "", ""]


def ratio_row(raw, way, who, asked):
    ratios = [r[way]["pps"] / r[who]["pps"] for r in raw if who in r]
    return [f"{way} / {who}", spread(ratios, 1), "", "", "", "", f"≥ {asked}", verdict(statistics.median(ratios) >= asked)]


HEAD = ["", "million frames a second", "seconds, start to exit", "found", "false", "twice", "asked for", "met"]


def table(raw):
    rows = [way_row(raw, way) for way in WAYS]
    if any("zmap" in r for r in raw):
        rows += [peer_row(raw, who) for who in ("zmap", "masscan")]
        rows += [ratio_row(raw, way, who, asked) for way in WAYS
                 for who, asked in (("zmap", TIMES_ZMAP), ("masscan", TIMES_MASSCAN))]
    return rows
