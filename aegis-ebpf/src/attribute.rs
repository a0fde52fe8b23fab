//! Attribute: which agent a socket belongs to, written once when the socket is made and compared
//! with the caller at each use.

use aegis_common::{Process, SocketState, setting};
use aya_ebpf::{
    bindings::{__sk_buff, bpf_sock},
    helpers::generated::{
        bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
        bpf_get_current_uid_gid, bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_sk_ancestor_cgroup_id,
        bpf_skb_ancestor_cgroup_id,
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

/// Who a process or a socket is, by its cgroup.
#[derive(Clone, Copy)]
pub enum Who {
    Agent(Caller),
    /// Below the enforced root and no agent: denied.
    Nobody,
    /// Not enrolled where that is let pass ([`setting::PASS_UNENROLLED`]): left alone.
    Outsider,
}

/// By the deepest enrolled or closed cgroup among the ancestors.
#[inline(always)]
fn who(ancestor: impl Fn(i32) -> u64) -> Who {
    let settings = settings();
    let first = settings.root_level + 1;
    let (mut found, mut marked, mut whole) = (Caller { agent: 0, cgroup_id: 0 }, false, false);
    for level in first..first + DEPTH {
        let cgroup_id = ancestor(level as i32);
        if cgroup_id == 0 {
            whole = true;
            break;
        }
        // SAFETY: preallocated and written by the daemon only; the value is copied at once.
        if let Some(agent) = unsafe { AGENT_CGROUPS.get(cgroup_id) } {
            found = Caller { agent: *agent, cgroup_id };
            marked = true;
        }
    }
    if found.agent != 0 {
        return Who::Agent(found);
    }
    if settings.flags & setting::PASS_UNENROLLED != 0 && whole && !marked { Who::Outsider } else { Who::Nobody }
}

/// The calling process.
#[inline(always)]
pub fn caller() -> Who {
    // SAFETY: plain helper; 0 below the caller's own cgroup.
    who(|level| unsafe { bpf_get_current_ancestor_cgroup_id(level) })
}

/// A socket, by the cgroup that it was made in: for those that have no state.
#[inline(always)]
pub fn maker(sk: *mut bpf_sock) -> Who {
    // SAFETY: a full socket of the context; 0 below the socket's cgroup.
    who(|level| unsafe { bpf_sk_ancestor_cgroup_id(sk.cast(), level) })
}

/// A packet's socket, where its program may ask no more of it.
#[inline(always)]
pub fn sender(skb: *mut __sk_buff) -> Who {
    // SAFETY: the context; 0 below the socket's cgroup.
    who(|level| unsafe { bpf_skb_ancestor_cgroup_id(skb, level) })
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

/// The state of the socket a call is about, if the caller is the agent that made it; none when both are outsiders'.
#[inline(always)]
pub fn owner<'a>(sk: *mut bpf_sock) -> Result<Option<&'a mut SocketState>, Refusal> {
    // SAFETY: `sk` is the context's socket.
    let state = unsafe { state_of(sk) };
    match (caller(), state) {
        (Who::Agent(caller), Some(state)) if state.agent == caller.agent => Ok(Some(state)),
        (Who::Agent(_) | Who::Outsider, Some(_)) => Err(Refusal::NotOwner),
        (Who::Outsider, None) => Ok(None),
        (Who::Agent(_), None) | (Who::Nobody, _) => Err(Refusal::Unattributed),
    }
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
    let caller = match caller() {
        Who::Agent(caller) => caller,
        Who::Outsider => return Ok(Allow::Quietly),
        Who::Nobody => return Err(Refusal::Unattributed),
    };
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
