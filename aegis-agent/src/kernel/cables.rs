//! Which interfaces of this network namespace lead into another one: rtnetlink(7), as `ip -d link` asks it.

use std::{
    io::{self, Read, Write},
    os::fd::{AsRawFd, BorrowedFd},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

/// Answers are datagrams of at most 32 KiB.
const BUFFER: usize = 64 * 1024;
/// A kernel that does not answer must not hold us up for ever.
const PATIENCE: Duration = Duration::from_secs(5);
/// Interfaces that are looked at; more than any host has.
const MOST: usize = 65_536;

/// Bytes of `struct nlmsghdr`, `struct ifinfomsg` and `struct rtgenmsg` with its padding.
const HEADER: usize = 16;
const INTERFACE: usize = 16;
const FAMILY: usize = 4;
/// linux/if_link.h and linux/net_namespace.h; the libc crate has not all of them for every target.
const IFLA_LINK_NETNSID: u16 = 37;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
const RTM_GETNSID: u16 = 90;

/// The interfaces whose other end is in `namespace`. Must be called in the namespace that they are asked of.
///
/// # Errors
/// When the kernel does not answer.
pub fn cables_into(namespace: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let (domain, protocol) = (Domain::from(libc::AF_NETLINK), Protocol::from(libc::NETLINK_ROUTE));
    let mut route = Socket::new(domain, Type::RAW, Some(protocol))?;
    route.set_read_timeout(Some(PATIENCE))?;
    let mut found = Vec::new();
    let request = message(libc::RTM_GETLINK, libc::NLM_F_DUMP, &[0; INTERFACE]);
    ask(&mut route, &request, libc::RTM_NEWLINK, |link| {
        let leads_to = i32::from_ne_bytes(attribute(link.get(INTERFACE..)?, IFLA_LINK_NETNSID)?.try_into().ok()?);
        let ifindex = u32::from_ne_bytes(link.get(4..8)?.try_into().ok()?);
        if found.len() < MOST {
            found.push((ifindex, leads_to));
        }
        Some(())
    })?;
    // Only now: listing a link is what gives the namespace behind it a number.
    let number = number_of(&mut route, namespace)?;
    found.retain(|(_, leads_to)| Some(*leads_to) == number);
    Ok(found.into_iter().map(|(ifindex, _)| ifindex).collect())
}

/// The number that this namespace knows another one by. It has none as long as nothing leads there.
fn number_of(route: &mut Socket, namespace: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let mut body = [0; FAMILY].to_vec();
    body.extend(8u16.to_ne_bytes());
    body.extend(NETNSA_FD.to_ne_bytes());
    body.extend(namespace.as_raw_fd().to_ne_bytes());
    let mut number = None;
    // Answered with what RTM_NEWNSID is called, two below.
    ask(route, &message(RTM_GETNSID, 0, &body), RTM_GETNSID - 2, |answer| {
        let id = attribute(answer.get(FAMILY..)?, NETNSA_NSID)?;
        number = Some(i32::from_ne_bytes(id.try_into().ok()?));
        Some(())
    })?;
    Ok(number.filter(|number| *number >= 0))
}

/// A request with its header. Without NLM_F_DUMP it asks for an acknowledgement, so that every conversation has an end.
fn message(kind: u16, flags: libc::c_int, body: &[u8]) -> Vec<u8> {
    let flags = libc::NLM_F_REQUEST | if flags == 0 { libc::NLM_F_ACK } else { flags };
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((flags as u16).to_ne_bytes());
    // The sequence, and the port that the kernel fills in.
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

/// Hands every answer of `kind` to `take`, without its header, until the kernel has said all.
fn ask(route: &mut Socket, request: &[u8], kind: u16, mut take: impl FnMut(&[u8]) -> Option<()>) -> io::Result<()> {
    route.write_all(request)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = match route.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            length => length?,
        };
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((found, body, behind)) = split(rest) {
            match i32::from(found) {
                libc::NLMSG_DONE => return Ok(()),
                libc::NLMSG_ERROR => return outcome(body),
                _ if found == kind => drop(take(body)),
                _ => {}
            }
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(io::Error::other("the kernel's answer about interfaces is not as it should be"));
        }
    }
}

/// The first message of a datagram: its kind, its body, and what follows.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// 0 is the acknowledgement.
fn outcome(body: &[u8]) -> io::Result<()> {
    let code = body.get(..4).and_then(|code| code.try_into().ok()).map_or(-libc::EPROTO, i32::from_ne_bytes);
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) }
}

/// The value of the first attribute of this kind.
fn attribute(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = attributes;
    loop {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
        let value = rest.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_and_broken_ones_are_none() {
        let bytes = [&[5, 0, 1, 0, 7, 0, 0, 0][..], &[8, 0, 37, 0, 1, 2, 3, 4]].concat();
        assert_eq!(attribute(&bytes, 1), Some(&[7][..]));
        assert_eq!(attribute(&bytes, 37), Some(&[1, 2, 3, 4][..]));
        assert_eq!(attribute(&bytes, 9), None);
        // Of no length, too short for its head, longer than what there is.
        for broken in [&[0, 0, 2, 0][..], &[3, 0, 1, 0], &[9, 0, 1, 0, 0], &[1]] {
            assert_eq!(attribute(broken, 1), None, "{broken:?}");
        }
    }

    #[test]
    fn messages_are_split_and_broken_ones_are_none() {
        let one = message(3, 0, b"abcd");
        let two = [one.clone(), one.clone()].concat();
        let (kind, body, rest) = split(&two).unwrap();
        assert_eq!((kind, body, rest.len()), (3, &b"abcd"[..], one.len()));
        assert!(split(&one[..HEADER - 1]).is_none() && split(&one[..one.len() - 1]).is_none());
        assert_eq!(outcome(&0i32.to_ne_bytes()).ok(), Some(()));
        assert_eq!(outcome(&(-libc::EPERM).to_ne_bytes()).unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert_eq!(outcome(&[]).unwrap_err().raw_os_error(), Some(libc::EPROTO));
    }
}
