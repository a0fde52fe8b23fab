//! Where the calls aim: outside, in every form that an address can take. All of it lies in the laboratory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use aegis_tests::lab::wiring;
use fastrand::Rng;

/// In every payload and every name, so that a packet outside says which call sent it.
pub const MARKER: &str = "wall-fuzz";

const PORTS: [u16; 13] = [53, 443, 853, 80, 123, 7, 2525, 8443, 9999, 5353, 15001, 15053, 15090];

/// Any address and port to send or connect to.
pub fn destination(dice: &mut Rng) -> SocketAddr {
    let port = if dice.u8(..8) == 0 { dice.u16(..) } else { PORTS[dice.usize(..PORTS.len())] };
    with_scope(if dice.bool() { v4(dice).into() } else { v6(dice).into() }, port, dice)
}

/// Any address and port to bind to: none, our own, or somebody else's.
pub fn own(dice: &mut Rng) -> SocketAddr {
    let port = [0, 0, 0, 53, 15001, 15053, dice.u16(1024..)][dice.usize(..7)];
    let ip: IpAddr = match dice.u8(..9) {
        0 | 1 => Ipv4Addr::UNSPECIFIED.into(),
        2 | 3 => Ipv6Addr::UNSPECIFIED.into(),
        4 => Ipv4Addr::LOCALHOST.into(),
        5 => wiring::HOST_V4.into(),
        6 => wiring::HOST_V6.into(),
        7 => v4(dice).into(),
        _ => v6(dice).into(),
    };
    with_scope(ip, port, dice)
}

pub fn v4(dice: &mut Rng) -> Ipv4Addr {
    let last = dice.u8(..);
    match dice.u8(..16) {
        0..=4 => wiring::HOSTS[dice.usize(..wiring::HOSTS.len())].1.0,
        5 => wiring::DNS_V4,
        6 => wiring::OTHER_DNS_V4,
        7 => wiring::GATEWAY_V4,
        8 => Ipv4Addr::new(198, 51, 100, last),
        9 => Ipv4Addr::BROADCAST,
        10 => Ipv4Addr::new(198, 51, 100, 255),
        11 => Ipv4Addr::new(224, 0, 0, last),
        12 => Ipv4Addr::new(239, dice.u8(..), dice.u8(..), last),
        13 => Ipv4Addr::new(169, 254, 169, 254),
        14 => [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED, wiring::HOST_V4][dice.usize(..3)],
        _ => Ipv4Addr::from(dice.u32(..)),
    }
}

pub fn v6(dice: &mut Rng) -> Ipv6Addr {
    let (last, [a, b, c, d]) = (dice.u16(..), v4(dice).octets());
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match dice.u8(..16) {
        0..=3 => wiring::HOSTS[dice.usize(..wiring::HOSTS.len())].1.1,
        4 | 5 => Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
        6 => Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        7 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        8 => Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        9 => wiring::GATEWAY_V6,
        10 => Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, last),
        11 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, last),
        12 => Ipv6Addr::new(0xff0e, dice.u16(..), 0, 0, 0, 0, 0, last),
        13 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last),
        14 => [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED, wiring::HOST_V6][dice.usize(..3)],
        _ => Ipv6Addr::from(dice.u128(..)),
    }
}

/// The index of the cable's end, of loopback, or of nothing.
pub fn interface(dice: &mut Rng) -> u32 {
    let cable = || nix::net::if_::if_nametoindex(wiring::HOST_LINK).unwrap_or(0);
    [cable(), cable(), 1, 0][dice.usize(..4)]
}

/// A payload towards `port`; for DNS mostly a proper question.
pub fn payload(who: &str, number: u64, port: u16, dice: &mut Rng) -> Vec<u8> {
    if port == 53 && dice.u8(..4) > 0 {
        return question(who, number, dice);
    }
    let length = [0, 1, dice.usize(..1400), dice.usize(..20_000)][dice.usize(..4)];
    let mut bytes = format!("{MARKER} {who} #{number} ").into_bytes();
    bytes.resize(bytes.len().max(length), b'x');
    bytes
}

/// RFC 1035, section 4: one question for an address of a name that says who asks.
fn question(who: &str, number: u64, dice: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![dice.u8(..), dice.u8(..), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [format!("{MARKER}-{}-{number}", who.replace('.', "-")).as_str(), "denied", "test"] {
        bytes.push(u8::try_from(label.len().min(63)).unwrap());
        bytes.extend(label.bytes().take(63));
    }
    bytes.extend([0, 0, [1, 28, 16, 65][dice.usize(..4)], 0, 1]);
    bytes
}

fn with_scope(ip: IpAddr, port: u16, dice: &mut Rng) -> SocketAddr {
    match ip {
        IpAddr::V6(ip) if ip.is_unicast_link_local() || ip.is_multicast() => {
            SocketAddrV6::new(ip, port, 0, interface(dice)).into()
        }
        IpAddr::V6(ip) if dice.u8(..8) == 0 => SocketAddrV6::new(ip, port, dice.u32(..), interface(dice)).into(),
        ip => SocketAddr::new(ip, port),
    }
}
