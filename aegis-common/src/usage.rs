use crate::assert_layout;

/// Key of `USAGE`. Agent 0 stands for all that is nobody's.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UsageKey {
    pub agent: u32,
    /// [`crate::Settings::generation`].
    pub generation: u32,
}

assert_layout!(UsageKey, size 8, align 4);

/// What the kernel counts of one agent. Made by the daemon, changed by the kernel.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// TCP connects that were decided, whatever the verdict.
    pub connects: u64,
    /// Refusals of every kind.
    pub denied: u64,
    /// Redirected TCP connections that were entered in `FLOWS`.
    pub recorded: u64,
    /// Entries of `FLOWS` that the kernel took out again because their connection ended before it was accepted.
    pub withdrawn: u64,
    /// Redirected TCP connections open now.
    pub open: u64,
    /// The second (CLOCK_MONOTONIC) that `events` counts in.
    pub second: u64,
    /// Events in that second.
    pub events: u64,
    /// Events that were not sent because the agent had had its share in their second.
    pub suppressed: u64,
    /// Entries of `DNS_CLIENTS`.
    pub dns_clients: u64,
}

assert_layout!(Usage, size 72, align 8);

/// Bits of the values of `AGENT_FLAGS`.
pub mod agent_flag {
    /// When the proxy gives no sign of life, the agent passes instead of being denied.
    pub const OPEN_WHEN_DOWN: u32 = 1;
    /// Nobody gets an answer from the agent's listening sockets, not even on loopback.
    pub const LISTEN_NONE: u32 = 1 << 1;
    /// Its listening sockets answer whoever connects, from wherever.
    pub const LISTEN_ALLOW: u32 = 1 << 2;
}

/// Bits of the values of `NAMESPACES`.
pub mod namespace_flag {
    /// The listeners on 127.0.0.1 are there.
    pub const V4: u32 = 1;
    /// The listeners on ::1 are there.
    pub const V6: u32 = 1 << 1;
}
