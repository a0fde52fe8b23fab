use crate::assert_layout;

/// An IPv6 address, or an IPv4 address mapped into IPv6 (`::ffff:a.b.c.d`, RFC 4291 section
/// 2.5.5.2). Four words, each in network byte order, as the kernel's contexts give them.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Address([u32; 4]);

assert_layout!(Address, size 16, align 4);

/// The third word of every IPv4-mapped address.
const MAPPED: u32 = u32::from_be_bytes([0, 0, 0xff, 0xff]).to_be();
const LOOPBACK_V6: u32 = 1u32.to_be();

impl Address {
    /// An IPv4 address in network byte order.
    #[inline(always)]
    pub const fn v4(word: u32) -> Self {
        Self([0, 0, MAPPED, word])
    }

    /// An IPv6 address as four words in network byte order.
    #[inline(always)]
    pub const fn v6(words: [u32; 4]) -> Self {
        Self(words)
    }

    /// The four words in network byte order.
    #[inline(always)]
    pub const fn words(&self) -> [u32; 4] {
        self.0
    }

    /// Whether this is an IPv4 address mapped into IPv6.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == MAPPED
    }

    /// The last word: of an IPv4-mapped address, the IPv4 address in network byte order.
    #[inline(always)]
    pub const fn v4_word(&self) -> u32 {
        self.0[3]
    }

    /// 127.0.0.0/8 (RFC 1122 section 3.2.1.3) or `::1`.
    #[inline(always)]
    pub const fn is_loopback(&self) -> bool {
        if self.is_v4() {
            return u32::from_be(self.0[3]) >> 24 == 127;
        }
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == 0 && self.0[3] == LOOPBACK_V6
    }

    /// 0.0.0.0 or `::`, which the kernel takes for "this host".
    #[inline(always)]
    pub const fn is_unspecified(&self) -> bool {
        if self.is_v4() {
            return self.0[3] == 0;
        }
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == 0 && self.0[3] == 0
    }

    /// The loopback address of the same family.
    #[inline(always)]
    pub const fn loopback_of_family(&self) -> Self {
        if self.is_v4() {
            return Self::v4(0x7f00_0001u32.to_be());
        }
        Self([0, 0, 0, LOOPBACK_V6])
    }
}

/// An address and a port.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Endpoint {
    pub address: Address,
    /// Host byte order.
    pub port: u16,
    pub padding: u16,
}

assert_layout!(Endpoint, size 20, align 4);

impl Endpoint {
    /// No endpoint.
    pub const EMPTY: Self = Self::new(Address::v6([0; 4]), 0);

    /// `port` in host byte order.
    #[inline(always)]
    pub const fn new(address: Address, port: u16) -> Self {
        Self { address, port, padding: 0 }
    }
}

#[cfg(feature = "user")]
mod user {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    use super::{Address, Endpoint};

    impl From<Ipv4Addr> for Address {
        fn from(ip: Ipv4Addr) -> Self {
            Self::v4(u32::from_ne_bytes(ip.octets()))
        }
    }

    impl From<Ipv6Addr> for Address {
        fn from(ip: Ipv6Addr) -> Self {
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(ip.octets().as_chunks::<4>().0) {
                *word = u32::from_ne_bytes(*bytes);
            }
            Self(words)
        }
    }

    impl From<IpAddr> for Address {
        fn from(ip: IpAddr) -> Self {
            match ip {
                IpAddr::V4(ip) => ip.into(),
                IpAddr::V6(ip) => ip.into(),
            }
        }
    }

    impl From<Address> for IpAddr {
        /// IPv4-mapped addresses come back as IPv4.
        fn from(address: Address) -> Self {
            let mut octets = [0; 16];
            for (bytes, word) in octets.as_chunks_mut::<4>().0.iter_mut().zip(address.0) {
                *bytes = word.to_ne_bytes();
            }
            Ipv6Addr::from(octets).to_canonical()
        }
    }

    impl From<SocketAddr> for Endpoint {
        fn from(from: SocketAddr) -> Self {
            Self::new(from.ip().into(), from.port())
        }
    }

    impl From<Endpoint> for SocketAddr {
        fn from(from: Endpoint) -> Self {
            Self::new(from.address.into(), from.port)
        }
    }
}

#[cfg(all(test, feature = "user"))]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ipv4_is_mapped_and_comes_back(bits: u32) {
            let ip = Ipv4Addr::from_bits(bits);
            let address = Address::from(ip);
            prop_assert_eq!(address, Address::from(ip.to_ipv6_mapped()));
            prop_assert!(address.is_v4());
            prop_assert_eq!(IpAddr::from(address), IpAddr::from(ip));
            prop_assert_eq!(address.is_loopback(), ip.is_loopback());
            prop_assert_eq!(address.is_unspecified(), ip.is_unspecified());
        }

        #[test]
        fn ipv6_comes_back(bits: u128) {
            let ip = Ipv6Addr::from_bits(bits);
            let address = Address::from(ip);
            prop_assert_eq!(address.is_v4(), ip.to_ipv4_mapped().is_some());
            prop_assert_eq!(IpAddr::from(address), ip.to_canonical());
            // The words are the octets in their order, as the kernel's contexts have them.
            let octets: Vec<u8> = address.words().iter().flat_map(|word| word.to_ne_bytes()).collect();
            prop_assert_eq!(octets, ip.octets());
        }

        #[test]
        fn endpoints_come_back(bits: u128, port: u16) {
            let address = SocketAddr::new(Ipv6Addr::from_bits(bits).to_canonical(), port);
            prop_assert_eq!(SocketAddr::from(Endpoint::from(address)), address);
        }
    }

    #[test]
    fn the_special_addresses_are_told_apart() {
        let table = [
            ("127.0.0.1", true, false),
            ("127.255.255.254", true, false),
            ("128.0.0.1", false, false),
            ("0.0.0.0", false, true),
            ("::ffff:127.0.0.1", true, false),
            ("::ffff:0.0.0.0", false, true),
            ("::1", true, false),
            ("::", false, true),
            ("::2", false, false),
            ("::127.0.0.1", false, false),
            ("fe80::1", false, false),
        ];
        for (text, loopback, unspecified) in table {
            let ip: IpAddr = text.parse().unwrap();
            let address = Address::from(ip);
            assert_eq!(address.is_loopback(), loopback, "{text}");
            assert_eq!(address.is_unspecified(), unspecified, "{text}");
            let of_family = address.loopback_of_family();
            assert!(of_family.is_loopback() && of_family.is_v4() == address.is_v4(), "{text}");
        }
    }
}
