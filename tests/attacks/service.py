"""Services of the host: what arrives is written to the file LOG.

    service.py LOG READY ADDRESS:PORT...
"""
import os, select, socket, sys

log = open(sys.argv[1], "ab", buffering=0)
ears = []
for place in sys.argv[3:]:
    address, port = place.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, int(port)))
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        ears.append(s)
os.close(os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY))
streams = []
while True:
    for s in select.select(ears + streams, [], [])[0]:
        if s in ears and s.type == socket.SOCK_STREAM:
            streams.append(s.accept()[0])
            continue
        try:
            data = s.recv(65536)
        except OSError:
            data = b""
        log.write(data)
        if not data and s in streams:
            streams.remove(s)
            s.close()
