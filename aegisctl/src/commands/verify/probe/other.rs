//! Attempts by neither.

use std::net::IpAddr;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::super::channel::Order;
use super::super::{interface, packet};
use super::{Done, Tried, tried};

/// Where the listener of `AF_VSOCK` is.
pub const VSOCK_PORT: u32 = 0xae915;

/// IPPROTO_RAW: the packet brings its own header.
const WITH_HEADER: i32 = 255;

/// An echo request with the marker in it: by a ping socket, or by a raw one.
pub fn echo(order: &Order, kind: Type) -> Tried {
    let (protocol, request) = match order.to.ip() {
        IpAddr::V4(_) => (Protocol::ICMPV4, 8),
        IpAddr::V6(_) => (Protocol::ICMPV6, 128),
    };
    let socket = super::socket(order.to, kind, Some(protocol))?;
    let message = [&[request, 0, 0, 0, 0, 1, 0, 1], order.marker.as_bytes()].concat();
    tried("sendto", socket.send_to(&message, &order.to.into()))?;
    Ok(Done::default())
}

/// A whole packet by a raw socket.
pub fn raw_header(order: &Order) -> Tried {
    let socket = super::socket(order.to, Type::RAW, Some(Protocol::from(WITH_HEADER)))?;
    tried("sendto", socket.send_to(&datagram(order), &order.to.into()))?;
    Ok(Done::default())
}

/// A whole packet by a packet socket, below the internet protocols.
pub fn packet(order: &Order) -> Tried {
    let socket = tried("socket", Socket::new(Domain::PACKET, Type::DGRAM, None))?;
    let index = tried("if_nametoindex", nix::net::if_::if_nametoindex(order.device.as_str()))?;
    let link = tried("sockaddr_ll", interface::link_address(index))?;
    tried("sendto", socket.send_to(&datagram(order), &link))?;
    Ok(Done::default())
}

/// A connection to this host by the sockets of virtual machines.
pub fn vsock() -> Tried {
    let socket = tried("socket", Socket::new(Domain::VSOCK, Type::STREAM, None))?;
    tried("fcntl", socket.set_nonblocking(true))?;
    match socket.connect(&SockAddr::vsock(libc::VMADDR_CID_LOCAL, VSOCK_PORT)) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        result => tried("connect", result)?,
    }
    Ok(Done { note: None, kept: Some(socket) })
}

/// An IPv4 packet to where the order says.
fn datagram(order: &Order) -> Vec<u8> {
    match (order.from.ip(), order.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => packet::udp_v4(from, to, order.to.port(), order.marker.as_bytes()),
        _ => Vec::new(),
    }
}
