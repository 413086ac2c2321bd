"""Makes the namespaces, links, addresses, routes and filters of a lab. No link ever touches the caller's own namespace:
both ends are created inside."""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess

from . import netns
from .describe import COVERS4, COVERS6, LAN_NET

# Before any link exists, so that each inherits `default`. A key with "?" may be missing on this kernel.
COMMON = {
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    # The truth should be exact: answers are limited only where a host is for that.
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv4.icmp_ratemask": "0",
    "net.ipv6.icmp.ratelimit": "0",
    "net.ipv6.icmp.ratemask?": "",
    "net.ipv4.icmp_msgs_per_sec?": "1000000",
    "net.ipv4.icmp_msgs_burst?": "100000",
    "net.ipv4.tcp_invalid_ratelimit": "0",
    "net.ipv4.tcp_max_syn_backlog": "65536",
    "net.core.somaxconn": "65535",
    # Addresses are usable at once, and nothing chatters.
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.default.dad_transmits": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.default.autoconf": "0",
    "net.ipv6.conf.default.router_solicitations": "0",
}
ROUTER = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}
PASSIVE = {"net.ipv6.conf.default.disable_ipv6": "1"}  # the switch and the delay box have no addresses
# Bridge netfilter, where that module is loaded, costs time and is no part of the truth.
SWITCHING = {f"net.bridge.bridge-nf-call-{tables}?": "0" for tables in ("iptables", "ip6tables", "arptables")}
SWITCH, BOX = "switch", "box"
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17


class BuildError(Exception):
    """The lab could not be built; the text says at which step."""


def _set(settings):
    for key, value in settings.items():
        path = "/proc/sys/" + key.rstrip("?").replace(".", "/")
        try:
            with open(path, "w", encoding="ascii") as f:
                f.write(value + "\n")
        except OSError as e:
            if not key.endswith("?"):
                raise BuildError(f"cannot set {key} to {value}: {e.strerror}") from None


def finish_checksums(iface):
    """Turns transmit offload off, as `ethtool -K IFACE tx off` does: what the delay box reads must be whole packets."""
    value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP16x", iface.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCETHTOOL, request)


