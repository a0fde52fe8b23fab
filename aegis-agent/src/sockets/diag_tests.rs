//! On bytes that Linux 6.18 wrote (x86_64): a listener, a connection to it, a mapped one, an unconnected UDP socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

const TCP_V4: &str = "7c0000001400020001000000cf480000020a00000fa000007f0000010000000000000000000000000000000000000000000000000000000000000000ee3002000000000000000000010000000500000000000000079b1600050008000000000008000f00000000000c001500010000000000000006001600520000007c0000001400020001000000cf48000002010000dbd00fa07f0000010000000000000000000000007f00000100000000000000000000000000000000ef3002000000000000000000000000000000000000000000089b1600050008000000000008000f00000000000c00150001000000000000000600160052000000";
const TCP_V6: &str = "7c0000001400020001000000cf4800000a010000dbd80fa000000000000000000000ffff7f00000100000000000000000000ffff7f00000100000000f230020000000000000000000000000000000000000000000a9b1600050008000000000008000f00000000000c00150001000000000000000600160012000000";
const UDP_V6: &str = "840000001400020001000000cf4800000a07000013880000000000000000000000000000000000000000000000000000000000000000000000000000f330020000000000000000000000000000000000000000000b9b1600050008000000000005000b000000000008000f00000000000c00150001000000000000000600160010000000";

fn bytes(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn what_the_kernel_wrote_is_read() {
    let answer = read(&bytes(TCP_V4), Protocol::Tcp, 1).unwrap();
    let [listener, client] = answer.sockets.as_slice() else { panic!("{answer:?}") };
    assert!(!answer.done);
    assert_eq!((listener.state, listener.local, listener.connected()), (TCP_LISTEN, at("127.0.0.1:4000"), false));
    assert_eq!((listener.inode, listener.cgroup), (1_481_479, Some(1)));
    assert_eq!((client.state, client.local, client.remote), (1, at("127.0.0.1:56272"), at("127.0.0.1:4000")));
    assert_eq!((client.inode, client.family, client.connected()), (1_481_480, Family::V4, true));

    let mapped = read(&bytes(TCP_V6), Protocol::Tcp, 1).unwrap().sockets.remove(0);
    assert_eq!((mapped.local, mapped.remote), (at("127.0.0.1:56280"), at("127.0.0.1:4000")));
    assert_eq!((mapped.family, mapped.inode), (Family::V6, 1_481_482));

    let udp = read(&bytes(UDP_V6), Protocol::Udp, 1).unwrap().sockets.remove(0);
    assert_eq!((udp.local, udp.remote, udp.connected()), (at("[::]:5000"), at("[::]:0"), false));
    assert_eq!((udp.inode, udp.cgroup), (1_481_483, Some(1)));
}

#[test]
fn a_request_names_the_socket_in_the_kernels_own_words() {
    let socket = read(&bytes(TCP_V6), Protocol::Tcp, 1).unwrap().sockets.remove(0);
    let request = destroy(&socket, 7);
    assert_eq!(request.len(), 72);
    assert_eq!((word(&request, 0).unwrap(), half(&request, 4).unwrap(), half(&request, 6).unwrap()), (72, 21, 5));
    assert_eq!((request.get(16), request.get(17)), (Some(&10), Some(&6)));
    assert_eq!(request.get(24..), bytes(TCP_V6).get(20..68), "ports, addresses, interface and cookie");

    let request = dump(Family::V4, Protocol::Udp, 8);
    assert_eq!((half(&request, 4).unwrap(), half(&request, 6).unwrap(), word(&request, 8).unwrap()), (20, 0x301, 8));
    assert_eq!((request.get(16), request.get(17)), (Some(&2), Some(&17)));
    let states = word(&request, 20).unwrap();
    assert!(states & 1 << 1 != 0 && states & 1 << TCP_LISTEN != 0 && states & 1 << TCP_TIME_WAIT == 0);
}

/// A message of `kind` with one number in it.
fn message(kind: u16, sequence: u32, number: i32) -> Vec<u8> {
    let head = [&20_u32.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0, 0], &sequence.to_ne_bytes(), &[0; 4]].concat();
    [head, number.to_ne_bytes().to_vec()].concat()
}

#[test]
fn ends_and_errors_are_told_apart() {
    assert!(read(&message(NLMSG_DONE, 3, 0), Protocol::Tcp, 3).unwrap().done);
    assert!(read(&message(NLMSG_ERROR, 3, 0), Protocol::Tcp, 3).unwrap().done, "an acknowledgement");
    let error = read(&message(NLMSG_ERROR, 3, -libc::ENOENT), Protocol::Tcp, 3).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    let error = read(&message(NLMSG_DONE, 3, -libc::EPERM), Protocol::Tcp, 3).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    assert!(!read(&message(NLMSG_DONE, 4, 0), Protocol::Tcp, 3).unwrap().done, "the answer to another request");
}

#[test]
fn a_kernel_that_does_not_tell_the_cgroup_is_understood() {
    let mut old = bytes(TCP_V6);
    old.truncate(HEADER + MESSAGE);
    old.splice(0..4, u32::try_from(HEADER + MESSAGE).unwrap().to_ne_bytes());
    assert_eq!(read(&old, Protocol::Tcp, 1).unwrap().sockets.remove(0).cgroup, None);
}

#[test]
fn what_is_cut_short_is_an_error() {
    let whole = bytes(TCP_V6);
    for length in 1..whole.len() - 3 {
        assert!(read(&whole[..length], Protocol::Tcp, 1).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_it(noise in prop::collection::vec(any::<u8>(), 0..300), place in 0_usize..124, byte: u8) {
        let _ = read(&noise, Protocol::Tcp, 1);
        let mut bent = bytes(TCP_V6);
        bent[place] = byte;
        let _ = read(&bent, Protocol::Tcp, 1);
    }
}
