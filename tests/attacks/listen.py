"""Servers whose answers carry the marker to whoever comes from outside.

    listen.py MARKER PORT READY

Writes the file READY when all listen. TCP with and without Fast Open, on IPv4 and IPv6; UDP that answers in three ways.
"""
import os, select, socket, sys

marker, port, ready = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TCP_FASTOPEN = 23


def payload(name):
    return f"{marker}.{name}.".encode() * 20


def tcp(family, address, port, fast):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if fast:
        s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
    s.bind((address, port))
    s.listen(16)
    return s


def udp(family, address, port):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((address, port))
    return s


def answer_connected(s, peer):
    """From the same port, by a connected socket."""
    other = socket.socket(s.family, socket.SOCK_DGRAM)
    other.connect(peer)
    other.send(payload("udp_connected"))


def answer(s, peer):
    for way in (
        lambda: s.sendto(payload("udp_sendto"), peer),
        lambda: s.sendmsg([payload("udp_sendmsg")], [], 0, peer),
        lambda: answer_connected(s, peer),
    ):
        try:
            way()
        except OSError:
            pass


ears = [
    tcp(socket.AF_INET, "0.0.0.0", port, False),
    tcp(socket.AF_INET6, "::", port + 1, False),
    tcp(socket.AF_INET, "0.0.0.0", port + 2, True),
    udp(socket.AF_INET, "0.0.0.0", port),
    udp(socket.AF_INET6, "::", port + 1),
]
os.close(os.open(ready, os.O_CREAT | os.O_WRONLY))
while True:
    for s in select.select(ears, [], [])[0]:
        if s.type == socket.SOCK_DGRAM:
            answer(s, s.recvfrom(4096)[1])
            continue
        taken, _ = s.accept()
        try:
            taken.sendall(payload("tcp"))
        except OSError:
            pass
        taken.close()
