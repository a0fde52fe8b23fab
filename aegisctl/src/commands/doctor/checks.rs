//! What can be seen without the daemon: files in /proc and /sys, nothing loaded, nothing changed.

use std::fs;
use std::path::Path;

use aegis_api::Finding;
use caps::{CapSet, Capability};
use procfs::process::Process;

use crate::run::SYSTEM_STORES;

/// The oldest kernel with what the hooks use: sk_storage from cgroup programs, ring buffers, `getpeername` hooks.
const OLDEST: (u8, u8) = (5, 10);

/// The basics for the daemon, which looks closer itself.
pub fn kernel() -> Vec<Finding> {
    vec![version(), btf(), mount("cgroup2"), mount("bpf"), lockdown(), lsm()]
}

/// What `aegisctl run` needs and what it leaves open.
pub fn run() -> Vec<Finding> {
    vec![capabilities(), seccomp(), trust_store(), ptrace_scope(), docker_socket()]
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn version() -> Finding {
    let name = "kernel version";
    let Ok(version) = procfs::sys::kernel::Version::current() else {
        return Finding::fail(name, "/proc/sys/kernel/osrelease cannot be read", "mount /proc");
    };
    let seen = format!("{}.{}.{}", version.major, version.minor, version.patch);
    if (version.major, version.minor) >= OLDEST {
        Finding::ok(name, seen)
    } else {
        Finding::fail(name, seen, format!("run Linux {}.{} or newer", OLDEST.0, OLDEST.1))
    }
}

fn btf() -> Finding {
    let path = "/sys/kernel/btf/vmlinux";
    if Path::new(path).exists() {
        Finding::ok("kernel BTF", path)
    } else {
        Finding::warn("kernel BTF", format!("{path} is missing"), "run a kernel built with CONFIG_DEBUG_INFO_BTF=y")
    }
}

fn mount(kind: &str) -> Finding {
    let (name, fix) = match kind {
        "bpf" => ("bpffs", "mount -t bpf bpf /sys/fs/bpf"),
        _ => ("cgroup v2", "mount -t cgroup2 none /sys/fs/cgroup (or boot with systemd.unified_cgroup_hierarchy=1)"),
    };
    let mounts = Process::myself().and_then(|process| process.mountinfo());
    let found = mounts.ok().and_then(|mounts| mounts.into_iter().find(|mount| mount.fs_type == kind));
    match found {
        Some(mount) => Finding::ok(name, mount.mount_point.display().to_string()),
        None => Finding::fail(name, "not mounted", fix),
    }
}

/// What cannot be seen is said to be so: absence of the file is no proof of absence of the thing.
fn unseen(name: &str) -> Finding {
    Finding::warn(name, "unknown: securityfs is not mounted", "mount -t securityfs securityfs /sys/kernel/security")
}

fn lockdown() -> Finding {
    let name = "lockdown";
    match (read("/sys/kernel/security/lockdown"), read("/sys/kernel/security/lsm")) {
        (Some(state), _) if state.contains("[confidentiality]") => Finding::fail(
            name,
            state,
            "boot without lockdown=confidentiality: it forbids eBPF that reads kernel memory",
        ),
        (Some(state), _) => Finding::ok(name, state),
        (None, Some(_)) => Finding::ok(name, "not built into this kernel"),
        (None, None) => unseen(name),
    }
}

fn lsm() -> Finding {
    let name = "BPF LSM";
    match read("/sys/kernel/security/lsm") {
        None => unseen(name),
        Some(active) if active.split(',').any(|module| module == "bpf") => Finding::ok(name, active),
        Some(active) => Finding::warn(
            name,
            format!("not active ({active}): AF_PACKET and AF_VSOCK are closed by `aegisctl run` only"),
            "boot with lsm=...,bpf on the kernel command line",
        ),
    }
}

fn capabilities() -> Finding {
    let name = "run: privileges";
    let needed = [Capability::CAP_SYS_ADMIN, Capability::CAP_SETUID, Capability::CAP_SETGID, Capability::CAP_SETPCAP];
    let held = caps::read(None, CapSet::Effective).unwrap_or_default();
    let missing: Vec<String> = needed.iter().filter(|cap| !held.contains(cap)).map(ToString::to_string).collect();
    if missing.is_empty() {
        Finding::ok(name, "can join cgroups, change users and make a private mount namespace")
    } else {
        Finding::warn(name, format!("this user lacks {}", missing.join(", ")), "run aegisctl as root (sudo)")
    }
}

fn seccomp() -> Finding {
    let name = "run: seccomp";
    match read("/proc/sys/kernel/seccomp/actions_avail") {
        Some(actions) if actions.contains("kill_process") && actions.contains("errno") => Finding::ok(name, actions),
        _ => Finding::fail(name, "no system call filters", "run a kernel with CONFIG_SECCOMP_FILTER=y"),
    }
}

fn trust_store() -> Finding {
    let name = "run: system trust store";
    match SYSTEM_STORES.iter().find(|path| Path::new(path).exists()) {
        Some(path) => Finding::ok(name, *path),
        None => Finding::warn(name, "none found: agents will trust nothing but Aegis", "install ca-certificates"),
    }
}

fn ptrace_scope() -> Finding {
    let name = "run: ptrace scope";
    match read("/proc/sys/kernel/yama/ptrace_scope").as_deref() {
        Some("0") | None => Finding::warn(
            name,
            "an agent can write the memory (/proc/PID/mem) of processes of its own user outside its cgroup",
            "give each agent its own user (--user), or sysctl kernel.yama.ptrace_scope=1",
        ),
        Some(scope) => Finding::ok(name, format!("kernel.yama.ptrace_scope={scope}")),
    }
}

fn docker_socket() -> Finding {
    let name = "run: container sockets";
    let found = ["/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    match found {
        None => Finding::ok(name, "none"),
        Some(path) => Finding::warn(
            name,
            format!("{path}: whoever may use it starts processes outside every agent's cgroup"),
            "keep agents' users out of its group",
        ),
    }
}
