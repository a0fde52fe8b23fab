//! Which packets nobody but an agent sent.

use std::net::IpAddr;

use aegis_tests::lab::wiring::{GATEWAY_V4, GATEWAY_V6};
use aegis_tests::{Packet, Protocol};

/// Neither the host's own search for its gateway and its group memberships, nor the daemon's question to its resolver.
/// Whom the host looks for is looked at: an address is room for an agent's data too.
pub fn is_foreign(packet: &Packet) -> bool {
    if packet.contains(b"atk-") {
        return true;
    }
    match packet.protocol {
        Protocol::Link(0x0806) => packet.payload.get(24..28) != Some(&GATEWAY_V4.octets()),
        // The host has no use for the answer to a fence.
        Protocol::Icmp if packet.destination == GATEWAY_V4 => !packet.contains(b"received"),
        Protocol::Icmp => !is_neighbour_discovery(packet),
        // MLDv2 reports, behind a hop-by-hop header.
        Protocol::Other(0) => packet.destination != IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x16]),
        Protocol::Udp => packet.port != 53,
        _ => true,
    }
}

/// Router solicitations, advertisements of the host's own addresses, and the search for the gateway.
fn is_neighbour_discovery(packet: &Packet) -> bool {
    match packet.payload.first() {
        Some(133 | 136) => true,
        Some(135) => {
            packet.payload.get(8..24).is_some_and(|to| to == GATEWAY_V6.octets() || to.starts_with(&[0xfe, 0x80]))
        }
        _ => false,
    }
}

/// A packet, short enough for a failure message.
pub fn describe(packet: &Packet) -> String {
    let start = String::from_utf8_lossy(&packet.payload[..packet.payload.len().min(120)]).escape_debug().to_string();
    format!("{:?} {} -> {} port {}: {start}", packet.protocol, packet.source, packet.destination, packet.port)
}
