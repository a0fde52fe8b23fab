//! IP packets, as the sink takes them apart and makes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 2;

/// Where a packet goes; none for what is no IP packet.
pub fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?).into()),
        6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(24..40)?).ok()?).into()),
        _ => None,
    }
}

/// Whether `marker` is anywhere in the packet.
pub fn contains(packet: &[u8], marker: &[u8]) -> bool {
    packet.windows(marker.len()).any(|window| window == marker)
}

/// What the kernel itself says on an interface: multicast of IGMP and ICMPv6 (neighbours, routers, listeners).
pub fn is_housekeeping(packet: &[u8]) -> bool {
    const IGMP: u8 = 2;
    const ICMP_V6: u8 = 58;
    const HOP_BY_HOP: u8 = 0;
    let byte = |at: usize| packet.get(at).copied();
    let multicast = destination(packet).is_some_and(|address| address.is_multicast());
    let kernel = match byte(0).map(|byte| byte >> 4) {
        Some(4) => byte(9) == Some(IGMP),
        Some(6) => match byte(6) {
            Some(HOP_BY_HOP) => byte(40) == Some(ICMP_V6),
            next => next == Some(ICMP_V6),
        },
        _ => false,
    };
    multicast && kernel
}

/// An IPv4 datagram of UDP; without checksum, which IPv4 allows.
pub fn udp_v4(from: Ipv4Addr, to: Ipv4Addr, port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap_or(u16::MAX);
    let mut segment = Vec::with_capacity(payload.len() + 8);
    for word in [port, port, length, 0] {
        segment.extend(word.to_be_bytes());
    }
    segment.extend(payload);
    ip_v4(from, to, UDP, &segment)
}

/// The first packet of a connection, as a peer outside sends it; none where the addresses are of two kinds.
pub fn syn(from: SocketAddr, to: SocketAddr) -> Option<Vec<u8>> {
    let mut segment = Vec::with_capacity(20);
    segment.extend(from.port().to_be_bytes());
    segment.extend(to.port().to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    // Five words of header, one flag, a window, no checksum yet.
    segment.extend([5 << 4, SYN, 0xff, 0xff, 0, 0, 0, 0]);
    let mut covered = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => [from.octets(), to.octets()].concat(),
        (IpAddr::V6(from), IpAddr::V6(to)) => [from.octets(), to.octets()].concat(),
        _ => return None,
    };
    covered.extend([0, TCP, 0, 20]);
    covered.extend(&segment);
    let sum = checksum(&covered).to_be_bytes();
    segment.splice(16..18, sum);
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => Some(ip_v4(from, to, TCP, &segment)),
        (IpAddr::V6(from), IpAddr::V6(to)) => Some(ip_v6(from, to, TCP, &segment)),
        _ => None,
    }
}

fn ip_v4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 20).unwrap_or(u16::MAX).to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    header.extend(from.octets());
    header.extend(to.octets());
    let sum = checksum(&header).to_be_bytes();
    header.splice(10..12, sum);
    header.extend(payload);
    header
}

fn ip_v6(from: Ipv6Addr, to: Ipv6Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], protocol, 64];
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(payload);
    packet
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let word =
        |pair: &[u8]| u32::from(pair.first().copied().unwrap_or(0)) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_back() {
        let (from, to) = (Ipv4Addr::new(198, 18, 0, 9), Ipv4Addr::new(198, 18, 0, 1));
        let packet = udp_v4(from, to, 53, b"a marker");
        assert_eq!(destination(&packet), Some(to.into()));
        assert!(contains(&packet, b"marker") && !contains(&packet, b"another"));
        assert!(!is_housekeeping(&packet));
        for packet in [&[][..], &[0x45], &[0x60; 20], b"Version 5 was another protocol, and longer than this header"] {
            assert_eq!(destination(packet), None);
        }
    }

    #[test]
    fn checksums_add_up_to_nothing() {
        let from: SocketAddr = "198.18.0.9:40000".parse().unwrap();
        let packet = syn(from, "198.18.0.1:8443".parse().unwrap()).unwrap();
        assert_eq!(checksum(&packet[..20]), 0);
        let mut covered = [packet[12..20].to_vec(), vec![0, TCP, 0, 20]].concat();
        covered.extend(&packet[20..]);
        assert_eq!(checksum(&covered), 0);
        assert!(syn(from, "[fd00::1]:8443".parse().unwrap()).is_none());
    }

    #[test]
    fn only_the_kernels_own_multicast_is_housekeeping() {
        // A multicast listener report (hop-by-hop before ICMPv6) and a router solicitation.
        let mut report = ip_v6("fe80::1".parse().unwrap(), "ff02::16".parse().unwrap(), 0, &[58, 0, 5, 2, 0, 0, 1, 0]);
        assert!(is_housekeeping(&report));
        assert!(is_housekeeping(&ip_v6("fe80::1".parse().unwrap(), "ff02::2".parse().unwrap(), 58, &[133, 0])));
        report[40] = UDP;
        assert!(!is_housekeeping(&report));
        assert!(!is_housekeeping(&ip_v6("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap(), 58, &[128, 0])));
    }
}
