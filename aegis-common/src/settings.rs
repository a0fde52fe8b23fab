use crate::{Endpoint, assert_layout};

/// What the daemon tells the programs at load time; constant for the verifier.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// The enforced subtree's root.
    pub root_cgroup_id: u64,
    /// The proxy's listener for IPv4 (as IPv4-mapped address).
    pub proxy_v4: Endpoint,
    /// The proxy's listener for IPv6; port 0: there is none.
    pub proxy_v6: Endpoint,
    /// Port of the DNS listener on the same two addresses, host byte order.
    pub dns_port: u16,
    pub padding: u16,
    /// Depth of the enforced subtree's root below the root cgroup: agents are deeper.
    pub root_level: u32,
    /// [`setting`] bits.
    pub flags: u32,
    /// Changes with each daemon, so that what was counted for one is not taken for another's.
    pub generation: u32,
    /// How many redirected connections one agent may have open.
    pub connections_per_agent: u32,
    /// How many events one agent may cause in a second.
    pub events_per_second: u32,
}

assert_layout!(Settings, size 72, align 8);

/// Bits of [`Settings::flags`].
pub mod setting {
    /// Processes of cgroups that are neither enrolled nor marked as closed are left alone, instead of being denied.
    pub const PASS_UNENROLLED: u32 = 1;
}

impl Settings {
    /// What an object is built with; the daemon always overrides it.
    pub const EMPTY: Self = Self {
        root_cgroup_id: 0,
        proxy_v4: Endpoint::EMPTY,
        proxy_v6: Endpoint::EMPTY,
        dns_port: 0,
        padding: 0,
        root_level: 0,
        flags: 0,
        generation: 0,
        connections_per_agent: 0,
        events_per_second: 0,
    };
}

/// The one value of the array `META`: what the pinned maps were made for.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Meta {
    /// The cgroup the links are attached to.
    pub root_cgroup_id: u64,
    /// [`crate::ABI_VERSION`].
    pub abi_version: u32,
    pub padding: u32,
}

assert_layout!(Meta, size 16, align 8);
