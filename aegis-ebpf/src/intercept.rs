//! Intercept: connects go where the verdict says, the original destination travels with the
//! socket and, at the SYN, into the table that the accepting side reads.

use aegis_common::{
    Address, Endpoint, Flow, FlowKey, SocketState, counter, event_kind, namespace_flag, protocol, socket_flag,
};
use aya_ebpf::{
    EbpfContext,
    bindings::{
        BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_STATE_CB_FLAG, BPF_SOCK_OPS_TCP_CONNECT_CB, BPF_TCP_CLOSE,
        BPF_TCP_FIN_WAIT2,
    },
    macros::{cgroup_sock_addr, sock_ops},
    programs::{SockAddrContext, SockOpsContext},
};

use crate::{
    attribute,
    maps::{FLOWS, count, settings, state_of},
    proxy::{self, Door},
    sockaddr::{Call, Family},
    usage,
    verdict::{Allow, Incident, Refusal, Route, conclude, report, route},
};

/// What a further connect leaves as it is.
const KEPT: u32 = socket_flag::RECORDED | socket_flag::WANDERED | socket_flag::COUNTED;

#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    connect(&Call { ctx: &ctx, family: Family::V4 })
}

#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    connect(&Call { ctx: &ctx, family: Family::V6 })
}

#[inline(always)]
fn connect(call: &Call<'_>) -> i32 {
    let to = call.endpoint();
    conclude(try_connect(call, &to), || Incident {
        destination: to,
        protocol: u16::from(call.protocol()),
        ..Incident::of_caller()
    })
}

#[inline(always)]
fn try_connect(call: &Call<'_>, to: &Endpoint) -> Result<Allow, Refusal> {
    let Some(state) = attribute::owner(call.socket())? else { return Ok(Allow::Quietly) };
    let protocol = call.protocol();
    if protocol == protocol::TCP {
        usage::connects(state.agent);
    }
    // An accepted socket has its listener's until now.
    state.cookie = call.cookie();
    let to = this_host(to);
    let from = call.local_end(&to);
    let (allow, flags) = match route(call.ctx.as_ptr(), state.agent, protocol, &from, &to) {
        Route::Own => {
            call.set_endpoint(&to);
            // Not admitted to anything outside of loopback, which the egress program judges by itself.
            (Allow::Own, 0)
        }
        // Connecting a UDP socket sends nothing: its packets are told of.
        Route::Direct if protocol != protocol::TCP => (Allow::Quietly, socket_flag::ADMITTED),
        Route::Direct => (Allow::Direct, socket_flag::ADMITTED),
        Route::Proxy => leave(call, state, to, false)?,
        Route::Resolver => leave(call, state, to, true)?,
        // Every name lookup connects UDP sockets to sort addresses (RFC 6724): what is refused, and told, is a packet.
        Route::Nowhere => (Allow::Quietly, socket_flag::WANDERED),
    };
    state.process = attribute::process();
    state.flags = (state.flags & KEPT) | flags;
    Ok(allow)
}

/// Through the proxy or the resolver, or past them where that is allowed.
#[inline(always)]
fn leave(call: &Call<'_>, state: &mut SocketState, to: Endpoint, resolver: bool) -> Result<(Allow, u32), Refusal> {
    match proxy::door(state, call.protocol())? {
        Door::Unwatched if call.protocol() != protocol::TCP => Ok((Allow::Quietly, socket_flag::WANDERED)),
        Door::Unwatched => Ok((Allow::Unwatched, socket_flag::UNWATCHED)),
        Door::Proxy(listeners) => {
            let allow = if resolver { Allow::Dns } else { Allow::Proxy };
            Ok((allow, socket_flag::ADMITTED | redirect(call, state, to, resolver, listeners)?))
        }
    }
}

/// The kernel takes the unspecified address for this host; saying so makes lookup, rewrite and
/// route agree.
#[inline(always)]
pub fn this_host(to: &Endpoint) -> Endpoint {
    if to.address.is_unspecified() {
        return Endpoint::new(to.address.loopback_of_family(), to.port);
    }
    *to
}

/// Remembers where the call wanted to go and sends it to one of the namespace's listeners instead. An IPv6 call goes to
/// the IPv4 listener (as mapped address) where there is no IPv6 one. Returns the flags of a socket connected so.
#[inline(always)]
pub fn redirect(
    call: &Call<'_>,
    state: &mut SocketState,
    to: Endpoint,
    resolver: bool,
    listeners: u32,
) -> Result<u32, Refusal> {
    let settings = settings();
    let v4 = to.address.is_v4() || listeners & namespace_flag::V6 == 0;
    if v4 && listeners & namespace_flag::V4 == 0 {
        return Err(Refusal::NoListener);
    }
    let mut listener = if v4 { settings.proxy_v4 } else { settings.proxy_v6 };
    if resolver {
        listener.port = settings.dns_port;
    }
    state.original = to;
    state.listener = listener.port;
    call.set_endpoint(&listener);
    Ok(socket_flag::REDIRECTED | if v4 { socket_flag::TARGET_V4 } else { 0 })
}

#[cgroup_sock_addr(getpeername4)]
pub fn getpeername4(ctx: SockAddrContext) -> i32 {
    show_original(&Call { ctx: &ctx, family: Family::V4 })
}

#[cgroup_sock_addr(getpeername6)]
pub fn getpeername6(ctx: SockAddrContext) -> i32 {
    show_original(&Call { ctx: &ctx, family: Family::V6 })
}

