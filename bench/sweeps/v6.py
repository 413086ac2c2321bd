"""A list of IPv6 addresses beside as many IPv4 probes."""

import ipaddress
import random
import statistics

from compare.report import spread, verdict
from sweeps import ours

NET = ipaddress.ip_network("2001:db8:1::/48")
BLOCK_BITS, EACH, AT_ONCE, PORT = 11, 1000, 200, "443"
ASKED = 0.75


def blocks(count, chance):
    """Small networks anywhere in the /48. Addresses are drawn from half of each, so that the truth can be asked for by
    network, and what is scanned is still scattered."""
    size = 1 << BLOCK_BITS
    places = chance.sample(range(1 << 40), count)  # the first bits of the host part
    return [int(NET.network_address) + (p << 40) + (chance.getrandbits(29) << BLOCK_BITS) for p in places], size


def write_list(path, addresses):
    path.write_text("".join(f"{a}\n" for a in addresses))
    path.chmod(0o644)


def prepare(place, count):
    """The file of `count` addresses, and what is open there."""
    chance = random.Random(6)
    starts, size = blocks(count // EACH, chance)
    addresses = [str(ipaddress.IPv6Address(s + i)) for s in starts for i in chance.sample(range(size), EACH)]
    chance.shuffle(addresses)
    path = place.dir / "v6.list"
    write_list(path, addresses)
    wanted, truth = {a.encode() for a in addresses}, set()
    for i in range(0, len(starts), AT_ONCE):
        names = ",".join(f"{ipaddress.IPv6Address(s)}/{128 - BLOCK_BITS}" for s in starts[i:i + AT_ONCE])
        truth |= {p for p in place.open_ports(names, PORT) if p[0] in wanted}
    return path, truth


def measure(place, size):
    place.respond(False)
    count = size.v6_addresses
    path, truth6 = prepare(place, count)
    probes = f"1-{-(-count // 65536)}"
    truth4 = place.open_ports(ours.NETWORK, probes)

    def one(i):
        pair = {"v6": lambda: ours.sweep(place, truth6, ["-iL", str(path)], PORT),
                "v4": lambda: ours.sweep(place, truth4, [ours.NETWORK], probes)}
        row = {k: pair[k]() for k in list(pair)[::-1 if i % 2 else 1]}
        return row | {"value": row["v6"]["pps"] / row["v4"]["pps"]}
    return place.each((f"pair {i + 1}", lambda i=i: one(i)) for i in range(size.repeats))


HEAD = ["", "probes", "million frames a second", "seconds, start to exit", "found", "met"]


def table(raw):
    rows = []
    for family, name in (("v6", "IPv6, a list"), ("v4", "IPv4, a /16")):
        some = [r[family] for r in raw]
        rows.append([name, some[0]["positions"], spread(r["pps"] / 1e6 for r in some), spread(r["seconds"] for r in some),
                     f"{sum(r['found'] for r in some)}/{sum(r['open'] for r in some)}", ""])
    values = [r["value"] for r in raw]
    return rows + [["IPv6 / IPv4 (≥ 0.75)", "", spread(values), "", "", verdict(statistics.median(values) >= ASKED)]]
