//! Guard: UDP call by call, and Aegis' own ports.

use aegis_common::{Endpoint, SocketState, namespace_flag, protocol, socket_flag};
use aya_ebpf::{EbpfContext, macros::cgroup_sock_addr, programs::SockAddrContext};

use crate::{
    attribute,
    intercept::{redirect, this_host},
    maps::settings,
    proxy::{self, Door},
    sockaddr::{Call, Family},
    verdict::{Allow, Incident, Refusal, Route, conclude, route},
};

#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    sendmsg(&Call { ctx: &ctx, family: Family::V4 })
}

#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    sendmsg(&Call { ctx: &ctx, family: Family::V6 })
}

#[inline(always)]
fn sendmsg(call: &Call<'_>) -> i32 {
    let to = call.endpoint();
    conclude(try_sendmsg(call, &to), || Incident {
        destination: to,
        protocol: u16::from(protocol::UDP),
        ..Incident::of_caller()
    })
}

#[inline(always)]
fn try_sendmsg(call: &Call<'_>, to: &Endpoint) -> Result<Allow, Refusal> {
    let Some(state) = attribute::owner(call.socket())? else { return Ok(Allow::Quietly) };
    let to = this_host(to);
    // A connected socket of the IPv4-mapped kind names the address it was rewritten to.
    let redirected = state.flags & socket_flag::REDIRECTED != 0;
    if redirected && to.address.is_loopback() && to.port == settings().dns_port {
        return Ok(Allow::Quietly);
    }
    let from = call.local_end(&to);
    match route(call.ctx.as_ptr(), state.agent, protocol::UDP, &from, &to) {
        Route::Own => {
            call.set_endpoint(&to);
            Ok(Allow::Own)
        }
        // Told packet by packet, by the egress program, which sees those of connected sockets too.
        Route::Direct => {
            state.process = attribute::process();
            Ok(Allow::Quietly)
        }
        Route::Resolver => ask(call, state, to),
        Route::Proxy | Route::Nowhere if proxy::unwatched(state.agent) => {
            state.process = attribute::process();
            Ok(Allow::Quietly)
        }
        Route::Proxy | Route::Nowhere => Err(Refusal::Udp),
    }
}

/// A datagram to the resolver.
#[inline(always)]
fn ask(call: &Call<'_>, state: &mut SocketState, to: Endpoint) -> Result<Allow, Refusal> {
    let Door::Proxy(listeners) = proxy::door(state, protocol::UDP)? else { return Ok(Allow::Quietly) };
    // The kernel refuses a mapped address here, so an IPv6 query needs an IPv6 listener.
    if !to.address.is_v4() && listeners & namespace_flag::V6 == 0 {
        return Err(Refusal::Udp);
    }
    state.process = attribute::process();
    redirect(call, state, to, true, listeners)?;
    Ok(Allow::Dns)
}

#[cgroup_sock_addr(bind4)]
pub fn bind4(ctx: SockAddrContext) -> i32 {
    bind(&Call { ctx: &ctx, family: Family::V4 })
}

#[cgroup_sock_addr(bind6)]
pub fn bind6(ctx: SockAddrContext) -> i32 {
    bind(&Call { ctx: &ctx, family: Family::V6 })
}

#[inline(always)]
fn bind(call: &Call<'_>) -> i32 {
    let at = call.endpoint();
    conclude(try_bind(call, &at), || Incident {
        destination: at,
        protocol: u16::from(call.protocol()),
        ..Incident::of_caller()
    })
}

/// An agent that held a listener's port while the daemon is away would be sent what other agents
/// say.
#[inline(always)]
fn try_bind(call: &Call<'_>, at: &Endpoint) -> Result<Allow, Refusal> {
    if attribute::owner(call.socket())?.is_none() {
        return Ok(Allow::Quietly);
    }
    let settings = settings();
    let taken = [settings.proxy_v4.port, settings.proxy_v6.port, settings.dns_port];
    if at.port != 0 && taken.contains(&at.port) {
        return Err(Refusal::Bind);
    }
    Ok(Allow::Quietly)
}
