//! Indices into the per-CPU array `COUNTERS` (one `u64` each).

/// Connects and sends to the agent's own listeners.
pub const ALLOWED_OWN: u32 = 0;
/// Connects and sends to allowlisted destinations.
pub const ALLOWED_DIRECT: u32 = 1;
/// TCP connects redirected to the proxy.
pub const REDIRECTED: u32 = 2;
/// TCP connects and UDP sends redirected to the resolver.
pub const REDIRECTED_DNS: u32 = 3;
/// TCP connects refused.
pub const DENIED_CONNECT: u32 = 4;
/// UDP connects and sends refused.
pub const DENIED_UDP: u32 = 5;
/// Sockets refused at creation because of their kind.
pub const DENIED_SOCKET: u32 = 6;
/// Calls by, or with sockets of, nobody's cgroup.
pub const DENIED_UNATTRIBUTED: u32 = 7;
/// Binds to Aegis' own ports refused.
pub const DENIED_BIND: u32 = 8;
/// Packets dropped at egress.
pub const DENIED_PACKET: u32 = 9;
/// Redirected connections or DNS clients that found no room to be recorded.
pub const FLOW_TABLE_FULL: u32 = 10;
/// Events that found the ring buffer full.
pub const EVENTS_DROPPED: u32 = 11;
/// Refused because the proxy gives no sign of life.
pub const DENIED_DOWN: u32 = 12;
/// Passed because the proxy gives no sign of life and the agent may pass without it.
pub const PASSED_DOWN: u32 = 13;
/// Refused because the proxy has no listener in the network namespace.
pub const NO_LISTENER: u32 = 14;
/// Refused because the agent has as many connections open as it may.
pub const DENIED_LIMIT: u32 = 15;
/// Events kept back because the agent had used up its share of the ring.
pub const EVENTS_SUPPRESSED: u32 = 16;
/// Sockets refused that came in from elsewhere.
pub const DENIED_RECEIVED: u32 = 17;
/// Attempts refused to put a process out of its agent's cgroup.
pub const DENIED_LEAVING: u32 = 18;
/// bpf(2), and ptrace(2) and the like on processes of others, refused.
pub const DENIED_TAMPERING: u32 = 19;
/// Processes that left their agent's cgroup.
pub const DEPARTED: u32 = 20;
/// Socket options refused.
pub const DENIED_OPTION: u32 = 21;

/// Entries of the array.
pub const COUNT: u32 = 22;
