//! What the host's kernel sends by itself, whatever runs: it looks for its gateway and tells of its own addresses.
//!
//! Everything else in a capture is somebody's doing. Where an address is asked for, or a group joined, that is not the
//! cable's own, it is an agent's: addresses and groups can carry data.

use std::net::Ipv6Addr;

use anyhow::Result;

use super::{Packet, Protocol};
use crate::lab::Lab;
use crate::lab::wiring::{GATEWAY_V4, GATEWAY_V6, HOST_V4, HOST_V6};

/// Solicited-node group (RFC 4291, section 2.7.1) of the host's end; both of its addresses end in the same digits.
const OWN_GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 2);

/// The kernel's own packets of one laboratory.
pub struct Background {
    /// Whose neighbours may ask for each other.
    neighbours: Vec<Ipv6Addr>,
}

impl Background {
    /// Learns the link-local addresses of both ends.
    pub fn of(lab: &Lab) -> Result<Background> {
        let mut neighbours = vec![HOST_V6, GATEWAY_V6];
        for namespace in [&lab.host, &lab.inet] {
            let table = namespace.within(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6"))??;
            let address = |line: &str| Some(Ipv6Addr::from(u128::from_str_radix(line.split(' ').next()?, 16).ok()?));
            neighbours.extend(table.lines().filter_map(address).filter(Ipv6Addr::is_unicast_link_local));
        }
        Ok(Background { neighbours })
    }

    /// Whether no process had a part in this packet.
    pub fn has(&self, packet: &Packet) -> bool {
        let payload = packet.payload.as_slice();
        match packet.protocol {
            // ARP: whose hardware address is asked for.
            Protocol::Link(0x0806) => {
                [GATEWAY_V4, HOST_V4].iter().any(|own| payload.get(24..28) == Some(own.octets().as_slice()))
            }
            Protocol::Icmp if packet.destination.is_ipv6() => self.is_neighbour_discovery(payload),
            // The fence's socket is gone when its answer comes.
            Protocol::Icmp => {
                packet.destination == GATEWAY_V4 && payload.starts_with(&[3, 3]) && payload.ends_with(b"received")
            }
            // A hop-by-hop header, then a report of groups (RFC 3810).
            Protocol::Other(0) => payload.first() == Some(&58) && payload.get(8..).is_some_and(reports_own_group),
            _ => false,
        }
    }

    /// RFC 4861: a router is looked for, or one of the two ends of the cable.
    fn is_neighbour_discovery(&self, message: &[u8]) -> bool {
        let target = || message.get(8..24).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()).map(Ipv6Addr::from);
        match message.first() {
            Some(133) => true,
            Some(135 | 136) => target().is_some_and(|target| self.neighbours.contains(&target)),
            _ => false,
        }
    }
}

fn reports_own_group(report: &[u8]) -> bool {
    let is_own = |record: &[u8]| {
        record.get(1..4) == Some(&[0, 0, 0]) && record.get(4..20) == Some(OWN_GROUP.octets().as_slice())
    };
    report.first() == Some(&143) && report.get(8..).is_some_and(|records| records.chunks(20).all(is_own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_somebodys_choice_is_not_the_kernels() {
        let report = |group: Ipv6Addr| [&[143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0][..], &group.octets()].concat();
        assert!(reports_own_group(&report(OWN_GROUP)));
        assert!(!reports_own_group(&report(Ipv6Addr::new(0xff0e, 1, 2, 3, 4, 5, 6, 7))));
        assert!(!reports_own_group(&[report(OWN_GROUP), vec![4, 0, 0, 1]].concat()));
    }
}
