//! The same calls by io_uring. `aegisctl run` has none; outside of it the same hooks hold, whichever thread performs them.

use aegis_tests::Lab;

use crate::attempt::{Attempt, attempt};
use crate::stage::{Stage, TCP_PORT, Target, UDP_PORT};

const STREAMS: &[Attempt] = &[
    attempt("tcp"),
    attempt("tcp_by_worker"),
    attempt("tcp_by_poller"),
    attempt("tcp_by_poller_and_worker"),
    attempt("own_socket"),
    attempt("own_socket_by_worker"),
    attempt("own_socket_by_poller"),
    attempt("direct_descriptor"),
    attempt("fastopen"),
    attempt("inherited_ring"),
];

const DATAGRAMS: &[Attempt] = &[
    attempt("udp_sendmsg"),
    attempt("udp_sendmsg_by_worker"),
    attempt("udp_sendmsg_by_poller"),
    attempt("udp_sendmsg_zerocopy"),
    attempt("udp_sendto"),
    attempt("udp_sendto_by_poller"),
    attempt("udp_sendto_zerocopy"),
    attempt("udp_write"),
];

#[test]
fn no_connection_by_io_uring_gets_out() {
    let lab = Lab::new().unwrap();
    Stage::new(&lab).play("io_uring", &Target::denied(TCP_PORT), STREAMS);
}

#[test]
fn no_datagram_by_io_uring_gets_out() {
    let lab = Lab::new().unwrap();
    Stage::new(&lab).play("io_uring", &Target::denied(UDP_PORT), DATAGRAMS);
}
