"""hostile.py ADDRESS: a host that answers probes to its TCP ports with lies, truth and rubbish, by port number.

Runs in the namespace of a host whose kernel drops TCP. Prints "ready", then nothing.
"""

import os
import socket
import struct
import sys

SYN_ACK, RST_ACK, RST = 0x12, 0x14, 0x04
OPEN, OPEN_REPEATED, OPEN_THEN_RESET, RESET_THEN_OPEN, CLOSED = 9, 10, 11, 12, 13  # those that tell the truth


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


class Host:
    def __init__(self, address):
        self.address = socket.inet_aton(address)
        self.out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, to, protocol, body, source=None, cut=None):
        source = source or self.address
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0, source, to)
        packet = header + body
        self.out.sendto(packet[:cut] if cut else packet, (socket.inet_ntoa(to), 0))

    def tcp(self, probe, flags, ack, sport=None, source=None, extra=b"", dport=None, data_offset=5):
        head = struct.pack("!HHIIBBHHH", sport or probe.dport, dport or probe.sport, 77, ack & 0xFFFFFFFF,
                           data_offset << 4, flags, 1000, 0, 0)
        pseudo = (source or self.address) + probe.source + struct.pack("!BBH", 0, 6, len(head + extra))
        value = checksum(pseudo + head + extra)
        return head[:16] + struct.pack("!H", value) + head[18:] + extra

    def icmp(self, probe, kind, code, quote):
        body = struct.pack("!BBHI", kind, code, 0, 0) + quote
        self.send(probe.source, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])


class Probe:
    def __init__(self, packet):
        self.packet = packet
        header = (packet[0] & 15) * 4
        self.source, self.destination = packet[12:16], packet[16:20]
        self.sport, self.dport, self.seq = struct.unpack_from("!HHI", packet, header)
        self.flags = packet[header + 13]
        self.header = header


def quote_with(probe, sport=None, seq=None, destination=None, protocol=None):
    """The first bytes of the probe, with something changed."""
    q = bytearray(probe.packet[:probe.header + 8])
    if destination:
        q[16:20] = destination
    if protocol:
        q[9] = protocol
    if sport:
        q[probe.header:probe.header + 2] = struct.pack("!H", sport)
    if seq is not None:
        q[probe.header + 4:probe.header + 8] = struct.pack("!I", seq & 0xFFFFFFFF)
    return bytes(q)


def answer(host, p):
    """What port n does; everything but the five at the top is a lie."""
    good, ours = p.seq + 1, p.source

    def tcp(*args, **kw):
        host.send(ours, 6, host.tcp(p, *args, **kw), source=kw.get("source"))
    actions = {
        OPEN: lambda: tcp(SYN_ACK, good),
        OPEN_REPEATED: lambda: [tcp(SYN_ACK, good) for _ in range(50)],
        OPEN_THEN_RESET: lambda: (tcp(SYN_ACK, good), tcp(RST_ACK, good)),
        RESET_THEN_OPEN: lambda: (tcp(RST_ACK, good), tcp(SYN_ACK, good)),
        CLOSED: lambda: tcp(RST_ACK, good),
        101: lambda: tcp(SYN_ACK, p.seq),  # acknowledges nothing
        102: lambda: tcp(SYN_ACK, good + 1),
        103: lambda: tcp(SYN_ACK, int.from_bytes(os.urandom(4), "big")),
        104: lambda: tcp(RST_ACK, good + 12345),
        105: lambda: tcp(RST, 0),
        106: lambda: [tcp(SYN_ACK, int.from_bytes(os.urandom(4), "big"), sport=q) for q in range(1000, 6000)],  # a flood
        107: lambda: tcp(SYN_ACK, good, source=socket.inet_aton("198.18.13.77")),  # another host's voice
        108: lambda: tcp(SYN_ACK, good, dport=(p.sport + 1000) % 65536 or 1),
        109: lambda: tcp(0x02, good),  # a SYN of its own
        110: lambda: tcp(0x10, good),  # an ACK is no answer
        111: lambda: host.send(ours, 6, host.tcp(p, SYN_ACK, good)[:7]),  # cut short
        112: lambda: host.send(ours, 6, host.tcp(p, SYN_ACK, good)[:19]),
        113: lambda: tcp(SYN_ACK, good + 7, data_offset=15),  # options beyond its end
        114: lambda: [host.send(ours, 6, os.urandom(n)) for n in range(1, 60)],
        115: lambda: host.icmp(p, 3, 13, quote_with(p, seq=p.seq + 1)),  # a quote with the wrong cookie
        116: lambda: host.icmp(p, 3, 13, quote_with(p, sport=p.sport + 3000 & 0xFFFF)),
        117: lambda: host.icmp(p, 3, 3, quote_with(p, destination=socket.inet_aton("198.18.13.99"))),
        118: lambda: host.icmp(p, 3, 13, p.packet[:9]),
        119: lambda: host.icmp(p, 3, 13, b""),
        120: lambda: host.icmp(p, 3, 13, quote_with(p, protocol=17)),
        121: lambda: [host.icmp(p, k, c, os.urandom(28)) for k in range(0, 20) for c in range(0, 4)],
        122: lambda: host.icmp(p, 3, 3, os.urandom(1)),
        123: lambda: tcp(SYN_ACK | 0x04, good + 99),
        124: lambda: tcp(SYN_ACK, good - 1 - (1 << 31)),
    }
    action = actions.get(p.dport)
    if action:
        action()


def main(address):
    host = Host(address)
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    print("ready", flush=True)
    while True:
        packet, (_, _, kind, *_) = ear.recvfrom(2048)
        if kind != 0 or packet[9] != 6 or packet[16:20] != host.address:
            continue
        probe = Probe(packet)
        if probe.flags == 2:
            answer(host, probe)


if __name__ == "__main__":
    main(sys.argv[1])
