"""The small multi-port TCP listener that plain hosts run: accepts and closes."""

import selectors
import socket


def open_ports(ports):
    """One socket per port, for IPv4 and IPv6, in the namespace of the caller."""
    sockets = []
    for port in ports:
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::", port))
        s.listen(65535)
        s.setblocking(False)
        sockets.append(s)
    return sockets


def drain(s):
    for _ in range(256):
        try:
            connection, _ = s.accept()
        except OSError:
            return
        connection.close()


def serve(sockets):
    with selectors.DefaultSelector() as selector:
        for s in sockets:
            selector.register(s, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                drain(key.fileobj)
