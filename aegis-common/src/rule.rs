use crate::{Address, assert_layout};

/// Bits of [`DirectKey`] before the address: they always match in full.
pub const RULE_HEAD_BITS: u32 = 64;
/// Bits of the address part.
pub const ADDRESS_BITS: u32 = 128;

/// The data of a key of the longest-prefix-match map `DIRECT`.
///
/// An exact port is looked up first, then port 0, which stands for every port.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DirectKey {
    pub agent: u32,
    /// Host byte order; 0: every port.
    pub port: u16,
    /// [`crate::protocol`].
    pub protocol: u8,
    pub padding: u8,
    pub address: Address,
}

assert_layout!(DirectKey, size 24, align 4);
