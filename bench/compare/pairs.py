"""Runs a scenario's pairs, ours and the other by turns, and checks that each run did its work."""

import ipaddress
import re
import subprocess

from compare.place import Failed

HOST = re.compile(r"^Nmap scan report for (?:\S+ \()?([0-9a-f.:]+)\)?")
PORT = re.compile(r"^(\d+)/tcp\s+open\s")


def port_list(text):
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


class Truth:
    """What has to be found at a host or network, and how many packets must have arrived there for it."""

    def __init__(self, place, where, ports):
        ports = set(port_list(ports))
        self.host = "anyip" if "/" in where else where.removesuffix("6")
        host = place.hosts[self.host]
        self.addresses = [str(a) for a in ipaddress.ip_network(where)] if "/" in where else \
            [host["v6" if where.endswith("6") else "v4"]]
        self.open = {(a, p) for a in self.addresses for p in host["tcp"] if p in ports}
        self.least = len(self.addresses) * len(ports) * (0.75 if host["loss"] else 1)

    def check(self, found, arrived):
        """`found`: (address, port) pairs with repetitions; `arrived`: packets that the target counted."""
        seen = set(found)
        if len(seen) != len(found):
            raise Failed("an open port was reported twice")
        if seen - self.open:
            raise Failed(f"reported open, but is not: {sorted(seen - self.open)[:3]}")
        if self.open - seen:
            raise Failed(f"{len(self.open - seen)} open ports were missed: {sorted(self.open - seen)[:3]}")
        if arrived < self.least:
            raise Failed(f"only {arrived} packets arrived, of {self.least:.0f}")


def open_ports(report):
    """The open ports in a report of nmap's shape, in order, with repetitions."""
    found, address = [], None
    for line in report.splitlines():
        host, port = HOST.match(line), PORT.match(line)
        if host:
            address = host[1]
        elif port:
            found.append((address, int(port[1])))
    return found


def one(place, argv, truth, limit=None):
    before = place.packets(truth.host)
    try:
        run = place.run(argv, limit)
    except subprocess.TimeoutExpired:
        return {"seconds": float(limit), "broken_off": True, "packets": place.packets(truth.host) - before}
    arrived = place.packets(truth.host) - before
    truth.check(open_ports(run.out), arrived)
    return {"seconds": run.seconds, "cpu": run.cpu, "peak_kib": run.peak_kib, "packets": arrived}


def value(scenario, place, ours, other):
    a, b = ours["seconds"], other["seconds"]
    if scenario.value == "faster":
        return b / a
    if scenario.value == "slower":
        return a / b
    trip = place.hosts[scenario.where]["rtt_ms"] / 1e3
    return (a - b - trip) / trip


def words(place, scenario, line):
    names = {h: d["v4"] for h, d in place.hosts.items()} | {h + "6": d["v6"] for h, d in place.hosts.items()}
    return [w.format(prtip=place.prtip, ports=scenario.ports, **names) for w in line.split()]


def measure(place, scenario, pairs):
    truth = Truth(place, scenario.where, scenario.ports)
    other_truth = Truth(place, scenario.other_where or scenario.where, scenario.ports)
    ours_words, other_words = words(place, scenario, scenario.ours), words(place, scenario, scenario.other)
    kept, rows = None, []
    for i in range(pairs):
        other = kept
        if not other and i % 2:  # A B B A: neither is always first
            other = one(place, other_words, other_truth, scenario.limit)
        ours = one(place, ours_words, truth)
        if not other:
            other = one(place, other_words, other_truth, scenario.limit)
        if scenario.once:
            kept = other
        rows.append({"ours": ours, "other": other, "value": value(scenario, place, ours, other)})
    return rows
