//! Whether the proxy is there to take a connection: it lives (its lease has not run out) and it listens in the socket's
//! network namespace. If not, the answer is no, but for agents that may then pass.

use aegis_common::{SocketState, agent_flag, namespace_flag, protocol};
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;

use crate::{
    maps::{AGENT_FLAGS, LEASE, NAMESPACES},
    usage,
    verdict::Refusal,
};

/// How an agent leaves.
#[derive(Clone, Copy)]
pub enum Door {
    /// Through the listeners of this namespace ([`namespace_flag`]s).
    Proxy(u32),
    /// Past the proxy, which is gone.
    Unwatched,
}

/// The daemon writes ahead until when it counts as alive; a daemon that is killed, stopped or stuck writes nothing.
#[inline(always)]
pub fn alive() -> bool {
    // SAFETY: plain helper.
    LEASE.get(0).is_some_and(|until| unsafe { bpf_ktime_get_ns() } <= *until)
}

/// A number for the time since the proxy was last alive: another one after each sign of life, and never a generation's.
#[inline(always)]
pub fn absence() -> u32 {
    LEASE.get(0).map_or(0, |until| *until as u32) | 1 << 31
}

/// The agent's flags; an agent without any is closed and listens on loopback only.
#[inline(always)]
pub fn flags(agent: u32) -> u32 {
    // SAFETY: written by the daemon only; the value is copied at once.
    unsafe { AGENT_FLAGS.get(agent) }.copied().unwrap_or(0)
}

/// Whether the agent may pass now without the proxy.
#[inline(always)]
pub fn unwatched(agent: u32) -> bool {
    !alive() && flags(agent) & agent_flag::OPEN_WHEN_DOWN != 0
}

/// Where a call of the agent that is neither its own nor direct has to go.
#[inline(always)]
pub fn door(state: &SocketState, protocol: u8) -> Result<Door, Refusal> {
    if !alive() {
        return if flags(state.agent) & agent_flag::OPEN_WHEN_DOWN != 0 {
            Ok(Door::Unwatched)
        } else {
            Err(Refusal::Down)
        };
    }
    // SAFETY: written by the daemon only; the value is copied at once.
    let listeners = unsafe { NAMESPACES.get(state.netns_cookie) }.copied().unwrap_or(0);
    if listeners & (namespace_flag::V4 | namespace_flag::V6) == 0 {
        return Err(Refusal::NoListener);
    }
    if protocol == protocol::TCP && !usage::may_connect(state.agent) {
        return Err(Refusal::Limit);
    }
    Ok(Door::Proxy(listeners))
}
