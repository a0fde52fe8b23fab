//! Attribute: which agent a socket belongs to, written once when the socket is made and compared
//! with the caller at each use.

use aegis_common::{Process, SocketState};
use aya_ebpf::{
    bindings::bpf_sock,
    helpers::generated::{
        bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
        bpf_get_current_uid_gid, bpf_get_netns_cookie, bpf_get_socket_cookie,
    },
    macros::cgroup_sock,
    programs::SockContext,
};

use crate::{
    dns,
    maps::{AGENT_CGROUPS, make_state, settings, state_of},
    verdict::{Allow, Incident, Refusal, conclude},
};

/// Levels walked below the enforced root. An agent's cgroup deeper than this is not found, so its
/// processes are nobody's and refused.
const DEPTH: u32 = 16;

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const TCP: u32 = aegis_common::protocol::TCP as u32;
const UDP: u32 = aegis_common::protocol::UDP as u32;

/// An agent and the cgroup that makes it one.
#[derive(Clone, Copy)]
pub struct Caller {
    pub agent: u32,
    pub cgroup_id: u64,
}

/// The agent of the calling process: the deepest enrolled cgroup above it.
#[inline(always)]
pub fn caller() -> Option<Caller> {
    let first = settings().root_level + 1;
    let mut found = None;
    for level in first..first + DEPTH {
        // SAFETY: plain helper; 0 below the caller's own cgroup.
        let cgroup_id = unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) };
        if cgroup_id == 0 {
            break;
        }
        // SAFETY: preallocated and written by the daemon only; the value is copied at once.
        if let Some(agent) = unsafe { AGENT_CGROUPS.get(cgroup_id) } {
            found = Some(Caller { agent: *agent, cgroup_id });
        }
    }
    found
}

/// The cgroup of the calling process itself, for reports about nobody's processes.
#[inline(always)]
pub fn caller_cgroup_id() -> u64 {
    // SAFETY: plain helper.
    unsafe { bpf_get_current_cgroup_id() }
}

/// The calling process.
#[inline(always)]
pub fn process() -> Process {
    let mut comm = [0u8; 16];
    // SAFETY: plain helpers; the buffer is as long as said. On failure it is left as zeros.
    unsafe {
        bpf_get_current_comm(comm.as_mut_ptr().cast(), 16);
        Process { pid: (bpf_get_current_pid_tgid() >> 32) as u32, uid: bpf_get_current_uid_gid() as u32, comm }
    }
}

/// The state of the socket a call is about, if the caller is the agent that made it.
#[inline(always)]
pub fn owner<'a>(sk: *mut bpf_sock) -> Result<&'a mut SocketState, Refusal> {
    let caller = caller().ok_or(Refusal::Unattributed)?;
    // SAFETY: `sk` is the context's socket.
    let state = unsafe { state_of(sk) }.ok_or(Refusal::Unattributed)?;
    if state.agent != caller.agent {
        return Err(Refusal::NotOwner);
    }
    Ok(state)
}

#[cgroup_sock(sock_create)]
pub fn sock_create(ctx: SockContext) -> i32 {
    conclude(try_sock_create(ctx.sock), || {
        // SAFETY: fields of the context.
        let (family, socket_type, protocol) = unsafe { ((*ctx.sock).family, (*ctx.sock).type_, (*ctx.sock).protocol) };
        Incident {
            family: family as u16,
            socket_type: socket_type as u16,
            protocol: protocol as u16,
            ..Incident::of_caller()
        }
    })
}

#[inline(always)]
fn try_sock_create(sk: *mut bpf_sock) -> Result<Allow, Refusal> {
    let caller = caller().ok_or(Refusal::Unattributed)?;
    // SAFETY: fields of the context.
    let (family, socket_type, protocol) = unsafe { ((*sk).family, (*sk).type_, (*sk).protocol) };
    let internet = family == AF_INET || family == AF_INET6;
    let tcp = socket_type == SOCK_STREAM && protocol == TCP;
    let udp = socket_type == SOCK_DGRAM && protocol == UDP;
    if !internet || !(tcp || udp) {
        return Err(Refusal::Socket);
    }
    // SAFETY: for this program type the context is the socket.
    let (cookie, netns_cookie) = unsafe { (bpf_get_socket_cookie(sk.cast()), bpf_get_netns_cookie(sk.cast())) };
    let mut state = SocketState {
        cookie,
        netns_cookie,
        cgroup_id: caller.cgroup_id,
        agent: caller.agent,
        process: process(),
        ..SocketState::EMPTY
    };
    // SAFETY: as above.
    if unsafe { make_state(sk, &mut state) } { Ok(Allow::Quietly) } else { Err(Refusal::Unattributed) }
}

#[cgroup_sock(sock_release)]
pub fn sock_release(ctx: SockContext) -> i32 {
    // SAFETY: for this program type the context is the socket.
    if let Some(state) = unsafe { state_of(ctx.sock) } {
        dns::forget(state);
    }
    1
}