/// The kernel allows these hooks no verdict but 1.
#[inline(always)]
fn show_original(call: &Call<'_>) -> i32 {
    // SAFETY: the context's socket.
    if let Some(state) = unsafe { state_of(call.socket()) }
        && state.flags & socket_flag::REDIRECTED != 0
    {
        call.set_endpoint(&state.original);
    }
    1
}

#[sock_ops]
pub fn sock_ops(ctx: SockOpsContext) -> u32 {
    // SAFETY: a field of the context.
    let sk = unsafe { (*ctx.ops).__bindgen_anon_2.sk };
    if sk.is_null() {
        return 1;
    }
    match ctx.op() {
        BPF_SOCK_OPS_TCP_CONNECT_CB => {
            // SAFETY: the context's socket, not null.
            if let Some(state) = unsafe { state_of(sk) } {
                record(&ctx, state);
            }
        }
        BPF_SOCK_OPS_STATE_CB if ctx.arg(1) == BPF_TCP_CLOSE => {
            // SAFETY: the context's socket, not null.
            if let Some(state) = unsafe { state_of(sk) } {
                ended(state, ctx.arg(0));
            }
        }
        _ => {}
    }
    1
}

/// Runs after the local port is bound and before the SYN leaves: no connection can be accepted
/// before its record is there.
#[inline(always)]
fn record(ctx: &SockOpsContext, state: &mut SocketState) {
    if state.flags & socket_flag::REDIRECTED == 0 {
        return;
    }
    // The IPv6 address of an IPv4-mapped connection may not be set yet.
    let address = if state.flags & socket_flag::TARGET_V4 != 0 { Address::v4(ctx.local_ip4()) } else { local_ip6(ctx) };
    state.local = Endpoint::new(address, ctx.local_port() as u16);
    let key = key(state);
    // An earlier connection from the same port that was closed in order and never accepted.
    // SAFETY: two fields are copied at once; nothing else is done with the entry.
    if let Some(stale) = unsafe { FLOWS.get(key) } {
        usage::withdrawn(stale.agent, stale.generation);
    }
    if FLOWS.insert(key, flow(state), 0).is_err() {
        count(counter::FLOW_TABLE_FULL);
        report(event_kind::FLOW_TABLE_FULL, &about(state));
        return;
    }
    state.generation = usage::opened(state.agent);
    state.flags |= socket_flag::RECORDED | socket_flag::COUNTED;
    // Without the callback the entry would stay when the connection fails; the next connection
    // from the same port replaces it.
    let _ = ctx.set_cb_flags(ctx.cb_flags() as i32 | BPF_SOCK_OPS_STATE_CB_FLAG as i32);
}

/// The end of a connection.
#[inline(always)]
fn ended(state: &mut SocketState, old_state: u32) {
    if state.flags & socket_flag::COUNTED != 0 {
        state.flags &= !socket_flag::COUNTED;
        usage::closed(state.agent, state.generation);
    }
    // Not after an orderly close by the agent: the listener may still accept what was sent, and then takes the entry. Orderly
    // is a FIN that was acknowledged, which takes a connection at the listener's end; one that was only sent proves
    // nothing, and an agent could leave entries behind by it until the table is full.
    let orderly = old_state == BPF_TCP_FIN_WAIT2;
    if !orderly && state.flags & socket_flag::RECORDED != 0 {
        state.flags &= !socket_flag::RECORDED;
        forget(state);
    }
}

/// Removes the entry of a connection that ends without having been taken.
#[inline(always)]
fn forget(state: &SocketState) {
    let key = key(state);
    // SAFETY: only this socket's own entry is removed below, and nobody else writes it.
    if let Some(flow) = unsafe { FLOWS.get(key) }
        && flow.socket_cookie == state.cookie
    {
        let (agent, generation) = (flow.agent, flow.generation);
        // The listener may take it at the same moment; only one of the two can.
        if FLOWS.remove(key).is_ok() {
            usage::withdrawn(agent, generation);
        }
    }
}

#[inline(always)]
fn key(state: &SocketState) -> FlowKey {
    FlowKey { netns_cookie: state.netns_cookie, local: state.local, listener: state.listener, padding: 0 }
}

#[inline(always)]
fn local_ip6(ctx: &SockOpsContext) -> Address {
    // SAFETY: fields of the context, read one word at a time as the verifier wants it.
    unsafe {
        let words = (&raw const (*ctx.ops).local_ip6).cast::<u32>();
        Address::v6([
            words.read_volatile(),
            words.add(1).read_volatile(),
            words.add(2).read_volatile(),
            words.add(3).read_volatile(),
        ])
    }
}

/// What the accepting side is told of a socket.
#[inline(always)]
pub fn flow(state: &SocketState) -> Flow {
    Flow {
        socket_cookie: state.cookie,
        cgroup_id: state.cgroup_id,
        original: state.original,
        agent: state.agent,
        process: state.process,
        generation: settings().generation,
        padding: 0,
    }
}

/// About a socket's agent, outside its process.
#[inline(always)]
pub fn about(state: &SocketState) -> Incident {
    Incident {
        agent: state.agent,
        cgroup_id: state.cgroup_id,
        process: state.process,
        destination: state.original,
        protocol: u16::from(protocol::TCP),
        ..Incident::EMPTY
    }
}
