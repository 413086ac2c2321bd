"""Reads lab.toml, or another plan beside it, into Host objects; knows the addressing rule and the truth, and starts nothing."""

import dataclasses
import hashlib
import ipaddress
import pathlib
import re
import tomllib

FOLDER = pathlib.Path(__file__).resolve().parent.parent
PLAN = "lab"
COVERS4 = "198.18.0.0/15"
COVERS6 = "2001:db8::/32"
LAN_NET = 0
LAN_GATEWAY = 1
NO_HOST = {"switch", "box"}  # namespaces of the lab's own
NO_IFACE = {"lo", "all", "default"}  # there already; words of sysctl


class DescriptionError(Exception):
    """The description does not make sense; the text says where."""


@dataclasses.dataclass
class Host:
    name: str
    what: str
    on: str | None = None
    at: int = 2
    behind: str | None = None
    net: int = LAN_NET
    net4: str | None = None
    net6: str | None = None
    port: str | None = None
    link: str = "veth"
    queues: int = 1
    box: dict = dataclasses.field(default_factory=dict)
    router: bool = False
    any: list = dataclasses.field(default_factory=list)
    serve: str | None = None
    tcp: list = dataclasses.field(default_factory=list)
    udp: list = dataclasses.field(default_factory=list)
    rest: str = "closed reset"
    states: dict = dataclasses.field(default_factory=dict)
    udp_rest: str = "closed port-unreach"
    ping: bool = True
    loss: float = 0
    rtt_ms: float = 0
    filter: str = ""
    sysctl: dict = dataclasses.field(default_factory=dict)
    respond: dict = dataclasses.field(default_factory=dict)

    @property
    def v4(self):
        return self.number_v4(self.at)

    @property
    def v6(self):
        return self.number_v6(self.at)

    def number_v4(self, number):
        """The IPv4 address `number` on this host's net."""
        return f"{self.net4 or f'198.18.{self.net}'}.{number}"

    def number_v6(self, number):
        return str(ipaddress.ip_address(f"{self.net6 or f'2001:db8:{self.net}'}::{number}"))

    @property
    def iface(self):
        """The host's own name for the interface that leads to the scanner."""
        return "tun0" if self.link == "tun" else "eth0"

    @property
    def peer_iface(self):
        return self.port or self.name

    def gateway(self, version):
        number = LAN_GATEWAY if self.on == "lan" else 1
        return self.number_v4(number) if version == 4 else self.number_v6(number)

    def mac(self, number):
        """Link address of `number` on this host's net: the digits of the IPv4 address."""
        return f"02:00:00:00:{self.net:02d}:{number:02d}"

    def tcp_states(self):
        """{port: "state reason"} of every TCP port from 1 on."""
        truth = dict.fromkeys(range(1, 65536), self.rest)
        for ports, state in self.states.items():
            first, _, last = ports.partition("-")
            truth.update(dict.fromkeys(range(int(first), int(last or first) + 1), state))
        truth.update(dict.fromkeys(self.tcp, "open syn-ack"))
        return truth

    def as_dict(self, interface):
        return {
            "name": self.name, "what": self.what, "v4": self.v4, "v6": self.v6, "any": self.any,
            "interface": interface, "on_link": self.on == "lan" or self.behind == "scanner",
            "tcp": self.tcp, "udp": self.udp, "rest": self.rest, "states": self.states,
            "udp_rest": self.udp_rest, "ping": self.ping, "loss": self.loss, "rtt_ms": self.rtt_ms,
            "respond": self.respond,
        }


class Description:
    def __init__(self, plan=PLAN):
        path = FOLDER / f"{plan}.toml"
        try:
            text = path.read_bytes()
        except OSError as e:
            plans = ", ".join(sorted(p.stem for p in FOLDER.glob("*.toml")))
            raise DescriptionError(f"{path}: {e.strerror}; the plans are {plans}") from None
        self.plan = plan
        self.digest = hashlib.sha256(text).hexdigest()[:16]
        try:
            data = tomllib.loads(text.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise DescriptionError(f"{path}: {e}") from None
        self.zone = data["zone"]
        known = {f.name for f in dataclasses.fields(Host)}
        self.hosts = {}
        for name, keys in data["host"].items():
            unknown = set(keys) - known
            if unknown:
                raise DescriptionError(f"{path}: host {name}: unknown key {', '.join(sorted(unknown))}")
            self.hosts[name] = Host(name=name, **keys)
        self._check(path)

    def _check(self, path):
        used = {}
        for h in self.hosts.values():
            where = f"{path}: host {h.name}: "
            if (h.on == "lan") + bool(h.behind) + bool(h.respond) != 1:
                raise DescriptionError(where + 'needs one of on = "lan", behind = "HOST" and respond')
            if h.behind and h.behind not in self.hosts:
                raise DescriptionError(where + f"is behind {h.behind}, which is not described")
            if h.behind and not 1 <= h.net <= 99:
                raise DescriptionError(where + f"net is {h.net}, should be 1 to 99")
            if h.name in NO_HOST or h.peer_iface in self._taken(h):
                raise DescriptionError(where + "the lab itself uses that name")
            if not re.fullmatch(r"[\w-][\w.-]*", h.peer_iface, re.ASCII):
                raise DescriptionError(where + "an interface is named after it: letters, digits, - and _ only")
            if len(h.peer_iface) > 13:
                raise DescriptionError(where + "the interface name is longer than 13 characters")
            if h.v4 in used:
                raise DescriptionError(where + f"has the address of {used[h.v4]}")
            used[h.v4] = h.name
            if h.respond and len(self.behind(h)) != 1:
                raise DescriptionError(where + "responds to one host behind it, no more and no less")
        for name in ("scanner", "r1", "dns") if self.has_lan() else ("scanner",):
            if name not in self.hosts:
                raise DescriptionError(f"{path}: there must be a host {name}")

    def _taken(self, host):
        """Names that the other end of the host's link cannot have."""
        near = self.hosts.get(host.behind)
        return NO_IFACE | ({"br0"} if host.on else set()) | ({near.iface} if near and not near.respond else set())

    def has_lan(self):
        return any(h.on == "lan" for h in self.hosts.values())

    def behind(self, host):
        return [h for h in self.hosts.values() if h.behind == host.name]

    def path(self, host):
        """The hosts that packets from the segment pass on their way to `host`, nearest first, itself last."""
        chain = [host]
        while chain[0].behind and chain[0].behind != "scanner":
            chain.insert(0, self.hosts[chain[0].behind])
        return chain

    def interface(self, host):
        """The scanner's interface that leads to `host`."""
        return host.peer_iface if host.behind == "scanner" else "eth0"

    def boxed(self):
        """Hosts whose link passes the delay box."""
        return [h for h in self.hosts.values() if h.box or h.link == "tun"]
