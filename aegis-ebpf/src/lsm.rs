//! What no cgroup hook sees, where the kernel has BPF LSM: other families of sockets, sockets handed in, ways out of the
//! cgroup, and the agent's hand on the kernel or on other processes. Whoever lives outside of the enforced root passes
//! each program at its first question.

use core::ffi::c_void;

use aya_ebpf::{bindings::bpf_sock, helpers::generated::bpf_sock_from_file, macros::lsm, programs::LsmContext};

use crate::{
    attribute::{self, Caller, Who},
    maps::state_of,
    place::{self, Place, enforced, layout, read},
    verdict::{Allow, Incident, Refusal, conclude},
};

const EPERM: i32 = 1;
const EAFNOSUPPORT: i32 = 97;

const AF_UNIX: i32 = 1;
const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
const AF_NETLINK: i32 = 16;
/// Questions about routes and addresses, which the C library's `getaddrinfo` asks.
const NETLINK_ROUTE: i32 = 0;

/// `struct socket`: `sk` stands behind the state, the type, the flags and the file. The verifier holds the offset against
/// the kernel's BTF: where it were another, the program would not load.
const SOCKET_SK: usize = 24;
/// `struct sock_common`: the family, behind addresses, hash and ports; held against BTF likewise.
const SOCK_FAMILY: usize = 16;

/// linux/fs.h
const FMODE_WRITE: u32 = 2;
/// linux/magic.h
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
/// linux/sched.h
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// linux/ptrace.h
const PTRACE_MODE_ATTACH: u32 = 2;

/// The answer to the kernel: 0 lets the call go on.
#[inline(always)]
fn answer(outcome: Result<(), Refusal>, errno: i32, incident: impl FnOnce() -> Incident) -> i32 {
    if conclude(outcome.map(|()| Allow::Quietly), incident) == 1 { 0 } else { -errno }
}

/// The caller, if it is one to be judged. Nobody's processes are judged too, and are no agent.
#[inline(always)]
fn judged() -> Option<Caller> {
    if !enforced() {
        return None;
    }
    match attribute::caller() {
        Who::Agent(caller) => Some(caller),
        Who::Nobody => Some(Caller { agent: 0, cgroup_id: 0 }),
        Who::Outsider => None,
    }
}

#[lsm(hook = "socket_create")]
pub fn lsm_socket_create(ctx: LsmContext) -> i32 {
    let (family, kind, protocol, of_kernel): (i32, i32, i32, i32) = (ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3));
    if of_kernel != 0 || judged().is_none() {
        return 0;
    }
    let seen = matches!(family, AF_UNIX | AF_INET | AF_INET6) || family == AF_NETLINK && protocol == NETLINK_ROUTE;
    let outcome = if seen { Ok(()) } else { Err(Refusal::Socket) };
    answer(outcome, EAFNOSUPPORT, || Incident {
        family: family as u16,
        socket_type: kind as u16,
        protocol: protocol as u16,
        ..Incident::of_caller()
    })
}

/// A file comes in by a unix socket (SCM_RIGHTS), by `pidfd_getfd` or by a seccomp notification.
#[lsm(hook = "file_receive")]
pub fn lsm_file_receive(ctx: LsmContext) -> i32 {
    let Some(caller) = judged() else { return 0 };
    let file: *mut c_void = ctx.arg(0);
    // SAFETY: the hook's own argument.
    let socket = unsafe { bpf_sock_from_file(file.cast()) }.cast::<u8>();
    if socket.is_null() {
        return 0;
    }
    // SAFETY: loads that the verifier checks by type and the kernel guards against faults.
    let sk = unsafe { socket.add(SOCKET_SK).cast::<*mut bpf_sock>().read_volatile() };
    if sk.is_null() {
        return answer(Err(Refusal::Received), EPERM, Incident::of_caller);
    }
    // SAFETY: as above.
    let family = unsafe { sk.cast::<u8>().add(SOCK_FAMILY).cast::<u16>().read_volatile() };
    // SAFETY: a socket that was not null.
    let own = caller.agent != 0 && unsafe { state_of(sk) }.is_some_and(|state| state.agent == caller.agent);
    let outcome = if own || i32::from(family) == AF_UNIX { Ok(()) } else { Err(Refusal::Received) };
    answer(outcome, EPERM, || Incident { family, ..Incident::of_caller() })
}

