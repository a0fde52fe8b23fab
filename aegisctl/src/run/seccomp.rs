//! System calls that lead around the enforcement.
//!
//! Three filters, since a seccompiler filter has one answer for what it matches; the kernel takes the strictest. All are
//! inherited and cannot be taken off. Installing one sets `no_new_privs`.
//!
//! - `EPERM`: leaving the cgroup or the namespaces, touching other processes, the kernel itself, typing into the terminal.
//! - `EAFNOSUPPORT`: sockets that no cgroup hook sees (`AF_PACKET`, `AF_VSOCK`, ...).
//! - `ENOSYS`, so that programs fall back: `io_uring` (its operations pass no filter) and `clone3` (its flags cannot be
//!   read by a filter; the C library falls back to `clone`).
//!
//! Calls of another architecture (32-bit, x32) kill the process: their numbers mean other calls.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op,
    SeccompCondition as Condition, SeccompFilter, SeccompRule as Rule, TargetArch, apply_filter, sock_filter,
};

use super::stopped;
use crate::failure::Failure;

/// Answered with `EPERM`, whatever the arguments.
const DENIED: &[libc::c_long] = &[
    // The kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    // Other processes, which may be outside the cgroup.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Keys: the kernel asks helpers of the host for missing ones, who then ask the network (dns_resolver).
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Namespaces and mounts: the way back to a writable cgroup hierarchy.
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
];

/// Answered with `ENOSYS`.
const ABSENT: &[libc::c_long] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// `clone` and `unshare` with one of these make a namespace.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// `unshare` only: in `clone` the bit is part of the exit signal. Not in the libc crate.
const CLONE_NEWTIME: u64 = 0x80;

/// Socket families that the kernel's hooks see, or that stay on the host. Netlink is for routing questions only (the
/// C library's `getaddrinfo` asks them).
const FAMILIES: &[libc::c_int] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Terminal calls that type in the caller's place: what the agent pushes into the terminal, the caller's (root's) shell
/// reads as a command when `aegisctl run` ends.
const TYPING: &[libc::Ioctl] = &[libc::TIOCSTI, libc::TIOCLINUX];

type Rules = BTreeMap<i64, Vec<Rule>>;

/// Installs the filters on the calling thread, which must be the only one.
pub fn filter() -> Result<(), Failure> {
    let failed =
        |error: seccompiler::Error| stopped("filter system calls", error, "run a kernel with CONFIG_SECCOMP_FILTER");
    for program in programs().map_err(|error| failed(error.into()))? {
        apply_filter(&program).map_err(failed)?;
    }
    Ok(())
}

fn programs() -> Result<[BpfProgram; 3], BackendError> {
    Ok([
        program(denied()?, libc::EPERM)?,
        program(sockets()?, libc::EAFNOSUPPORT)?,
        program(always(ABSENT), libc::ENOSYS)?,
    ])
}

fn program(rules: Rules, errno: libc::c_int) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, answer, arch)?.try_into()?;
    Ok(kill_x32(arch).into_iter().chain(filter).collect())
}

/// x32 calls come with the architecture of x86-64 and bit 30 in their number, so that none of the numbers above match.
fn kill_x32(arch: TargetArch) -> Vec<sock_filter> {
    const X32_BIT: u32 = 0x4000_0000;
    let instruction = |code: u32, jt, jf, k| sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k };
    match arch {
        TargetArch::x86_64 => vec![
            // The number is the first field of struct seccomp_data.
            instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32_BIT),
            instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        ],
        TargetArch::aarch64 | TargetArch::riscv64 => Vec::new(),
    }
}

fn always(calls: &[libc::c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn denied() -> Result<Rules, BackendError> {
    let flag = |flag: u64| Rule::new(vec![Condition::new(0, Len::Qword, Op::MaskedEq(flag), flag)?]);
    let namespaces = NAMESPACES.iter().map(|bit| flag(u64::from(bit.unsigned_abs())));
    let namespaces = namespaces.collect::<Result<Vec<_>, _>>()?;
    let mut unshare = namespaces.clone();
    unshare.push(flag(CLONE_NEWTIME)?);
    let mut rules = always(DENIED);
    rules.insert(libc::SYS_clone, namespaces);
    rules.insert(libc::SYS_unshare, unshare);
    // The kernel takes the request as an int, so only the lower half counts.
    let typing = TYPING.iter().map(|request| Rule::new(vec![Condition::new(1, Len::Dword, Op::Eq, *request)?]));
    rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    Ok(rules)
}

fn sockets() -> Result<Rules, BackendError> {
    // The arguments are ints: the kernel does not look at the upper half of the registers, and neither may the filter.
    let differs =
        |argument, value: libc::c_int| Condition::new(argument, Len::Dword, Op::Ne, u64::from(value.unsigned_abs()));
    let is =
        |argument, value: libc::c_int| Condition::new(argument, Len::Dword, Op::Eq, u64::from(value.unsigned_abs()));
    let other_family = FAMILIES.iter().map(|family| differs(0, *family)).collect::<Result<Vec<_>, _>>()?;
    let other_netlink = vec![is(0, libc::AF_NETLINK)?, differs(2, libc::NETLINK_ROUTE)?];
    Ok(BTreeMap::from([
        (libc::SYS_socket, vec![Rule::new(other_family)?, Rule::new(other_netlink)?]),
        (libc::SYS_socketpair, vec![Rule::new(vec![differs(0, libc::AF_UNIX)?])?]),
    ]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_fit_into_the_kernel() {
        for program in programs().unwrap() {
            assert!(program.len() < 4096, "BPF_MAXINSNS");
            assert!(program.iter().all(|instruction| instruction.code != 0 || instruction.k == 0));
        }
    }
}
