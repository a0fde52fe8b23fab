//! What is neither TCP nor UDP: raw IP, ping, other transports, and frames below IP.

use aegis_tests::Lab;

use crate::attempt::{Attempt, CONFINED, Evidence, attempt};
use crate::stage::{Stage, Target, UDP_PORT};

/// Debian's kernels have these as modules, others not at all; either way an agent may not have them.
const OTHER_TRANSPORT: Evidence = Evidence::MarkerOrNoProtocol("EPROTONOSUPPORT");
const OTHER_TYPE: Evidence = Evidence::MarkerOrNoProtocol("ESOCKTNOSUPPORT");
const OTHER_FAMILY: Evidence = Evidence::MarkerOrNoProtocol("EAFNOSUPPORT");

const PROTOCOLS: &[Attempt] = &[
    attempt("raw_v4"),
    attempt("raw_v4_udp"),
    attempt("raw_v4_tcp"),
    attempt("raw_v4_icmp"),
    attempt("raw_v6"),
    attempt("raw_v6_icmp"),
    attempt("raw_connected"),
    attempt("header_included"),
    attempt("header_included_by_option"),
    attempt("header_included_v6"),
    attempt("ping_v4"),
    attempt("ping_v6"),
    attempt("sctp").by(OTHER_TRANSPORT),
    attempt("sctp_datagrams").by(OTHER_TYPE),
    attempt("dccp").by(OTHER_TYPE),
    attempt("smc").by(OTHER_FAMILY).only(CONFINED),
    attempt("tipc").by(OTHER_FAMILY).only(CONFINED),
    attempt("every_ip_protocol"),
];

/// Not as root in the host's own namespaces with every capability: that is the deployment's to take away.
const FRAMES: &[Attempt] = &[
    attempt("packet_raw").only(CONFINED),
    attempt("packet_cooked").only(CONFINED),
    attempt("packet_ring").only(CONFINED),
    attempt("express").only(CONFINED),
    attempt("tunnel_device").only(CONFINED),
];

#[test]
fn no_other_protocol_gets_out() {
    let lab = Lab::new().unwrap();
    // Ping sockets for everybody, as systemd sets it up.
    let range = "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range";
    assert!(lab.bystander().shell(range).unwrap().ok());
    Stage::new(&lab).play("raw", &Target::denied(UDP_PORT), PROTOCOLS);
}

#[test]
fn no_frame_gets_out_below_ip() {
    let lab = Lab::new().unwrap();
    Stage::new(&lab).play("raw", &Target::denied(UDP_PORT), FRAMES);
}
