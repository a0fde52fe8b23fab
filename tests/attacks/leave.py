"""Leaving the cgroup, or the namespaces in which the hooks are thought to be, and sending from there.

    leave.py MARKER TARGET4 TARGET6 PORT [ATTEMPT...]

CGROUP names the agent's cgroup (any other for a bystander). What cannot be left is sent from all the same.
"""
import ctypes, errno, os, signal, socket, struct, sys, tempfile

libc = ctypes.CDLL(None, use_errno=True)
marker, v4, v6, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
agent = os.environ["CGROUP"]
mount = next(line.split()[1] for line in open("/proc/self/mounts") if line.split()[2] == "cgroup2")
NEWNS, NEWCGROUP, NEWUSER, NEWNET, NEWPID = 0x20000, 0x2000000, 0x10000000, 0x40000000, 0x20000000


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def move(directory):
    with open(f"{directory}/cgroup.procs", "w") as procs:
        procs.write("0")


def root():
    move(mount)


def parent():
    move(os.path.dirname(agent))


def thread_only():
    with open(f"{mount}/cgroup.threads", "w") as threads:
        threads.write("0")


def child():
    inner = f"{agent}/inner-{os.getpid()}"
    os.mkdir(inner)
    move(inner)
    deeper = f"{inner}/deeper"
    os.mkdir(deeper)
    move(deeper)


def hierarchy_mounted_anew():
    check(libc.unshare(NEWNS))
    point = tempfile.mkdtemp()
    check(libc.mount(b"cgroup2", point.encode(), b"cgroup2", 0, None))
    move(point)


def namespace():
    """Inside, the agent's cgroup is the root of all: there is nothing above it to move to."""
    check(libc.unshare(NEWCGROUP | NEWNS))
    point = tempfile.mkdtemp()
    check(libc.mount(b"cgroup2", point.encode(), b"cgroup2", 0, None))
    move(point)
    os.mkdir(f"{point}/inner-{os.getpid()}")
    move(f"{point}/inner-{os.getpid()}")


def user_namespace():
    check(libc.unshare(NEWUSER | NEWNS | NEWPID))


def cloned_into():
    """clone3(CLONE_INTO_CGROUP): the child begins elsewhere."""
    directory = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    arguments = struct.pack("QQQQQQQQQQQ", 0x200000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, directory)
    buffer = ctypes.create_string_buffer(arguments)
    if check(libc.syscall(435, buffer, len(arguments))) > 0:
        os.wait()
        os._exit(0)


def daemonized():
    if os.fork():
        os.wait()
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)


def send(name):
    payload = f"{marker}.{name}.".encode() * 20
    failures = []
    for family, to in ((socket.AF_INET, (v4, port)), (socket.AF_INET6, (v6, port))):
        for kind, protocol in ((socket.SOCK_DGRAM, 0), (socket.SOCK_STREAM, 0), (socket.SOCK_RAW, 253)):
            try:
                s = socket.socket(family, kind, protocol)
                s.settimeout(1)
                if kind == socket.SOCK_STREAM:
                    s.connect(to)
                    s.sendall(payload)
                else:
                    s.sendto(payload, to if kind == socket.SOCK_DGRAM else (to[0], 0))
            except OSError as error:
                failures.append(errno.errorcode.get(error.errno, str(error)))
    return " ".join(failures) or "done"


ATTEMPTS = [root, parent, thread_only, child, hierarchy_mounted_anew, namespace, user_namespace, cloned_into, daemonized]
for attempt in ATTEMPTS:
    name = attempt.__name__
    if sys.argv[5:] and name not in sys.argv[5:]:
        continue
    if os.fork():
        continue
    # Who is caught outside may not live to tell more.
    os.write(1, f"{name}: begun\n".encode())
    left = "left"
    try:
        attempt()
    except OSError as error:
        left = errno.errorcode.get(error.errno, str(error))
    os.write(1, f"{name}: {left}, {send(name)}\n".encode())
    os._exit(0)
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
