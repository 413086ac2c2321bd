"""hostile_dns.py ADDRESS: a name server that lies, by the name that is asked for. Prints "ready" first."""

import os
import socket
import struct
import sys

A, CNAME, PTR, AAAA = 1, 5, 12, 28
SIGNS = b"\x1b]0;pwned\x07\x1b[2J<script>'\"&\r\n\x00\xff\xfe"  # what a terminal, XML or JSON might trip over


def label(text):
    return bytes([len(text)]) + text


def name(*labels):
    return b"".join(label(x) for x in labels) + b"\0"


def record(kind, data, owner=b"\xc0\x0c"):
    return owner + struct.pack("!HHIH", kind, 1, 1, len(data)) + data


def read_question(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]])
        at += 1 + query[at]
    return labels, struct.unpack_from("!H", query, at + 1)[0], query[12:at + 5]


def message(query, question, answers, flags=0x8180, number=None, count=None):
    head = query[:2] if number is None else number
    counts = struct.pack("!HHHH", 1, len(answers) if count is None else count, 0, 0)
    return head + struct.pack("!H", flags) + counts + question + b"".join(answers)


def reply(query):
    """The datagrams to send back."""
    labels, kind, question = read_question(query)
    first = labels[0].lower()
    if kind == PTR and labels[1] == b"12":
        return [message(query, question, [record(PTR, name(b"odd_name", b"example"))])]
    if kind == PTR:
        names = [name(SIGNS, b"x" * 63, b"example"), name(b"second", b"example")]
        return [message(query, question, [record(PTR, n) for n in names])]
    if kind != A:
        return [message(query, question, [])]
    wrong = record(A, socket.inet_aton("198.18.22.2"))
    return {
        b"reserved": lambda: [message(query, question, [record(A, socket.inet_aton("224.0.0.9"))])],
        b"this": lambda: [message(query, question, [record(A, b"\0\0\0\0")])],
        b"loop": lambda: [message(query, question, [record(CNAME, b"\xc0\x0c")])],
        b"pointer": lambda: [message(query, question, [record(A, b"\1\2\3\4", owner=b"\xc0\xff")])],
        b"short": lambda: [message(query, question, [record(A, b"\1\2\3\4")])[:-3]],
        b"count": lambda: [message(query, question, [wrong], count=65535)],
        b"rubbish": lambda: [query[:2] + os.urandom(100) for _ in range(20)],
        b"empty": lambda: [b"", query[:2], query[:11]],
        b"otherid": lambda: [message(query, question, [wrong], number=bytes([query[0] ^ 1, query[1]]))] * 100,
        b"otherquestion": lambda: [message(query, name(b"other", b"evil") + question[-4:], [wrong])],
        b"many": lambda: [message(query, question, [record(A, socket.inet_aton("198.18.21.2"))] * 20)],
        b"refused": lambda: [message(query, question, [], flags=0x8185)],
        b"silent": lambda: [],
    }.get(first, lambda: [message(query, question, [], flags=0x8183)])()


def main(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 53))
    print("ready", flush=True)
    while True:
        query, sender = s.recvfrom(4096)
        for datagram in reply(query):
            s.sendto(datagram, sender)


if __name__ == "__main__":
    main(sys.argv[1])
