use crate::{Endpoint, assert_layout};

/// What the daemon tells the programs at load time; constant for the verifier.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// The proxy's listener for IPv4 (as IPv4-mapped address).
    pub proxy_v4: Endpoint,
    /// The proxy's listener for IPv6; port 0: there is none.
    pub proxy_v6: Endpoint,
    /// Port of the DNS listener on the same two addresses, host byte order.
    pub dns_port: u16,
    pub padding: u16,
    /// Depth of the enforced subtree's root below the root cgroup: agents are deeper.
    pub root_level: u32,
}

assert_layout!(Settings, size 48, align 4);

impl Settings {
    /// What an object is built with; the daemon always overrides it.
    pub const EMPTY: Self =
        Self { proxy_v4: Endpoint::EMPTY, proxy_v6: Endpoint::EMPTY, dns_port: 0, padding: 0, root_level: 0 };
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
