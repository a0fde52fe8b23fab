//! Socket options and control messages: what could send a packet by itself, or elsewhere than a call says.

use fastrand::Rng;
use nix::libc;

use super::{Actor, Outcome};
use crate::system;
use crate::targets;

/// What an option takes.
#[derive(Clone, Copy)]
enum Value {
    Flag,
    Number,
    Interface,
    Text(&'static str),
    /// `struct ip_mreqn`
    Group4,
    /// `struct ipv6_mreq`
    Group6,
    /// `struct ip_mreq_source`
    Source4,
    /// `struct group_req`
    Group,
    /// `struct in_addr`
    Address4,
    /// Source routing, RFC 791.
    Route4,
    /// A routing header, RFC 8200 and RFC 8754.
    Route6,
    /// Hop-by-hop or destination options.
    Options6,
    /// `struct in6_pktinfo`
    Source6,
    /// `struct in6_flowlabel_req`
    Label,
    /// `struct linger` that does not wait: the connection is reset.
    Reset,
}

const SOCKET: i32 = libc::SOL_SOCKET;
const IP: i32 = libc::IPPROTO_IP;
const IP6: i32 = libc::IPPROTO_IPV6;
const TCP: i32 = libc::IPPROTO_TCP;
const UDP: i32 = libc::IPPROTO_UDP;

/// Level, name, value. Numbers without a name in libc are those of the kernel's own headers.
const KNOWN: &[(i32, i32, Value)] = &[
    (SOCKET, libc::SO_REUSEADDR, Value::Flag),
    (SOCKET, libc::SO_REUSEPORT, Value::Flag),
    (SOCKET, libc::SO_BROADCAST, Value::Flag),
    (SOCKET, libc::SO_DONTROUTE, Value::Flag),
    (SOCKET, libc::SO_KEEPALIVE, Value::Flag),
    (SOCKET, libc::SO_ZEROCOPY, Value::Flag),
    (SOCKET, libc::SO_NO_CHECK, Value::Flag),
    (SOCKET, libc::SO_MARK, Value::Number),
    (SOCKET, libc::SO_PRIORITY, Value::Number),
    (SOCKET, libc::SO_LINGER, Value::Reset),
    (SOCKET, libc::SO_BINDTODEVICE, Value::Text("eth0")),
    (SOCKET, libc::SO_BINDTODEVICE, Value::Text("lo")),
    (SOCKET, libc::SO_BINDTOIFINDEX, Value::Interface),
    (IP, libc::IP_TOS, Value::Number),
    (IP, libc::IP_TTL, Value::Number),
    (IP, libc::IP_OPTIONS, Value::Route4),
    (IP, libc::IP_PKTINFO, Value::Flag),
    (IP, libc::IP_RECVERR, Value::Flag),
    (IP, libc::IP_FREEBIND, Value::Flag),
    (IP, libc::IP_TRANSPARENT, Value::Flag),
    (IP, libc::IP_BIND_ADDRESS_NO_PORT, Value::Flag),
    (IP, libc::IP_MULTICAST_IF, Value::Address4),
    (IP, libc::IP_MULTICAST_TTL, Value::Number),
    (IP, libc::IP_MULTICAST_LOOP, Value::Flag),
    (IP, libc::IP_UNICAST_IF, Value::Interface),
    (IP, libc::IP_ADD_MEMBERSHIP, Value::Group4),
    (IP, libc::IP_DROP_MEMBERSHIP, Value::Group4),
    (IP, libc::IP_ADD_SOURCE_MEMBERSHIP, Value::Source4),
    (IP, libc::MCAST_JOIN_GROUP, Value::Group),
    (IP6, libc::MCAST_JOIN_GROUP, Value::Group),
    (IP6, libc::IPV6_ADD_MEMBERSHIP, Value::Group6),
    (IP6, libc::IPV6_DROP_MEMBERSHIP, Value::Group6),
    // IPV6_JOIN_ANYCAST
    (IP6, 27, Value::Group6),
    (IP6, libc::IPV6_ADDRFORM, Value::Text("\x02\0\0\0")),
    (IP6, libc::IPV6_V6ONLY, Value::Flag),
    (IP6, libc::IPV6_UNICAST_HOPS, Value::Number),
    (IP6, libc::IPV6_MULTICAST_IF, Value::Interface),
    (IP6, libc::IPV6_MULTICAST_HOPS, Value::Number),
    (IP6, libc::IPV6_UNICAST_IF, Value::Interface),
    (IP6, libc::IPV6_FREEBIND, Value::Flag),
    (IP6, libc::IPV6_TRANSPARENT, Value::Flag),
    (IP6, libc::IPV6_PKTINFO, Value::Source6),
    (IP6, libc::IPV6_RTHDR, Value::Route6),
    (IP6, libc::IPV6_HOPOPTS, Value::Options6),
    (IP6, libc::IPV6_DSTOPTS, Value::Options6),
    (IP6, libc::IPV6_RTHDRDSTOPTS, Value::Options6),
    (IP6, libc::IPV6_FLOWLABEL_MGR, Value::Label),
    (IP6, libc::IPV6_FLOWINFO_SEND, Value::Flag),
    (IP6, libc::IPV6_DONTFRAG, Value::Flag),
    (TCP, libc::TCP_NODELAY, Value::Flag),
    (TCP, libc::TCP_CORK, Value::Flag),
    (TCP, libc::TCP_FASTOPEN, Value::Number),
    (TCP, libc::TCP_FASTOPEN_CONNECT, Value::Flag),
    (TCP, libc::TCP_REPAIR, Value::Flag),
    (TCP, libc::TCP_DEFER_ACCEPT, Value::Number),
    (TCP, libc::TCP_ULP, Value::Text("tls")),
    (TCP, libc::TCP_ULP, Value::Text("mptcp")),
    (TCP, libc::TCP_ULP, Value::Text("espintcp")),
    (UDP, libc::UDP_CORK, Value::Flag),
    (UDP, libc::UDP_SEGMENT, Value::Number),
    // UDP_ENCAP, UDP_NO_CHECK6_TX
    (UDP, 100, Value::Number),
    (UDP, 101, Value::Flag),
];

/// That a call waits for good is no finding.
const WAITING: [i32; 5] = [libc::SO_LINGER, libc::SO_RCVTIMEO, libc::SO_SNDTIMEO, 66, 67];

const LEVELS: [i32; 9] = [SOCKET, IP, IP6, TCP, UDP, libc::SOL_RAW, libc::IPPROTO_ICMPV6, libc::SOL_TLS, 284];

pub fn set(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    let dice = &mut actor.dice;
    let (level, name, bytes) = if dice.u8(..8) > 0 {
        let (level, name, value) = KNOWN[dice.usize(..KNOWN.len())];
        (level, name, value.bytes(dice))
    } else {
        let (level, name, length) = (LEVELS[dice.usize(..LEVELS.len())], dice.i32(0..130), dice.usize(..64));
        if level == SOCKET && WAITING.contains(&name) {
            return None;
        }
        (level, name, std::iter::repeat_with(|| dice.u8(..)).take(length).collect())
    };
    Some((format!("{socket} {level} {name} {bytes:02x?}"), system::set_option(socket, level, name, &bytes)))
}

pub fn get(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    let (level, name) = if actor.dice.bool() {
        let (level, name, _) = KNOWN[actor.dice.usize(..KNOWN.len())];
        (level, name)
    } else {
        (LEVELS[actor.dice.usize(..LEVELS.len())], actor.dice.i32(0..130))
    };
    Some((format!("{socket} {level} {name}"), system::get_option(socket, level, name)))
}

/// What goes with a message, as `cmsg(3)` lays it out; often nothing.
pub fn control(dice: &mut Rng) -> Vec<u8> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let mut bytes = Vec::new();
    for _ in 0..[0, 0, 1, 1, 2][dice.usize(..5)] {
        let (level, kind, value) = match dice.u8(..8) {
            0 | 1 => {
                (IP, libc::IP_PKTINFO, [&Value::Interface.bytes(dice)[..], &address4(dice), &address4(dice)].concat())
            }
            2 | 3 => (IP6, libc::IPV6_PKTINFO, Value::Source6.bytes(dice)),
            4 => (IP6, libc::IPV6_RTHDR, Value::Route6.bytes(dice)),
            5 => (UDP, libc::UDP_SEGMENT, dice.u16(..2000).to_ne_bytes().to_vec()),
            6 => (SOCKET, libc::SO_MARK, Value::Number.bytes(dice)),
            _ => {
                let (level, kind, value) = KNOWN[dice.usize(..KNOWN.len())];
                (level, kind, value.bytes(dice))
            }
        };
        bytes.extend((HEADER + value.len()).to_ne_bytes());
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
    }
    bytes
}

