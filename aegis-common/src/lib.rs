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
pub mod map_name;
mod rule;
mod settings;
mod socket;

pub use address::{Address, Endpoint};
pub use event::{Event, event_kind};
pub use flow::{DnsKey, Flow, FlowKey};
pub use rule::{ADDRESS_BITS, DirectKey, RULE_HEAD_BITS};
pub use settings::{Meta, Settings};
pub use socket::{Process, SocketState, socket_flag};

/// Version of every layout in this crate together with the maps' names, types and sizes.
pub const ABI_VERSION: u32 = 1;

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
