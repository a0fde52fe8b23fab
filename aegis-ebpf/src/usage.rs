//! What is counted of each agent, and the two limits that follow: open connections and events. No agent can use up what
//! the others need.

use aegis_common::{Usage, UsageKey};
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;

use crate::maps::{USAGE, atomic_add, settings};

const SECOND: u64 = 1_000_000_000;
const MINUS_ONE: u64 = u64::MAX;
/// How many sockets of one agent may ask the resolver at a time, so that no agent can fill the table for the others.
const DNS_CLIENTS_PER_AGENT: u64 = 4096;

/// The counts of an agent under this daemon; none once it has been withdrawn.
#[inline(always)]
fn of(agent: u32) -> Option<*mut Usage> {
    USAGE.get_ptr_mut(UsageKey { agent, generation: settings().generation })
}

/// A TCP connect is about to be decided.
#[inline(always)]
pub fn connects(agent: u32) {
    if let Some(usage) = of(agent) {
        // SAFETY: a live entry, whose fields are only ever changed atomically; so below.
        unsafe { atomic_add(&raw mut (*usage).connects, 1) };
    }
}

#[inline(always)]
pub fn denied(agent: u32) {
    if let Some(usage) = of(agent) {
        // SAFETY: as above.
        unsafe { atomic_add(&raw mut (*usage).denied, 1) };
    }
}

/// Whether the agent may open one more redirected connection. Two at once may both be let through: the limit is
/// against floods, not an exact count.
#[inline(always)]
pub fn may_connect(agent: u32) -> bool {
    // SAFETY: as above.
    of(agent).is_some_and(|usage| unsafe { (*usage).open } < u64::from(settings().connections_per_agent))
}

/// A redirected connection was recorded; gives the generation in which it counts.
#[inline(always)]
pub fn opened(agent: u32) -> u32 {
    if let Some(usage) = of(agent) {
        // SAFETY: as above.
        unsafe {
            atomic_add(&raw mut (*usage).recorded, 1);
            atomic_add(&raw mut (*usage).open, 1);
        }
    }
    settings().generation
}

/// It ended. What was counted for an earlier daemon went with its counts.
#[inline(always)]
pub fn closed(agent: u32, generation: u32) {
    if generation == settings().generation
        && let Some(usage) = of(agent)
    {
        // SAFETY: as above.
        unsafe { atomic_add(&raw mut (*usage).open, MINUS_ONE) };
    }
}

/// Its record was taken out again, or lost its place to another's, without having been accepted.
#[inline(always)]
pub fn withdrawn(agent: u32, generation: u32) {
    if generation == settings().generation
        && let Some(usage) = of(agent)
    {
        // SAFETY: as above.
        unsafe { atomic_add(&raw mut (*usage).withdrawn, 1) };
    }
}

/// One more socket of the agent asks the resolver, unless it has its share of them.
#[inline(always)]
pub fn may_ask(agent: u32) -> bool {
    let Some(usage) = of(agent) else { return false };
    // SAFETY: as above.
    unsafe {
        atomic_add(&raw mut (*usage).dns_clients, 1);
        if (&raw const (*usage).dns_clients).read_volatile() <= DNS_CLIENTS_PER_AGENT {
            return true;
        }
        atomic_add(&raw mut (*usage).dns_clients, MINUS_ONE);
    }
    false
}

/// One asks no more. What was counted for an earlier daemon went with its counts.
#[inline(always)]
pub fn asks_no_more(agent: u32, generation: u32) {
    if generation == settings().generation
        && let Some(usage) = of(agent)
    {
        // SAFETY: as above.
        unsafe { atomic_add(&raw mut (*usage).dns_clients, MINUS_ONE) };
    }
}

/// Whether the agent may still cause an event in this second. Around the change of the second a few may be counted
/// twice or not at all.
#[inline(always)]
pub fn may_report(agent: u32) -> bool {
    // What belongs to no agent that is known has its share together.
    let Some(usage) = of(agent).or_else(|| of(0)) else { return false };
    // SAFETY: plain helper; the rest as above.
    unsafe {
        let second = bpf_ktime_get_ns() / SECOND;
        if (&raw const (*usage).second).read_volatile() != second {
            (&raw mut (*usage).second).write_volatile(second);
            (&raw mut (*usage).events).write_volatile(0);
        }
        atomic_add(&raw mut (*usage).events, 1);
        if (&raw const (*usage).events).read_volatile() <= u64::from(settings().events_per_second) {
            return true;
        }
        atomic_add(&raw mut (*usage).suppressed, 1);
    }
    false
}