/// Opening `cgroup.procs` or `cgroup.threads` for writing is how a process is moved; inside its own agent an agent may.
#[lsm(hook = "file_open")]
pub fn lsm_file_open(ctx: LsmContext) -> i32 {
    if !enforced() {
        return 0;
    }
    let file: *const c_void = ctx.arg(0);
    let Some(directory) = moves_into(file as u64) else { return 0 };
    let Some(caller) = judged() else { return 0 };
    let within =
        matches!(place::of_directory(directory), Some(Place { agent, .. }) if agent != 0 && agent == caller.agent);
    let outcome = if within { Ok(()) } else { Err(Refusal::Leaving) };
    answer(outcome, EPERM, Incident::of_caller)
}

/// The directory of the cgroup that processes are moved into by writing to this file; none for any other file.
#[inline(always)]
fn moves_into(file: u64) -> Option<u64> {
    let layout = layout();
    let mode: u32 = read(file, layout.file_mode)?;
    if mode & FMODE_WRITE == 0 {
        return None;
    }
    let dentry: u64 = read(file, layout.file_dentry)?;
    let super_block: u64 = read(read(dentry, layout.dentry_inode)?, layout.inode_super)?;
    if read::<u64>(super_block, layout.super_magic)? != CGROUP2_SUPER_MAGIC {
        return None;
    }
    let name: [u64; 2] = read(read(dentry, layout.dentry_name)?, 0)?;
    moves(&name).then_some(())?;
    read(dentry, layout.dentry_parent)
}

/// Whether a file's name, from its first 16 bytes on, is one of the two.
#[inline(always)]
fn moves(name: &[u64; 2]) -> bool {
    const fn word(bytes: [u8; 8]) -> u64 {
        u64::from_ne_bytes(bytes)
    }
    // What follows the end of the name is not its.
    const SEVEN: u64 = word([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    const FIVE: u64 = word([0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0]);
    name[0] == word(*b"cgroup.p") && name[1] & FIVE == word(*b"rocs\0\0\0\0")
        || name[0] == word(*b"cgroup.t") && name[1] & SEVEN == word(*b"hreads\0\0")
}

/// `clone3` can make a child in another cgroup, which opens no file.
#[lsm(hook = "task_alloc")]
pub fn lsm_task_alloc(ctx: LsmContext) -> i32 {
    let flags: u64 = ctx.arg(1);
    if flags & CLONE_INTO_CGROUP == 0 || judged().is_none() {
        return 0;
    }
    answer(Err(Refusal::Leaving), EPERM, Incident::of_caller)
}

#[lsm(hook = "bpf")]
pub fn lsm_bpf(_ctx: LsmContext) -> i32 {
    if judged().is_none() {
        return 0;
    }
    answer(Err(Refusal::Tampering), EPERM, Incident::of_caller)
}

/// Attaching to a process, reading its memory and taking its files: only of its own agent's.
#[lsm(hook = "ptrace_access_check")]
pub fn lsm_ptrace_access_check(ctx: LsmContext) -> i32 {
    let mode: u32 = ctx.arg(1);
    if mode & PTRACE_MODE_ATTACH == 0 {
        return 0;
    }
    let Some(caller) = judged() else { return 0 };
    let task: *const c_void = ctx.arg(0);
    let tracee = place::cgroup_of(task as u64).and_then(place::of_cgroup);
    let own = matches!(tracee, Some(Place { agent, .. }) if agent != 0 && agent == caller.agent);
    let outcome = if own { Ok(()) } else { Err(Refusal::Tampering) };
    answer(outcome, EPERM, Incident::of_caller)
}
