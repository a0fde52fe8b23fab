use crate::{Endpoint, Process, assert_layout};

/// Key of `FLOWS`: the agent's end of a redirected TCP connection.
///
/// The listener's port is part of it because the kernel lets two connections share a local
/// port when they go to different remote ports: without it, an agent could be taken for another.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlowKey {
    pub netns_cookie: u64,
    pub local: Endpoint,
    /// Host byte order.
    pub listener: u16,
    pub padding: u16,
}

assert_layout!(FlowKey, size 32, align 8);

/// Key of `DNS_CLIENTS`: the agent's end of a UDP exchange with Aegis' resolver.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DnsKey {
    pub netns_cookie: u64,
    pub local: Endpoint,
    pub padding: u32,
}

assert_layout!(DnsKey, size 32, align 8);

/// Value of both: where the agent wanted to go, and who it is.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flow {
    pub socket_cookie: u64,
    pub cgroup_id: u64,
    pub original: Endpoint,
    pub agent: u32,
    pub process: Process,
    /// [`crate::Settings::generation`] of the programs that wrote it.
    pub generation: u32,
    pub padding: u32,
}

assert_layout!(Flow, size 72, align 8);