impl Value {
    fn bytes(self, dice: &mut Rng) -> Vec<u8> {
        match self {
            Value::Flag => dice.i32(0..2).to_ne_bytes().to_vec(),
            Value::Number => [dice.i32(0..4), dice.i32(0..256), dice.i32(..)][dice.usize(..3)].to_ne_bytes().to_vec(),
            Value::Interface => targets::interface(dice).to_ne_bytes().to_vec(),
            Value::Text(text) => text.as_bytes().to_vec(),
            Value::Group4 => [&address4(dice)[..], &address4(dice), &targets::interface(dice).to_ne_bytes()].concat(),
            Value::Group6 => [&address6(dice)[..], &targets::interface(dice).to_ne_bytes()].concat(),
            Value::Source4 => [address4(dice), [0; 4], address4(dice)].concat(),
            Value::Group => group(dice),
            Value::Address4 => address4(dice).to_vec(),
            Value::Route4 => route4(dice),
            Value::Route6 => route6(dice),
            // An unknown option to be skipped, padded to eight bytes.
            Value::Options6 => [&[0, 0, 0x1e, 4][..], &dice.u32(..).to_ne_bytes()].concat(),
            Value::Source6 => [&address6(dice)[..], &targets::interface(dice).to_ne_bytes()].concat(),
            Value::Label => label(dice),
            Value::Reset => [1i32.to_ne_bytes(), [0; 4]].concat(),
        }
    }
}

