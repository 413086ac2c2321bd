"""echo.py ADDRESS COUNT INTERVAL_MS: sends ICMP echos at a steady pace, prints [[number, round trip in ms], …] as they came back.

Like ping, without its pauses: 1,500 echos take 0.3 s.
"""

import json
import os
import selectors
import socket
import struct
import sys
import time

LINGER_S = 0.8


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo(request, identity, number):
    header = struct.pack("!BBHHH", request, 0, 0, identity, number)
    return header[:2] + struct.pack("!H", checksum(header)) + header[4:]


def main(address, count, interval):
    version6 = ":" in address
    family, protocol, request, reply, skip = ((socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129, 0) if version6
                                              else (socket.AF_INET, socket.IPPROTO_ICMP, 8, 0, 20))
    s = socket.socket(family, socket.SOCK_RAW, protocol)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.setblocking(False)
    identity, sent, came = os.getpid() & 0xFFFF, {}, []
    poll = selectors.DefaultSelector()
    poll.register(s, selectors.EVENT_READ)
    begin = time.monotonic()
    while (now := time.monotonic()) < begin + count * interval + LINGER_S and len(came) < count:
        while len(sent) < count and now >= begin + len(sent) * interval:
            number = len(sent) + 1
            sent[number] = time.monotonic()
            s.sendto(echo(request, identity, number), (address, 0))
        due = begin + len(sent) * interval if len(sent) < count else now + 0.05
        if not poll.select(max(0, due - time.monotonic())):
            continue
        data = s.recv(256)
        kind, _, _, whose, number = struct.unpack_from("!BBHHH", data, skip)
        if kind == reply and whose == identity:
            came.append([number, (time.monotonic() - sent[number]) * 1000])
    print(json.dumps(came))


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000)
