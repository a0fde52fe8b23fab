//! The ways out that are tried.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aegis_api::Actor;
use serde::{Deserialize, Serialize};

use super::range::Range;

/// What a probe does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Attempt {
    /// The datagram behind which the sink stops to wait.
    Fence,
    TcpConnect,
    TcpNonBlocking,
    TcpFastOpen,
    TcpBoundDevice,
    Mptcp,
    Sctp,
    Dccp,
    UdpSendTo,
    UdpConnected,
    UdpSendmsg,
    UdpSendmmsg,
    UdpSegmented,
    UdpFragmented,
    UdpElsewhere,
    UdpBoundDevice,
    UdpPacketInfo,
    UdpLite,
    Multicast,
    Broadcast,
    Ping,
    RawIcmp,
    RawHeader,
    Packet,
    Vsock,
    /// Listens; the sink connects.
    Listen,
    /// With a socket from before the probe joined the agent's cgroup.
    InheritedTcp,
    InheritedUdp,
    /// With a socket that somebody outside handed over.
    ReceivedTcp,
    ReceivedUdp,
}

/// Where an attempt goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    V4,
    V6,
    /// An IPv4 address on an IPv6 socket.
    Mapped,
    Broadcast,
    Group4,
    Group6,
}

/// One way out.
#[derive(Clone, Copy, Debug)]
pub struct Vector {
    pub name: &'static str,
    pub attempt: Attempt,
    target: Target,
    port: u16,
    pub actor: Actor,
    /// In a child of the agent's cgroup.
    pub in_child: bool,
    /// The kernel's name of the protocol (`/proc/net/protocols`), where trying it would load a module.
    pub protocol: Option<&'static str>,
    /// What the deployment has to do, where no kernel program can close the way.
    pub deployment: Option<&'static str>,
}

/// Without these nothing can be said of the others.
pub const BASE: [&str; 2] = ["tcp4-connect", "udp4-sendto"];

/// A port that nothing else of Aegis uses; the sink does not mind.
const PORT: u16 = 8443;
const QUIC: u16 = 443;
const DNS: u16 = 53;

const NET_RAW: &str = "only with CAP_NET_RAW, which aegisctl run takes away; keep it from agents started otherwise";
const HANDED_IN: &str = "a socket made outside of the agent's cgroup; aegisctl run closes inherited ones, keep helpers' sockets from agents";
const VSOCK: &str =
    "no kernel program sees this family; aegisctl run filters it, filter it for agents started otherwise";