fn address4(dice: &mut Rng) -> [u8; 4] {
    targets::v4(dice).octets()
}

fn address6(dice: &mut Rng) -> [u8; 16] {
    targets::v6(dice).octets()
}

/// The group stands in a `sockaddr_storage`, eight bytes in.
fn group(dice: &mut Rng) -> Vec<u8> {
    let address = system::Address::from(targets::destination(dice));
    let mut bytes = [&targets::interface(dice).to_ne_bytes()[..], &[0; 4], address.bytes()].concat();
    bytes.resize(size_of::<libc::group_req>(), 0);
    bytes
}

/// Loose or strict, by way of one host.
fn route4(dice: &mut Rng) -> Vec<u8> {
    let kind = if dice.bool() { 131 } else { 137 };
    [&[1, kind, 7, 4][..], &address4(dice)].concat()
}

fn route6(dice: &mut Rng) -> Vec<u8> {
    let mut bytes = match dice.u8(..3) {
        kind @ (0 | 2) => vec![0, 2, kind, 1, 0, 0, 0, 0],
        _ => vec![0, 2, 4, 0, 0, 0, 0, 0],
    };
    bytes.extend(address6(dice));
    bytes
}

fn label(dice: &mut Rng) -> Vec<u8> {
    let mut bytes = address6(dice).to_vec();
    // Label, action, share, flags, expiry, linger, padding.
    bytes.extend((dice.u32(..1 << 20)).to_be_bytes());
    bytes.extend([dice.u8(..3), dice.u8(..4), dice.u8(..8), 0]);
    bytes.extend([0; 8]);
    bytes
}
