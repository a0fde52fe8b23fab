//! Names of the maps, as in the object file and below `maps/` of the pin directory.

/// cgroup id -> agent index; 0: nobody's, and denied.
pub const AGENT_CGROUPS: &str = "AGENT_CGROUPS";
/// Socket-local storage: [`crate::SocketState`].
pub const SOCKETS: &str = "SOCKETS";
/// [`crate::FlowKey`] -> [`crate::Flow`].
pub const FLOWS: &str = "FLOWS";
/// [`crate::DnsKey`] -> [`crate::Flow`].
pub const DNS_CLIENTS: &str = "DNS_CLIENTS";
/// Longest prefix match over [`crate::DirectKey`].
pub const DIRECT: &str = "DIRECT";
/// Ring buffer of [`crate::Event`].
pub const EVENTS: &str = "EVENTS";
/// Per-CPU array, see [`crate::counter`].
pub const COUNTERS: &str = "COUNTERS";
/// Agent index -> [`crate::agent_flag`]s.
pub const AGENT_FLAGS: &str = "AGENT_FLAGS";
/// [`crate::UsageKey`] -> [`crate::Usage`].
pub const USAGE: &str = "USAGE";
/// Network namespace cookie -> [`crate::namespace_flag`]s.
pub const NAMESPACES: &str = "NAMESPACES";
/// Array of one `u64`: until when (CLOCK_MONOTONIC, ns) the proxy counts as alive.
pub const LEASE: &str = "LEASE";
/// Task-local storage: [`crate::Membership`].
pub const MEMBERS: &str = "MEMBERS";
/// Array of one [`crate::Meta`].
pub const META: &str = "META";

/// All that are pinned.
pub const ALL: [&str; 13] = [
    AGENT_CGROUPS,
    SOCKETS,
    FLOWS,
    DNS_CLIENTS,
    DIRECT,
    EVENTS,
    COUNTERS,
    AGENT_FLAGS,
    USAGE,
    NAMESPACES,
    LEASE,
    MEMBERS,
    META,
];
