//! Which addresses count as the outside.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// IPv4 networks that are not the outside (IANA special-purpose registry, RFC 6890). The documentation networks
/// (RFC 5737) are not among them: nobody's private network is there, and laboratories stand for the outside with them.
const NOT_PUBLIC_V4: [Ipv4Net; 13] = [
    v4([0, 0, 0, 0], 8),        // "this network", RFC 791
    v4([10, 0, 0, 0], 8),       // private, RFC 1918
    v4([100, 64, 0, 0], 10),    // carriers' shared space, RFC 6598; the metadata service of Alibaba Cloud
    v4([127, 0, 0, 0], 8),      // loopback
    v4([168, 63, 129, 16], 32), // the wire server of Azure: a metadata service on a public address
    v4([169, 254, 0, 0], 16),   // link-local, RFC 3927; the metadata service of most clouds
    v4([172, 16, 0, 0], 12),    // private
    v4([192, 0, 0, 0], 24),     // IETF protocol assignments, RFC 6890; the metadata service of Oracle Cloud
    v4([192, 88, 99, 0], 24),   // 6to4 relays, RFC 7526
    v4([192, 168, 0, 0], 16),   // private
    v4([198, 18, 0, 0], 15),    // benchmarks, RFC 2544
    v4([224, 0, 0, 0], 4),      // multicast
    v4([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// All that IANA has given out as global unicast. Outside of it are loopback, unique local (fc00::/7), link-local and
/// site-local (fe80::/10, fec0::/10), multicast, discard (100::/64), local NAT64 (64:ff9b:1::/48), SIIT (::ffff:0:0:0/96),
/// and the deprecated IPv4-compatible addresses (::/96).
const GLOBAL_UNICAST_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// IETF protocol assignments (RFC 2928), Teredo (2001::/32) and benchmarks (2001:2::/48) with them: a Teredo address
/// leads to whatever IPv4 host it names, through a relay that nobody vouches for.
const PROTOCOL_ASSIGNMENTS_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

/// False for every address that stands for this host, its link, or a private network; a name that resolves to one is
/// dialled only by a rule that says `private: true` (so that no outside name can be rebound to the metadata service).
///
/// Addresses that carry an IPv4 address (mapped, NAT64 RFC 6052, 6to4 RFC 3056) are judged by it.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => is_public_v4(inner),
            None => GLOBAL_UNICAST_V6.contains(&address) && !PROTOCOL_ASSIGNMENTS_V6.contains(&address),
        },
    }
}

/// Whether `address` is public and none of this host's `own`, in no disguise either: public addresses of a host's
/// interfaces lead to services that its firewall keeps from the outside.
pub(super) fn is_outside(address: IpAddr, own: &HashSet<IpAddr>) -> bool {
    let inner = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => embedded_v4(address).map(IpAddr::V4),
    };
    is_public(address) && !own.contains(&address) && !inner.is_some_and(|inner| own.contains(&inner))
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address))
}

/// The IPv4 address that a packet to this IPv6 address ends up at.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let inner = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(w, x, y, z)
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(inner(g, h)),
        [0x2002, ..] => Some(inner(b, c)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn private_ranges_in_every_disguise() {
        for (address, public) in [
            ("93.184.216.34", true),
            ("203.0.113.10", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.31.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:4700::1", true),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::a9fe:a9fe", false),
            ("64:ff9b::808:808", true),
            ("2002:7f00:1::1", false),
            ("2002:a9fe:a9fe::1", false),
            ("::127.0.0.1", false),
            ("::8.8.8.8", false),
            // Public IPv4 addresses that serve the machine they are asked from, or nobody.
            ("168.63.129.16", false),
            ("168.63.129.15", true),
            ("168.63.129.17", true),
            ("192.0.0.192", false),
            ("192.0.1.1", true),
            ("192.88.99.1", false),
            ("192.88.98.1", true),
            ("198.17.255.255", true),
            ("198.18.0.0", false),
            ("198.19.255.255", false),
            ("198.20.0.0", true),
            ("240.0.0.1", false),
            ("100.127.255.255", false),
            ("100.128.0.1", true),
            // IPv6 that is not handed out as global unicast, or leads elsewhere.
            ("fec0::1", false),
            ("febf::1", false),
            ("100::1", false),
            ("100:0:0:1::1", false),
            ("2001::1", false),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", false),
            ("2001:2::1", false),
            ("2001:1ff:ffff::1", false),
            ("2001:200::1", true),
            ("::ffff:0:8.8.8.8", false),
            ("64:ff9b:1::808:808", false),
            ("64:ff9b:2::1", false),
            ("4000::1", false),
            ("5f00::1", false),
            ("3fff:ffff::1", true),
            // Disguises of the new ranges.
            ("::ffff:168.63.129.16", false),
            ("64:ff9b::c612:1", false),
            ("2002:c612:1::1", false),
            ("2002:808:808::1", true),
            // Documentation stands for the outside.
            ("198.51.100.7", true),
            ("192.0.2.1", true),
            ("2001:db8:2::a", true),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn own_addresses_are_not_the_outside() {
        let own = ["203.0.113.10", "2001:db8::10"].map(|address| address.parse().unwrap()).into();
        for (address, outside) in [
            ("203.0.113.10", false),
            ("203.0.113.11", true),
            ("::ffff:203.0.113.10", false),
            ("64:ff9b::cb00:710a", false),
            ("2002:cb00:710a::1", false),
            ("2001:db8::10", false),
            ("2001:db8::11", true),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_outside(address.parse().unwrap(), &own), outside, "{address}");
        }
    }
}
