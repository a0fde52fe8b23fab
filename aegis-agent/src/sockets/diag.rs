//! The little of the sock_diag protocol that is needed here (sock_diag(7), linux/inet_diag.h): ask for all sockets of a
//! kind, read the answers, ask for the end of one. The crates for it know neither a socket's cgroup nor `SOCK_DESTROY`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::kernel::Protocol;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
/// Attributes of an answer: whether a socket of IPv6 is for IPv6 alone plays no part, its cgroup does (Linux 5.7).
const INET_DIAG_CGROUP_ID: u16 = 21;
/// The upper bits of an attribute's type are flags.
const NLA_TYPE_MASK: u16 = 0x3fff;

const HEADER: usize = 16;
const ID: usize = 48;
/// `struct inet_diag_msg`.
const MESSAGE: usize = 72;

pub const TCP_LISTEN: u8 = 10;
const TCP_SYN_RECV: u8 = 3;
const TCP_TIME_WAIT: u8 = 6;
const TCP_NEW_SYN_RECV: u8 = 12;
/// All states but those that are no full sockets: they hold no data of anybody and end by themselves.
const STATES: u32 = !(1 << TCP_SYN_RECV | 1 << TCP_TIME_WAIT | 1 << TCP_NEW_SYN_RECV);

/// The two address families that sockets are asked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    fn number(self) -> u8 {
        let number = match self {
            Self::V4 => libc::AF_INET,
            Self::V6 => libc::AF_INET6,
        };
        number as u8
    }
}

/// One TCP or UDP socket, as the kernel tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    pub family: Family,
    pub protocol: Protocol,
    /// A state of TCP; a UDP socket is either established (connected) or closed.
    pub state: u8,
    /// Mapped addresses are given as IPv4.
    pub local: SocketAddr,
    /// Unspecified, with port 0, where there is no peer.
    pub remote: SocketAddr,
    /// 0 where no descriptor is left, or none was made yet.
    pub inode: u64,
    /// The cgroup that the socket was made in. `None` on kernels that do not tell.
    pub cgroup: Option<u64>,
    /// What names the socket to the kernel: its ends, interface and cookie, as the kernel wrote them.
    id: [u8; ID],
}

impl Socket {
    /// The kernel's number for it, never another one's. The last field of `struct inet_diag_sockid`.
    #[must_use]
    pub fn cookie(&self) -> u64 {
        self.id.last_chunk().map_or(0, |cookie| u64::from_ne_bytes(*cookie))
    }

    /// Whether it has a peer.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.remote.port() != 0
    }
}

/// The request for all sockets of one family and protocol.
#[must_use]
pub fn dump(family: Family, protocol: Protocol, sequence: u32) -> Vec<u8> {
    request(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, sequence, family, protocol, &[0; ID])
}

/// The request that ends `socket`; answered with an acknowledgement.
#[must_use]
pub fn destroy(socket: &Socket, sequence: u32) -> Vec<u8> {
    request(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, sequence, socket.family, socket.protocol, &socket.id)
}

fn request(kind: u16, flags: u16, sequence: u32, family: Family, protocol: Protocol, id: &[u8; ID]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 8 + ID);
    bytes.extend_from_slice(&((HEADER + 8 + ID) as u32).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&0_u32.to_ne_bytes());
    // struct inet_diag_req_v2: no extensions wanted, one byte of padding.
    bytes.extend_from_slice(&[family.number(), number(protocol), 0, 0]);
    bytes.extend_from_slice(&STATES.to_ne_bytes());
    bytes.extend_from_slice(id);
    bytes
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => aegis_common::protocol::TCP,
        Protocol::Udp => aegis_common::protocol::UDP,
    }
}

/// What one datagram of the kernel says.
#[derive(Debug, Default)]
pub struct Answer {
    pub sockets: Vec<Socket>,
    /// Nothing more comes: the list is complete, or the request is acknowledged.
    pub done: bool,
}

/// Reads the kernel's answer to the request `sequence`; messages of other requests are passed over.
///
/// # Errors
/// What the kernel answered instead, or that the bytes are not what the protocol says.
pub fn read(bytes: &[u8], protocol: Protocol, sequence: u32) -> io::Result<Answer> {
    let mut answer = Answer::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = word(rest, 0)? as usize;
        if length < HEADER {
            return Err(malformed());
        }
        let message = rest.get(..length).ok_or_else(malformed)?;
        // The last message is not padded.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        if word(message, 8)? != sequence {
            continue;
        }
        match half(message, 4)? {
            NLMSG_DONE | NLMSG_ERROR => {
                let code = word(message, HEADER)?.cast_signed();
                if code < 0 {
                    return Err(io::Error::from_raw_os_error(code.saturating_neg()));
                }
                answer.done = true;
            }
            SOCK_DIAG_BY_FAMILY => {
                let body = message.get(HEADER..).ok_or_else(malformed)?;
                answer.sockets.extend(socket(body, protocol)?);
            }
            _ => {}
        }
    }
    Ok(answer)
}

/// `None` for families that were not asked for.
fn socket(body: &[u8], protocol: Protocol) -> io::Result<Option<Socket>> {
    let [family, state, ..] = body else { return Err(malformed()) };
    let family = match i32::from(*family) {
        libc::AF_INET => Family::V4,
        libc::AF_INET6 => Family::V6,
        _ => return Ok(None),
    };
    let id: [u8; ID] = field(body, 4)?;
    // struct inet_diag_sockid: ports, then both addresses at their full length.
    let end = |port: usize, address: usize| -> io::Result<SocketAddr> {
        Ok(SocketAddr::new(ip(family, field(&id, address)?), u16::from_be_bytes(field(&id, port)?)))
    };
    Ok(Some(Socket {
        family,
        protocol,
        state: *state,
        local: end(0, 4)?,
        remote: end(2, 20)?,
        inode: u64::from(word(body, MESSAGE - 4)?),
        cgroup: cgroup(body.get(MESSAGE..).ok_or_else(malformed)?)?,
        id,
    }))
}

fn ip(family: Family, bytes: [u8; 16]) -> IpAddr {
    let [a, b, c, d, ..] = bytes;
    match family {
        Family::V4 => Ipv4Addr::new(a, b, c, d).into(),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical(),
    }
}

fn cgroup(mut attributes: &[u8]) -> io::Result<Option<u64>> {
    while !attributes.is_empty() {
        let length = usize::from(half(attributes, 0)?);
        if length < 4 {
            return Err(malformed());
        }
        if half(attributes, 2)? & NLA_TYPE_MASK == INET_DIAG_CGROUP_ID {
            return field(attributes.get(..length).ok_or_else(malformed)?, 4).map(|id| Some(u64::from_ne_bytes(id)));
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(None)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or_else(malformed)
}

fn half(bytes: &[u8], at: usize) -> io::Result<u16> {
    field(bytes, at).map(u16::from_ne_bytes)
}

fn word(bytes: &[u8], at: usize) -> io::Result<u32> {
    field(bytes, at).map(u32::from_ne_bytes)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is not sock_diag's")
}

/// A socket as the kernel would tell of it.
#[cfg(test)]
pub fn for_tests(
    family: Family,
    protocol: Protocol,
    state: u8,
    local: SocketAddr,
    remote: SocketAddr,
    inode: u64,
    cgroup: Option<u64>,
) -> Socket {
    Socket { family, protocol, state, local, remote, inode, cgroup, id: [0; ID] }
}

#[cfg(test)]
#[path = "diag_tests.rs"]
mod tests;
