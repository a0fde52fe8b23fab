"""The part of systemd that a daemon sees: sd_notify(3) with its file descriptor store and watchdog, sd_listen_fds(3).

usage: service_manager.py NOTIFY_SOCKET WATCHDOG_SECONDS COMMAND...

SIGHUP restarts the daemon (SIGTERM first), SIGTERM stops it and ends. A daemon that is silent for longer than the
watchdog's time is killed and started again. Each state that the daemon tells is a line of standard output.
"""

import fcntl
import os
import select
import signal
import socket
import sys
import time

PATH, WATCHDOG, COMMAND = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
FIRST, ROOM = 3, 64

notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(PATH)
wake_read, wake_write = os.pipe()
os.set_blocking(wake_write, False)
signal.set_wakeup_fd(wake_write)
for caught in (signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
    signal.signal(caught, lambda *_: None)
store = []


def start():
    pid = os.fork()
    if pid:
        return pid
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    kept = [fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for fd in store]
    for offset, fd in enumerate(kept):
        os.dup2(fd, FIRST + offset, inheritable=True)
    os.closerange(FIRST + len(kept), 400)
    told = {
        "NOTIFY_SOCKET": PATH, "FDSTORE": str(ROOM), "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(kept)),
        "LISTEN_FDNAMES": ":".join(["aegis"] * len(kept)), "WATCHDOG_PID": str(os.getpid()),
        "WATCHDOG_USEC": str(int(WATCHDOG * 1e6)),
    }
    os.execve(COMMAND[0], COMMAND, {**os.environ, **told})


def hear():
    """Takes one message in; gives whether it was a sign of life."""
    message, fds, _, _ = socket.recv_fds(notify, 4096, ROOM)
    states = message.decode().split()
    if "FDSTOREREMOVE=1" in states:
        while store:
            os.close(store.pop())
    if "FDSTORE=1" in states:
        store.extend(fds)
    for state in states:
        print(state, flush=True)
    return "WATCHDOG=1" in states or "READY=1" in states


def end(pid, how):
    os.kill(pid, how)
    # It may tell us things while it drains.
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if select.select([notify], [], [], 0.02)[0]:
            hear()


daemon, heard = start(), None
while True:
    ready, _, _ = select.select([notify, wake_read], [], [], 0.05)
    if notify in ready and hear():
        heard = time.monotonic()
    woken = os.read(wake_read, 99) if wake_read in ready else b""
    if signal.SIGTERM in woken:
        end(daemon, signal.SIGTERM)
        sys.exit(0)
    if signal.SIGHUP in woken:
        end(daemon, signal.SIGTERM)
        daemon, heard = start(), None
    elif heard and time.monotonic() - heard > WATCHDOG:
        print("killed by the watchdog", flush=True)
        end(daemon, signal.SIGKILL)
        daemon, heard = start(), None