class Builder:
    """One lab's namespaces (`fds`, by host name) and what is done in them."""

    def __init__(self, lab, name, token):
        self.lab = lab
        self.name = name
        self.token = token
        self.fds = {}

    def path(self, host):
        return f"/proc/{os.getpid()}/fd/{self.fds[host]}"

    def inodes(self):
        return {host: os.fstat(fd).st_ino for host, fd in self.fds.items()}

    def run(self, where, argv, text):
        with netns.inside(self.fds[where]):
            done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(f"{where}: {' '.join(argv)}: {done.stderr.strip()}\n{text}")

    def ip(self, where, lines):
        if lines:
            self.run(where, ["ip", "-batch", "-"], "\n".join(lines) + "\n")

    def links(self):
        """Namespaces and Ethernet links. The delay box, which makes the tun devices, is started after this."""
        self._namespaces()
        for where in self.fds:
            self.ip(where, self._links(where))
        for host in self.lab.boxed():
            if host.link == "veth":
                for where, iface in ((host.behind, host.peer_iface), (host.name, host.iface)):
                    with netns.inside(self.fds[where]):
                        finish_checksums(iface)

    def addresses(self):
        """Addresses, routes and filters."""
        for host in self.lab.hosts.values():
            self.ip(host.name, self._addresses(host))
        for host in self.lab.hosts.values():
            self.ip(host.name, self._routes(host))
            self._filter(host)

    def _namespaces(self):
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            passive = ([SWITCH] if self.lab.has_lan() else []) + ([BOX] if self.lab.boxed() else [])
            for name in [*passive, *self.lab.hosts]:
                self.fds[name] = netns.new_net()
                host = self.lab.hosts.get(name)
                settings = COMMON | (ROUTER if host and host.router else {}) | (host.sysctl if host else PASSIVE)
                if name == SWITCH:
                    settings |= SWITCHING
                _set(settings)
        finally:
            netns.enter(home)
            os.close(home)

    def _links(self, where):
        """Commands that create, from inside `where`, the links of which it is the nearer end."""
        lines = [f'link set dev lo alias "prtip-lab {self.name} {where} {self.token}"', "link set dev lo up"]
        hosts = self.lab.hosts.values()
        if where == SWITCH:
            lines.append("link add br0 type bridge mcast_snooping 0")
            for h in hosts:
                if h.on == "lan":
                    lines += [f"link add name {h.name} type veth peer name eth0 address {h.mac(h.at)} "
                              f"netns {self.path(h.name)}", f"link set dev {h.name} master br0 up"]
            lines.append("link set dev br0 up")
        for h in hosts:
            if h.behind != where or h.link != "veth":
                continue
            queues = f"numtxqueues {h.queues} numrxqueues {h.queues}" if h.queues > 1 else ""
            near = f"{h.peer_iface} address {h.mac(1)} {queues}"
            far = f"{h.iface} address {h.mac(h.at)} netns {self.path(h.name)} {queues}"
            if not h.box:
                lines.append(f"link add name {near} type veth peer name {far}")
        if where == BOX:
            for h in self.lab.boxed():
                if h.link == "veth":
                    lines += self._box_links(h)
        return lines

    def _box_links(self, host):
        """Both ends of the delay box for a host: NAME.a leads to what it is behind, NAME.b to the host."""
        ends = (("a", host.peer_iface, host.mac(1), host.behind), ("b", host.iface, host.mac(host.at), host.name))
        return [line for end, iface, mac, where in ends for line in (
            f"link add name {host.name}.{end} type veth peer name {iface} address {mac} netns {self.path(where)}",
            f"link set dev {host.name}.{end} up")]

    def box_arguments(self, host):
        """The delay box's command line for the host's link."""
        if host.link == "tun":
            ends = [f"tun:{host.peer_iface}@{self.path(host.behind)}", f"tun:{host.iface}@{self.path(host.name)}"]
        else:
            ends = [f"packet:{host.name}.{end}" for end in "ab"]
        words = [word for way, text in host.box.items() for word in [way, *text.split()]]
        return ["--seed", str(host.net), "link", *ends, *words]

    def _addresses(self, host):
        """Commands in the host's namespace: its own address, and its end of the links of hosts behind it."""
        lines = []
        if not host.respond:
            lines = self._address(host, host.iface, host.at, host.mac(1) if host.behind else None, 1)
        for h in self.lab.hosts.values():
            if h.behind == host.name:
                fixed = None if host.name == "scanner" else h.mac(h.at)
                lines += self._address(h, h.peer_iface, 1, fixed, h.at)
        return lines

    @staticmethod
    def _address(host, iface, number, other_mac, other):
        """`iface` is `number` on the net of `host`; a fixed neighbour entry for `other` where loss must not hit ARP."""
        # A tun device drops what does not fit its queue, and its reader must be scheduled first.
        queue = "txqueuelen 20000 " if host.link == "tun" else ""
        lines = [f"link set dev {iface} {queue}up", f"addr add {host.number_v4(number)}/24 dev {iface}",
                 f"addr add {host.number_v6(number)}/64 dev {iface} nodad"]
        if other_mac and host.link == "veth" and host.behind != "scanner":
            lines += [f"neigh replace {ip} lladdr {other_mac} nud permanent dev {iface}"
                      for ip in (host.number_v4(other), host.number_v6(other))]
        return lines

    def _routes(self, host):
        lines = []
        # A router on the segment has no way further up, and what it does not know is unreachable.
        if not (host.net == LAN_NET and host.router) and not host.respond:
            lines += [f"route add {COVERS4} via {host.gateway(4)} dev {host.iface}",
                      f"route add {COVERS6} via {host.gateway(6)} dev {host.iface}"]
        for prefix in host.any:
            lines.append(f"route add local {prefix} dev lo")
        for h in self.lab.hosts.values():
            hops = self.lab.path(h)
            prefixes = list(h.any) if h.behind == host.name else []
            if host.router and host.name in [hop.behind for hop in hops[:-1]]:
                prefixes += [f"198.18.{h.net}.0/24", f"2001:db8:{h.net}::/64", *h.any]
            if prefixes:
                behind = [hop for hop in hops if hop.behind == host.name][0]
                lines += [f"route add {p} via {behind.v6 if ':' in p else behind.v4}"
                          for p in prefixes]
        return lines

    def _filter(self, host):
        chains = host.filter
        if host.loss:
            drop = f"numgen random mod 10000 < {round(host.loss * 100)} drop"
            chains += ("chain loss_in { type filter hook prerouting priority -300; iifname != \"lo\" " + drop + "; }\n"
                       "chain loss_out { type filter hook postrouting priority 300; oifname != \"lo\" " + drop + "; }\n")
        if chains:
            self.run(host.name, ["nft", "-f", "-"], "table inet lab {\n" + chains + "\n}\n")
