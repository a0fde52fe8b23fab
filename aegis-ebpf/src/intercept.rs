//! Intercept: connects go where the verdict says, the original destination travels with the
//! socket and, at the SYN, into the table that the accepting side reads.

use aegis_common::{Address, Endpoint, Flow, FlowKey, SocketState, counter, event_kind, protocol, socket_flag};
use aya_ebpf::{
    EbpfContext,
    bindings::{
        BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_STATE_CB_FLAG, BPF_SOCK_OPS_TCP_CONNECT_CB, BPF_TCP_CLOSE,
        BPF_TCP_FIN_WAIT1, BPF_TCP_FIN_WAIT2,
    },
    macros::{cgroup_sock_addr, sock_ops},
    programs::{SockAddrContext, SockOpsContext},
};

use crate::{
    attribute,
    maps::{FLOWS, count, settings, state_of},
    sockaddr::{Call, Family},
    verdict::{Allow, Incident, Refusal, Route, conclude, report, route},
};

/// What a further connect leaves as it is.
const KEPT: u32 = socket_flag::RECORDED | socket_flag::WANDERED;

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
    let state = attribute::owner(call.socket())?;
    let to = this_host(to);
    let from = call.local_end(&to);
    let (allow, flags) = match route(call.ctx.as_ptr(), state.agent, call.protocol(), &from, &to) {
        Route::Own => {
            call.set_endpoint(&to);
            (Allow::Own, 0)
        }
        Route::Direct => (Allow::Direct, 0),
        Route::Proxy => (Allow::Proxy, redirect(call, state, to, false)),
        Route::Resolver => (Allow::Dns, redirect(call, state, to, true)),
        // Connecting a UDP socket sends nothing, and every name lookup does it to sort addresses (RFC 6724): what
        // is refused, and told, is the first packet.
        Route::Nowhere => {
            state.process = attribute::process();
            state.flags = (state.flags & KEPT) | socket_flag::WANDERED;
            return Ok(Allow::Quietly);
        }
    };
    state.process = attribute::process();
    state.flags = (state.flags & KEPT) | socket_flag::ADMITTED | flags;
    Ok(allow)
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

/// Remembers where the call wanted to go and sends it to a listener instead. An IPv6 call goes to
/// the IPv4 listener (as mapped address) where there is no IPv6 one. Returns the flags of a socket
/// connected so.
#[inline(always)]
pub fn redirect(call: &Call<'_>, state: &mut SocketState, to: Endpoint, resolver: bool) -> u32 {
    let settings = settings();
    let v4 = to.address.is_v4() || settings.proxy_v6.port == 0;
    let mut listener = if v4 { settings.proxy_v4 } else { settings.proxy_v6 };
    if resolver {
        listener.port = settings.dns_port;
    }
    state.original = to;
    state.listener = listener.port;
    call.set_endpoint(&listener);
    socket_flag::REDIRECTED | if v4 { socket_flag::TARGET_V4 } else { 0 }
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
                forget(state, ctx.arg(0));
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
    let flow = Flow {
        socket_cookie: state.cookie,
        cgroup_id: state.cgroup_id,
        original: state.original,
        agent: state.agent,
        process: state.process,
    };
    if FLOWS.insert(key(state), flow, 0).is_err() {
        count(counter::FLOW_TABLE_FULL);
        report(event_kind::FLOW_TABLE_FULL, &about(state));
        return;
    }
    state.flags |= socket_flag::RECORDED;
    // Without the callback the entry would stay when the connection fails; the next connection
    // from the same port replaces it.
    let _ = ctx.set_cb_flags(ctx.cb_flags() as i32 | BPF_SOCK_OPS_STATE_CB_FLAG as i32);
}

/// Removes the entry of a connection that ends without having been taken. Not after an orderly
/// close by the agent: the listener may still accept what was sent, and then takes the entry.
#[inline(always)]
fn forget(state: &mut SocketState, old_state: u32) {
    let orderly = old_state == BPF_TCP_FIN_WAIT1 || old_state == BPF_TCP_FIN_WAIT2;
    if orderly || state.flags & socket_flag::RECORDED == 0 {
        return;
    }
    state.flags &= !socket_flag::RECORDED;
    let key = key(state);
    // SAFETY: only this socket's own entry is removed below, and nobody else writes it.
    if let Some(flow) = unsafe { FLOWS.get(key) }
        && flow.socket_cookie == state.cookie
    {
        let _ = FLOWS.remove(key);
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

/// About a socket's agent, outside its process.
#[inline(always)]
pub fn about(state: &SocketState) -> Incident {
    Incident {
        agent: state.agent,
        cgroup_id: state.cgroup_id,
        process: state.process,
        destination: state.original,
        protocol: u16::from(protocol::TCP),
        family: 0,
        socket_type: 0,
    }
}
