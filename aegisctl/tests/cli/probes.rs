//! Python that looks from inside what is allowed, and prints it as JSON.

/// Which sockets can be made, and whether ordinary life goes on.
pub const SOCKETS: &str = r#"
import errno, json, socket, subprocess, threading
def made(family, kind, protocol=0):
    try:
        socket.socket(family, kind, protocol).close()
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
print(json.dumps({
    "inet": made(socket.AF_INET, socket.SOCK_STREAM), "inet6": made(socket.AF_INET6, socket.SOCK_DGRAM),
    "unix": made(socket.AF_UNIX, socket.SOCK_STREAM), "route": made(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "audit": made(socket.AF_NETLINK, socket.SOCK_RAW, 9), "packet": made(socket.AF_PACKET, socket.SOCK_RAW),
    "vsock": made(40, socket.SOCK_STREAM), "alg": made(38, socket.SOCK_SEQPACKET), "raw": made(socket.AF_INET, socket.SOCK_RAW, 1),
    "pair": len(socket.socketpair()), "name": len(socket.getaddrinfo("127.0.0.1", 80)) > 0,
    "child": subprocess.run(["/bin/true"]).returncode,
}))
"#;

/// What the system calls answer (numbers of x86-64).
pub const CALLS: &str = r#"
import ctypes, errno, json, os, signal
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    libc.syscall(number, *arguments)
    return errno.errorcode.get(ctypes.get_errno(), "ok")
def killed_by(number):
    child = os.fork()
    if child == 0:
        libc.syscall(number, 40, 1, 0)
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])
print(json.dumps({
    "bpf": call(321, 0, 0, 0), "ptrace": call(101, 0, 0, 0, 0), "io_uring_setup": call(425, 1, 0), "clone3": call(435, 0, 0),
    "pidfd_getfd": call(438, 0, 0, 0), "process_vm_writev": call(311, 1, 0, 0, 0, 0, 0), "setns": call(308, 0, 0),
    "mount": call(165, 0, 0, 0, 0, 0), "unshare_user": call(272, 0x10000000), "unshare_net": call(272, 0x40000000),
    "unshare_files": call(272, 0x400), "high_bits": call(41, (1 << 32) | 17, 3, 0), "x32": killed_by(0x40000000 | 41),
    "tiocsti": call(16, 0, 0x5412, b"x"), "tiocsti_high_bits": call(16, 0, (1 << 32) | 0x5412, b"x"), "tiocgwinsz": call(16, 99, 0x5413, 0),
}))
"#;
