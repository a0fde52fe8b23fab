//! Attempts by datagrams.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::sockopt::UdpGsoSegment;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, setsockopt};
use socket2::{Protocol, Socket, Type};

use super::super::channel::{Order, Refused};
use super::{Done, Tried, tried};

/// Longer than any packet of an interface of 1,500 bytes.
const LONG: usize = 4000;
const SEGMENT: i32 = 200;

pub fn socket(order: &Order) -> Result<Socket, Refused> {
    super::socket(order.to, Type::DGRAM, Some(Protocol::UDP))
}

pub fn send_to(socket: &Socket, order: &Order) -> Tried {
    sent("sendto", socket.send_to(order.marker.as_bytes(), &order.to.into()))
}

/// `connect`, then `send`.
pub fn connected(order: &Order) -> Tried {
    let socket = socket(order)?;
    tried("connect", socket.connect(&order.to.into()))?;
    sent("send", socket.send(order.marker.as_bytes()))
}

pub fn sendmsg(order: &Order) -> Tried {
    message(&socket(order)?, order, &[])
}

/// Two datagrams with one call.
pub fn sendmmsg(order: &Order) -> Tried {
    let socket = socket(order)?;
    let slices = [[IoSlice::new(order.marker.as_bytes())], [IoSlice::new(order.marker.as_bytes())]];
    let addresses = [Some(SockaddrStorage::from(order.to)), Some(SockaddrStorage::from(order.to))];
    let mut headers = MultiHeaders::preallocate(slices.len(), None);
    let flags = MsgFlags::empty();
    let result = nix::sys::socket::sendmmsg(socket.as_raw_fd(), &mut headers, &slices, addresses, [], flags).map(drop);
    sent("sendmmsg", result)
}

/// Many datagrams as one, cut up by the kernel (UDP_SEGMENT).
pub fn segmented(order: &Order) -> Tried {
    let socket = socket(order)?;
    tried("UDP_SEGMENT", setsockopt(&socket, UdpGsoSegment, &SEGMENT))?;
    sent("sendto", socket.send_to(&long(order, 1000), &order.to.into()))
}

/// One datagram in several packets.
pub fn fragmented(order: &Order) -> Tried {
    sent("sendto", socket(order)?.send_to(&long(order, LONG), &order.to.into()))
}

/// On a socket that is connected to this host, to somewhere else.
pub fn elsewhere(order: &Order) -> Tried {
    let socket = socket(order)?;
    let here = SocketAddr::new(order.from.ip(), order.to.port());
    tried("connect", socket.connect(&here.into()))?;
    send_to(&socket, order)
}

/// Past the routing table, which would otherwise keep a redirected datagram on this host.
pub fn bound_to_device(order: &Order) -> Tried {
    let socket = socket(order)?;
    tried("SO_BINDTODEVICE", socket.bind_device(Some(order.device.as_bytes())))?;
    send_to(&socket, order)
}

/// The same for one datagram (IP_PKTINFO).
pub fn packet_info(order: &Order) -> Tried {
    let index = tried("if_nametoindex", nix::net::if_::if_nametoindex(order.device.as_str()))?;
    let socket = socket(order)?;
    let index = i32::try_from(index).unwrap_or_default();
    let none = libc::in_addr { s_addr: 0 };
    let info = libc::in_pktinfo { ipi_ifindex: index, ipi_spec_dst: none, ipi_addr: none };
    message(&socket, order, &[ControlMessage::Ipv4PacketInfo(&info)])
}

pub fn lite(order: &Order) -> Tried {
    send_to(&super::socket(order.to, Type::DGRAM, Some(Protocol::UDPLITE))?, order)
}

pub fn multicast(order: &Order) -> Tried {
    let socket = socket(order)?;
    let chosen = match order.from.ip() {
        IpAddr::V4(from) => socket.set_multicast_if_v4(&from),
        IpAddr::V6(_) => {
            let index = tried("if_nametoindex", nix::net::if_::if_nametoindex(order.device.as_str()))?;
            socket.set_multicast_if_v6(index)
        }
    };
    tried("setsockopt", chosen)?;
    send_to(&socket, order)
}

pub fn broadcast(order: &Order) -> Tried {
    let socket = socket(order)?;
    tried("setsockopt", socket.set_broadcast(true))?;
    send_to(&socket, order)
}

fn message(socket: &Socket, order: &Order, control: &[ControlMessage<'_>]) -> Tried {
    let slices = [IoSlice::new(order.marker.as_bytes())];
    let to = SockaddrStorage::from(order.to);
    let result = nix::sys::socket::sendmsg(socket.as_raw_fd(), &slices, control, MsgFlags::empty(), Some(&to));
    sent("sendmsg", result)
}

fn sent<T, E: Into<std::io::Error>>(call: &str, result: Result<T, E>) -> Tried {
    tried(call, result).map(|_| Done::default())
}

/// The marker, and after it what makes it long.
fn long(order: &Order, length: usize) -> Vec<u8> {
    let mut bytes = order.marker.clone().into_bytes();
    bytes.resize(length, b'.');
    bytes
}
