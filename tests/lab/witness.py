"""An independent eye on everything that leaves a host of a lab, on all of its interfaces at once."""

import os
import socket
import threading

from support import netns

ETH_P_ALL, PACKET_OUTGOING = 0x0003, 4
ARP_REPLY, MULTICAST_BIT = 2, 1
ROUTER_SOLICITATION, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT, MLD_REPORT = 133, 135, 136, 143


def is_housekeeping(protocol, destination, payload):
    """What a kernel sends of its own accord: answers, checks of neighbours it knows, multicast memberships."""
    unicast = not destination or not destination[0] & MULTICAST_BIT
    if protocol == 0x0806:
        return unicast or payload[7:8] == bytes([ARP_REPLY])
    if protocol != 0x86DD or len(payload) < 41:
        return False
    hop_by_hop = payload[6] == 0
    if payload[6] != 58 and not hop_by_hop:
        return False
    kind = payload[48 if hop_by_hop else 40]
    return kind in (ROUTER_SOLICITATION, NEIGHBOUR_ADVERTISEMENT, MLD_REPORT) or (
        kind == NEIGHBOUR_SOLICITATION and unicast)


def is_question(protocol, payload):
    """A packet to a name server."""
    if protocol == 0x0800 and payload[9] == socket.IPPROTO_UDP:
        ports = payload[(payload[0] & 15) * 4:]
    elif protocol == 0x86DD and payload[6] == socket.IPPROTO_UDP:
        ports = payload[40:]
    else:
        return False
    return int.from_bytes(ports[2:4], "big") == 53


def socket_in(path, *arguments):
    """A socket made in the network namespace of that path."""
    made = []

    def make():
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        netns.enter(fd)  # of this thread alone
        os.close(fd)
        made.append(socket.socket(*arguments))
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Witness:
    def __init__(self, lab, host="scanner"):
        self.socket = socket_in(lab.state()["netns"][host], socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        self.socket.setblocking(False)

    def sent(self):
        """What has left since the last call: (interface, protocol, payload) of each packet, housekeeping left out."""
        seen = []
        while True:
            try:
                data, (iface, protocol, kind, hardware, _) = self.socket.recvfrom(2048)
            except BlockingIOError:
                return seen
            if kind != PACKET_OUTGOING:
                continue
            ethernet = hardware in (1, 772)  # a loopback frame has the header too
            payload = data[14:] if ethernet else data
            if not is_housekeeping(protocol, data[:6] if hardware == 1 else b"", payload):
                seen.append((iface, protocol, payload))
        return seen

    def close(self):
        self.socket.close()
