"""What is compared: one entry each, measured by pairs.py.

A command line is "PROGRAM OPTIONS TARGET"; {ports} stands for the scenario's ports (the same for both), {quiet} for that
host's IPv4 address, {quiet6} for its IPv6 address, {prtip} for the program. Fields:

  ours, other   the two command lines; both must find exactly the open ports there are at `where` (`other_where`)
  value         how a pair becomes a number: "faster" other / ours, "slower" ours / other,
                "trips" (ours - other - RTT) / RTT, the round trips above the ideal;
                the other is our own scan of d0, the same way without delay
  want          the number asked for
  once          the peer is so slow that it runs once, for all pairs
  limit         seconds after which the peer is broken off; its time is at least that
"""

import dataclasses

ALL, THOUSAND, HUNDRED = "1-65535", "1-1000", "1-98,443,8080"


@dataclasses.dataclass
class Scenario:
    name: str
    where: str
    ports: str
    ours: str
    other: str
    want: float
    value: str = "faster"
    other_where: str = ""
    once: bool = False
    limit: float | None = None

    def met(self, value):
        return value >= self.want if self.value == "faster" else value <= self.want

    def wanted(self):
        return {"faster": f"≥ {self.want:g} times faster", "slower": f"≤ {self.want:g} times its time",
                "trips": f"≤ {self.want:g} round trips above the ideal"}[self.value]


def beside_nmap(name, options, host, ports, want, **more):
    target = host if "/" in host else f"{{{host}}}"
    line = f"-n -Pn {options} -p {{ports}} {target}"
    return Scenario(name, host, ports, "{prtip} " + line, "nmap " + line, want, **more)


def beside_ours(name, host, ports, want, value, other):
    line = "{prtip} -n -Pn -sS -p {ports} "
    return Scenario(name, host, ports, line + f"{{{host}}}", line + f"{{{other}}}", want, value, other_where=other)


SCENARIOS = [
    beside_nmap("syn-65535", "-sS", "quiet", ALL, 3),
    beside_nmap("syn-65535-direct", "-sS", "anyip", ALL, 3),  # no router, no bridge: two namespaces
    beside_nmap("syn-65535-v6", "-6 -sS", "quiet6", ALL, 3),
    beside_nmap("connect-65535", "-sT", "quiet", ALL, 3),
    beside_nmap("connect-65535-direct", "-sT", "anyip", ALL, 3),
    beside_nmap("connect-65535-v6", "-6 -sT", "quiet6", ALL, 3),
    beside_nmap("syn-1000", "-sS", "quiet", THOUSAND, 4),
    beside_nmap("syn-1000-direct", "-sS", "anyip", THOUSAND, 4),
    beside_nmap("net24-100", "-sS", "198.19.7.0/24", HUNDRED, 4),
    beside_nmap("drop-65535-T4", "-sS -T4", "drop", ALL, 20, once=True, limit=300),
    beside_nmap("lossy10-65535", "-sS", "lossy10", ALL, 20, once=True, limit=200),
    beside_ours("rstlimit-65535", "rstlimit", ALL, 2, "slower", "quiet"),
    beside_ours("d100-65535", "d100", ALL, 3, "trips", "d0"),
    beside_ours("d300-65535", "d300", ALL, 3, "trips", "d0"),
    beside_ours("d100-1000", "d100", THOUSAND, 3, "trips", "d0"),
    beside_ours("d300-1000", "d300", THOUSAND, 3, "trips", "d0"),
]
