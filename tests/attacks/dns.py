"""Data in names, asked of every resolver by every transport.

    dns.py MARKER TARGET4 TARGET6 PORT [ATTEMPT...]

The name of an attempt is MARKER--ATTEMPT.denied.test.
"""
import os, socket, struct, sys

marker, v4, v6 = sys.argv[1], sys.argv[2], sys.argv[3]
OTHER, AUTHORITY = "203.0.113.54", "203.0.113.53"


def question(name, kind=1, extra=b"", count=0):
    labels = b"".join(bytes([len(l)]) + l for l in name.encode().split(b".")) + b"\0"
    return struct.pack(">HHHHHH", 0x1234, 0x100, 1, 0, 0, count) + labels + struct.pack(">HH", kind, 1) + extra


def udp(name, to, data=None, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.sendto(data or question(name), to)
    try:
        s.recv(4096)
    except TimeoutError:
        pass


def tcp(name, to, family=socket.AF_INET, times=1):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(1)
    s.connect(to)
    one = question(name)
    s.sendall((struct.pack(">H", len(one)) + one) * times)
    try:
        s.recv(4096)
    except (TimeoutError, ConnectionResetError):
        pass


def edns(name):
    option = struct.pack(">HH", 65001, len(name)) + name.encode()
    udp(name, (AUTHORITY, 53), question(name, extra=b"\0" + struct.pack(">HHIH", 41, 4096, 0, len(option)) + option, count=1))


def multicast(name, group, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", b"\0" * 4, b"\0" * 4, socket.if_nametoindex("eth0")))
    s.sendto(question(name), (group, port))


ATTEMPTS = {
    "library": lambda name: socket.getaddrinfo(name, 80),
    "udp": lambda name: udp(name, (AUTHORITY, 53)),
    "udp_other_resolver": lambda name: udp(name, (OTHER, 53)),
    "udp_no_resolver": lambda name: udp(name, (v4, 53)),
    "udp_v6": lambda name: udp(name, (v6, 53), family=socket.AF_INET6),
    "udp_mapped": lambda name: udp(name, (f"::ffff:{OTHER}", 53), family=socket.AF_INET6),
    "txt": lambda name: udp(name, (AUTHORITY, 53), question(name, 16)),
    "null": lambda name: udp(name, (AUTHORITY, 53), question(name, 10)),
    "https": lambda name: udp(name, (AUTHORITY, 53), question(name, 65)),
    "any": lambda name: udp(name, (AUTHORITY, 53), question(name, 255)),
    "edns": edns,
    "below_an_allowed_name": lambda name: udp(name, (AUTHORITY, 53), question(name.replace("denied.test", "denied.api.allowed.test"))),
    "not_dns_at_all": lambda name: udp(name, (AUTHORITY, 53), name.encode() * 10),
    "trailing_data": lambda name: udp(name, (AUTHORITY, 53), question("api.allowed.test") + name.encode()),
    "tcp": lambda name: tcp(name, (AUTHORITY, 53)),
    "tcp_other_resolver": lambda name: tcp(name, (OTHER, 53)),
    "tcp_many": lambda name: tcp(name, (AUTHORITY, 53), times=20),
    "over_tls_port": lambda name: tcp(name, (v4, 853)),
    "over_quic_port": lambda name: udp(name, (v4, 853)),
    "multicast_dns": lambda name: multicast(name, "224.0.0.251", 5353),
    "link_local_names": lambda name: multicast(name, "224.0.0.252", 5355),
}

for attempt, body in ATTEMPTS.items():
    if sys.argv[5:] and attempt not in sys.argv[5:]:
        continue
    if os.fork():
        continue
    said = "done"
    try:
        body(f"{marker}--{attempt}.denied.test")
    except OSError as error:
        said = str(error)
    os.write(1, f"{attempt}: {said}\n".encode())
    os._exit(0)
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
