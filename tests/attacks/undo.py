"""Undoing the enforcement, and sending afterwards.

    undo.py MARKER TARGET4 TARGET6 PORT [ATTEMPT...]

PINS is the directory of Aegis' programs and maps, DAEMON the daemon's process id, SOCKET its control socket.
"""
import ctypes, errno, os, signal, socket, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
marker, v4, v6, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
pins, daemon = os.environ["PINS"], int(os.environ["DAEMON"])
BPF_OBJ_GET, BPF_LINK_DETACH, BPF_MAP_UPDATE, BPF_PROG_GET_NEXT, BPF_LINK_GET_BY_ID = 7, 34, 2, 11, 30


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = libc.syscall(321, command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def every_pin():
    found = [os.path.join(where, name) for where, _, names in os.walk(pins, onerror=raise_it) for name in names]
    if not found:
        raise OSError(errno.ENOENT, "no pins")
    return found


def raise_it(error):
    raise error


def each(action):
    """On every pin; the last error, if none of them succeeded."""
    done, failure = 0, None
    for pin in every_pin():
        try:
            action(pin)
            done += 1
        except OSError as error:
            failure = error
    if not done and failure:
        raise failure


def opened(pin):
    path = ctypes.create_string_buffer(pin.encode())
    return bpf(BPF_OBJ_GET, struct.pack("QII", ctypes.addressof(path), 0, 0))


def unpin():
    each(os.unlink)


def rename():
    each(lambda pin: os.rename(pin, f"{pin}_moved"))


def cover():
    if libc.mount(b"tmpfs", pins.encode(), b"tmpfs", 0, None) < 0:
        raise OSError(ctypes.get_errno(), "mount")


def detach():
    each(lambda pin: bpf(BPF_LINK_DETACH, struct.pack("I", opened(pin))))


def detach_by_number():
    for number in range(1, 5000):
        try:
            bpf(BPF_LINK_DETACH, struct.pack("I", bpf(BPF_LINK_GET_BY_ID, struct.pack("II", number, 0))))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
                raise


def overwrite_maps():
    zeros = ctypes.create_string_buffer(4096)
    ones = ctypes.create_string_buffer(b"\xff" * 4096)

    def overwrite(pin):
        fd = opened(pin)
        for key in (zeros, ones):
            bpf(BPF_MAP_UPDATE, struct.pack("IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(ones), 0))

    each(overwrite)


def kill():
    os.kill(daemon, signal.SIGKILL)


def stop():
    os.kill(daemon, signal.SIGSTOP)


def remove_cgroup():
    os.rmdir(os.environ["CGROUP"])


def administrate():
    """Asks the daemon to let the agent out."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.environ["SOCKET"])
    body = b'{"name":"tester","org":"laboratory","tenant":"tests","direct":[{"cidr":"0.0.0.0/0","port":0,"protocol":"udp"}]}'
    for request in (b"POST /v1/agents", b"PUT /v1/agents/tester", b"DELETE /v1/agents/tester"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.environ["SOCKET"])
        s.sendall(request + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        answer = b""
        while piece := s.recv(4096):
            answer += piece
        if b" 2" in answer[:12]:
            return
    raise OSError(errno.EACCES, answer[:12].decode())


def send(name):
    payload = f"{marker}.{name}.".encode() * 20
    failures = []
    for family, to in ((socket.AF_INET, (v4, port)), (socket.AF_INET6, (v6, port))):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            try:
                s = socket.socket(family, kind)
                s.settimeout(1)
                s.connect(to)
                s.send(payload)
            except OSError as error:
                failures.append(errno.errorcode.get(error.errno, str(error)))
    return " ".join(failures) or "done"


ATTEMPTS = [unpin, rename, cover, detach, detach_by_number, overwrite_maps, remove_cgroup, administrate, stop, kill]
for attempt in ATTEMPTS:
    name = attempt.__name__
    if sys.argv[5:] and name not in sys.argv[5:]:
        continue
    outcome = "succeeded"
    try:
        attempt()
    except OSError as error:
        outcome = errno.errorcode.get(error.errno, str(error))
    print(f"{name}: {outcome}, {send(name)}", flush=True)
