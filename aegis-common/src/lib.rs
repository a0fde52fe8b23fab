//! The ABI between the kernel programs (`aegis-ebpf`) and the daemon (`aegis-agent`).
//!
//! Everything here is read by the kernel side and by the user side, possibly by two versions of
//! the daemon at once (maps stay pinned across an upgrade). So: `repr(C)`, no enums, bools or
//! options, every byte of padding named, size and alignment asserted. Any change of a layout or of
//! a map's name, type or size is a new [`ABI_VERSION`].

#![cfg_attr(not(feature = "user"), no_std)]

mod address;
pub mod counter;
mod event;
mod flow;
mod layout;
pub mod map_name;
mod rule;
mod settings;
mod socket;
mod usage;

pub use address::{Address, Endpoint};
pub use event::{Event, event_kind};
pub use flow::{DnsKey, Flow, FlowKey};
pub use layout::{GROUP_LEADER, KILL_DEPARTED, KernelLayout, LAYOUT, Membership, membership};
pub use rule::{ADDRESS_BITS, DirectKey, RULE_HEAD_BITS};
pub use settings::{Meta, Settings, setting};
pub use socket::{Process, SocketState, socket_flag};
pub use usage::{Usage, UsageKey, agent_flag, namespace_flag};

/// Version of every layout in this crate together with the maps' names, types and sizes.
pub const ABI_VERSION: u32 = 2;

/// The name of the global that carries [`Settings`] into the programs.
pub const SETTINGS: &str = "SETTINGS";

/// IP protocol numbers, IANA "Protocol Numbers".
pub mod protocol {
    /// TCP, RFC 9293.
    pub const TCP: u8 = 6;
    /// UDP, RFC 768.
    pub const UDP: u8 = 17;
}

/// The port of DNS, RFC 1035 section 4.2.
pub const DNS_PORT: u16 = 53;

/// Fails to compile when a shared structure is not of exactly this size (bytes) and alignment.
macro_rules! assert_layout {
    ($name:ty, size $size:expr, align $align:expr) => {
        const _: () = assert!(core::mem::size_of::<$name>() == $size);
        const _: () = assert!(core::mem::align_of::<$name>() == $align);
        // SAFETY: `repr(C)`, `Copy`, only integers and arrays of them, no implicit padding (the
        // size assertion above counts every field).
        #[cfg(feature = "user")]
        unsafe impl aya::Pod for $name {}
    };
}
pub(crate) use assert_layout;

/// The offsets that the two sides agree on; sizes are asserted where the types are.
#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn fields_stand_where_version_2_has_them() {
        assert_eq!(ABI_VERSION, 2, "a new version: write its offsets down here");
        assert_eq!(offset_of!(FlowKey, local), 8);
        assert_eq!(offset_of!(FlowKey, listener), 28);
        assert_eq!(offset_of!(DnsKey, local), 8);
        assert_eq!(offset_of!(Flow, original), 16);
        assert_eq!(offset_of!(Flow, agent), 36);
        assert_eq!(offset_of!(Flow, process), 40);
        assert_eq!(offset_of!(Flow, generation), 64);
        assert_eq!(offset_of!(Event, kind), 8);
        assert_eq!(offset_of!(Event, process), 16);
        assert_eq!(offset_of!(Event, destination), 40);
        assert_eq!(offset_of!(Event, protocol), 60);
        assert_eq!(offset_of!(SocketState, agent), 24);
        assert_eq!(offset_of!(SocketState, process), 32);
        assert_eq!(offset_of!(SocketState, original), 56);
        assert_eq!(offset_of!(SocketState, local), 76);
        assert_eq!(offset_of!(SocketState, listener), 96);
        assert_eq!(offset_of!(SocketState, generation), 100);
        assert_eq!(offset_of!(SocketState, told), 104);
        assert_eq!(offset_of!(DirectKey, address), 8);
        assert_eq!(offset_of!(Meta, abi_version), 8);
        assert_eq!(offset_of!(Settings, proxy_v4), 8);
        assert_eq!(offset_of!(Settings, dns_port), 48);
        assert_eq!(offset_of!(Settings, root_level), 52);
        assert_eq!(offset_of!(Settings, flags), 56);
        assert_eq!(offset_of!(Settings, connections_per_agent), 64);
        assert_eq!(offset_of!(Usage, recorded), 16);
        assert_eq!(offset_of!(Usage, suppressed), 56);
        assert_eq!(offset_of!(Usage, dns_clients), 64);
    }

    /// The rule's head is matched in full, so it must be exactly what stands before the address.
    #[test]
    fn rule_bits_are_the_keys_bits() {
        assert_eq!(offset_of!(DirectKey, address) * 8, RULE_HEAD_BITS as usize);
        assert_eq!(size_of::<DirectKey>() * 8, (RULE_HEAD_BITS + ADDRESS_BITS) as usize);
    }
}
