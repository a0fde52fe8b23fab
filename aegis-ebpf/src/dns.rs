//! DNS over UDP: which agent a datagram to the resolver comes from, and the illusion that the
//! answer came from the resolver that the agent asked.

use aegis_common::{DNS_PORT, DnsKey, Endpoint, SocketState, counter, event_kind, socket_flag};
use aya_ebpf::{macros::cgroup_sock_addr, programs::SockAddrContext};

use crate::{
    intercept::{about, flow},
    maps::{DNS_CLIENTS, count, settings, state_of},
    sockaddr::{Call, Family},
    usage,
    verdict::{Refusal, report},
};

/// Never replaces an entry (BPF_NOEXIST).
const NEW_ONLY: u64 = 1;
/// BPF_ANY.
const ANY: u64 = 0;

/// Records the sender of a datagram to the resolver. Refused when another socket sends from the same address
/// (SO_REUSEPORT): the two could be taken for each other.
#[inline(always)]
pub fn record(state: &mut SocketState, local: &Endpoint) -> Result<(), Refusal> {
    // What was redirected here comes from the loopback address unless somebody asks for another one (IP_PKTINFO), and
    // could so leave entries behind that nobody finds again.
    if local.address != local.address.loopback_of_family() {
        return Err(Refusal::Udp);
    }
    if state.flags & socket_flag::RECORDED != 0 && state.local != *local {
        forget(state);
    }
    let key = DnsKey { netns_cookie: state.netns_cookie, local: *local, padding: 0 };
    // SAFETY: two fields are copied at once.
    let former = unsafe { DNS_CLIENTS.get(key) }.map(|flow| (flow.socket_cookie, flow.generation));
    match former {
        Some((cookie, generation)) if cookie == state.cookie && generation != settings().generation => {}
        // Another socket's is not taken over, alive or not: a question of its may still wait to be read.
        Some(_) => return refresh(state, key),
        None => {}
    }
    if !usage::may_ask(state.agent) {
        return Err(full(state));
    }
    if DNS_CLIENTS.insert(key, flow(state), if former.is_some() { ANY } else { NEW_ONLY }).is_err() {
        usage::asks_no_more(state.agent, settings().generation);
        // Another thread may have been first with the same socket.
        return refresh(state, key).map_err(|_| full(state));
    }
    state.local = *local;
    state.flags |= socket_flag::RECORDED;
    Ok(())
}

/// Brings the socket's own entry up to date.
#[inline(always)]
fn refresh(state: &SocketState, key: DnsKey) -> Result<(), Refusal> {
    let entry = DNS_CLIENTS.get_ptr_mut(key).ok_or(Refusal::Packet)?;
    // SAFETY: a live entry; its fields are written by the socket it belongs to only.
    unsafe {
        if (*entry).socket_cookie != state.cookie {
            return Err(Refusal::Packet);
        }
        (*entry).original = state.original;
        (*entry).process = state.process;
    }
    Ok(())
}

#[inline(always)]
fn full(state: &SocketState) -> Refusal {
    count(counter::FLOW_TABLE_FULL);
    report(event_kind::FLOW_TABLE_FULL, &about(state));
    Refusal::Packet
}

/// Removes a socket's entry. TCP sockets have none: their flag means an entry of `FLOWS`, and no
/// entry here has their cookie.
#[inline(always)]
pub fn forget(state: &mut SocketState) {
    if state.flags & socket_flag::RECORDED == 0 {
        return;
    }
    let key = DnsKey { netns_cookie: state.netns_cookie, local: state.local, padding: 0 };
    // SAFETY: only this socket's own entry is removed below.
    if let Some(flow) = unsafe { DNS_CLIENTS.get(key) }
        && flow.socket_cookie == state.cookie
    {
        let generation = flow.generation;
        if DNS_CLIENTS.remove(key).is_ok() {
            usage::asks_no_more(state.agent, generation);
        }
    }
}

#[cgroup_sock_addr(recvmsg4)]
pub fn recvmsg4(ctx: SockAddrContext) -> i32 {
    show_resolver(&Call { ctx: &ctx, family: Family::V4 })
}

#[cgroup_sock_addr(recvmsg6)]
pub fn recvmsg6(ctx: SockAddrContext) -> i32 {
    show_resolver(&Call { ctx: &ctx, family: Family::V6 })
}

/// The kernel allows these hooks no verdict but 1.
#[inline(always)]
fn show_resolver(call: &Call<'_>) -> i32 {
    let from = call.endpoint();
    if from.port != settings().dns_port || !from.address.is_loopback() {
        return 1;
    }
    // SAFETY: the context's socket.
    if let Some(state) = unsafe { state_of(call.socket()) }
        && state.original.port == DNS_PORT
    {
        call.set_endpoint(&state.original);
    }
    1
}
