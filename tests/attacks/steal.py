"""Takes the ports of Aegis' listeners, to be sent what other agents say.

    steal.py SECONDS PORT...

Prints "bound PLACE" for what it could bind, then "heard TEXT" for what came.
"""
import select, socket, sys, time

SO_REUSEPORT = 15
ears = []
for port in map(int, sys.argv[2:]):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            s = socket.socket(family, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.setsockopt(socket.SOL_SOCKET, SO_REUSEPORT, 1)
            try:
                s.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    s.listen()
                ears.append(s)
                print("bound", address, port, kind.name, flush=True)
            except OSError as error:
                print("refused", address, port, kind.name, error, flush=True)
until = time.monotonic() + float(sys.argv[1])
while ears and time.monotonic() < until:
    for s in select.select(ears, [], [], 0.1)[0]:
        if s.type == socket.SOCK_STREAM:
            taken, _ = s.accept()
            taken.settimeout(1)
            print("heard", taken.recv(4096), flush=True)
        else:
            print("heard", s.recv(4096), flush=True)