/// Every way, in the order in which they are tried.
pub const VECTORS: [Vector; 54] = [
    at("tcp4-connect", Attempt::TcpConnect, Target::V4, PORT),
    at("tcp6-connect", Attempt::TcpConnect, Target::V6, PORT),
    at("tcp4-mapped", Attempt::TcpConnect, Target::Mapped, PORT),
    at("tcp4-nonblocking", Attempt::TcpNonBlocking, Target::V4, PORT),
    at("tcp4-fast-open", Attempt::TcpFastOpen, Target::V4, PORT),
    at("tcp6-fast-open", Attempt::TcpFastOpen, Target::V6, PORT),
    at("tcp4-bound-device", Attempt::TcpBoundDevice, Target::V4, PORT),
    at("tcp6-bound-device", Attempt::TcpBoundDevice, Target::V6, PORT),
    at("tcp4-child-cgroup", Attempt::TcpConnect, Target::V4, PORT).child(),
    at("mptcp4-connect", Attempt::Mptcp, Target::V4, PORT),
    at("mptcp6-connect", Attempt::Mptcp, Target::V6, PORT),
    at("sctp4-connect", Attempt::Sctp, Target::V4, PORT).needs("SCTP"),
    at("sctp6-connect", Attempt::Sctp, Target::V6, PORT).needs("SCTPv6"),
    at("dccp4-connect", Attempt::Dccp, Target::V4, PORT).needs("DCCP"),
    at("udp4-sendto", Attempt::UdpSendTo, Target::V4, PORT),
    at("udp6-sendto", Attempt::UdpSendTo, Target::V6, PORT),
    at("udp4-mapped", Attempt::UdpSendTo, Target::Mapped, PORT),
    at("udp4-connected", Attempt::UdpConnected, Target::V4, PORT),
    at("udp6-connected", Attempt::UdpConnected, Target::V6, PORT),
    at("udp4-sendmsg", Attempt::UdpSendmsg, Target::V4, PORT),
    at("udp6-sendmsg", Attempt::UdpSendmsg, Target::V6, PORT),
    at("udp4-sendmmsg", Attempt::UdpSendmmsg, Target::V4, PORT),
    at("udp6-sendmmsg", Attempt::UdpSendmmsg, Target::V6, PORT),
    at("udp4-gso", Attempt::UdpSegmented, Target::V4, PORT),
    at("udp6-gso", Attempt::UdpSegmented, Target::V6, PORT),
    at("udp4-fragmented", Attempt::UdpFragmented, Target::V4, PORT),
    at("udp4-elsewhere", Attempt::UdpElsewhere, Target::V4, PORT),
    at("udp6-elsewhere", Attempt::UdpElsewhere, Target::V6, PORT),
    at("udp4-child-cgroup", Attempt::UdpSendTo, Target::V4, PORT).child(),
    at("quic4", Attempt::UdpSendTo, Target::V4, QUIC),
    at("quic6", Attempt::UdpSendTo, Target::V6, QUIC),
    at("dns4-udp", Attempt::UdpSendTo, Target::V4, DNS),
    at("dns6-udp", Attempt::UdpSendTo, Target::V6, DNS),
    at("dns4-tcp", Attempt::TcpNonBlocking, Target::V4, DNS),
    at("dns4-bound-device", Attempt::UdpBoundDevice, Target::V4, DNS),
    at("dns6-bound-device", Attempt::UdpBoundDevice, Target::V6, DNS),
    at("dns4-pktinfo", Attempt::UdpPacketInfo, Target::V4, DNS),
    at("udplite4", Attempt::UdpLite, Target::V4, PORT).needs("UDP-Lite"),
    at("multicast4", Attempt::Multicast, Target::Group4, PORT),
    at("multicast6", Attempt::Multicast, Target::Group6, PORT),
    at("broadcast4", Attempt::Broadcast, Target::Broadcast, PORT),
    at("ping4", Attempt::Ping, Target::V4, 0),
    at("ping6", Attempt::Ping, Target::V6, 0),
    at("raw4-icmp", Attempt::RawIcmp, Target::V4, 0).root(),
    at("raw6-icmp", Attempt::RawIcmp, Target::V6, 0).root(),
    at("raw4-header", Attempt::RawHeader, Target::V4, PORT).root(),
    at("packet-socket", Attempt::Packet, Target::V4, PORT).root().outside_the_wall(NET_RAW),
    at("vsock", Attempt::Vsock, Target::V4, PORT).outside_the_wall(VSOCK),
    at("inbound4-answer", Attempt::Listen, Target::V4, PORT),
    at("inbound6-answer", Attempt::Listen, Target::V6, PORT),
    at("inherited-tcp4", Attempt::InheritedTcp, Target::V4, PORT).outside_the_wall(HANDED_IN),
    at("inherited-udp4", Attempt::InheritedUdp, Target::V4, PORT).outside_the_wall(HANDED_IN),
    at("received-tcp4", Attempt::ReceivedTcp, Target::V4, PORT).outside_the_wall(HANDED_IN),
    at("received-udp4", Attempt::ReceivedUdp, Target::V4, PORT).outside_the_wall(HANDED_IN),
];

const fn at(name: &'static str, attempt: Attempt, target: Target, port: u16) -> Vector {
    Vector { name, attempt, target, port, actor: Actor::User, in_child: false, protocol: None, deployment: None }
}

impl Vector {
    const fn root(mut self) -> Self {
        self.actor = Actor::Root;
        self
    }

    const fn child(mut self) -> Self {
        self.in_child = true;
        self
    }

    const fn needs(mut self, protocol: &'static str) -> Self {
        self.protocol = Some(protocol);
        self
    }

    const fn outside_the_wall(mut self, fix: &'static str) -> Self {
        self.deployment = Some(fix);
        self
    }

    /// Where it goes; `number` is its own.
    pub fn to(&self, range: &Range, number: u8) -> SocketAddr {
        let address: IpAddr = match self.target {
            Target::V4 => range.target_v4(number).into(),
            Target::V6 => range.target_v6(number).into(),
            Target::Mapped => range.target_v4(number).to_ipv6_mapped().into(),
            Target::Broadcast => range.broadcast().into(),
            // Of the local scope, which no router passes on (RFC 2365, RFC 7346).
            Target::Group4 => Ipv4Addr::new(239, 255, 18, 18).into(),
            Target::Group6 => Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 0x1818).into(),
        };
        SocketAddr::new(address, self.port)
    }

    /// From where.
    pub fn from(&self, range: &Range) -> SocketAddr {
        let address: IpAddr = match self.target {
            Target::V4 | Target::Broadcast | Target::Group4 => range.own_v4().into(),
            Target::Mapped => range.own_v4().to_ipv6_mapped().into(),
            Target::V6 | Target::Group6 => range.own_v6().into(),
        };
        SocketAddr::new(address, 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_different_and_the_base_is_there() {
        let all: Vec<&Vector> = VECTORS.iter().collect();
        let names: BTreeSet<&str> = all.iter().map(|vector| vector.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(BASE.iter().all(|name| names.contains(name)));
        assert!(all.len() < 200, "each has an address of its own in a /24");
    }
}
