//! UDP, sent by every call; and what the kernel says on a socket's behalf.

use aegis_tests::Lab;

use crate::attempt::{Attempt, Evidence, attempt};
use crate::stage::{Stage, Target, UDP_PORT};

const IGMP: Evidence = Evidence::Protocol(2);
const NO_UDP_LITE: Evidence = Evidence::MarkerOrNoProtocol("EPROTONOSUPPORT");

const ATTEMPTS: &[Attempt] = &[
    attempt("sendto_v4"),
    attempt("sendto_v6"),
    attempt("sendto_mapped"),
    attempt("sendto_scoped"),
    attempt("connected_send"),
    attempt("connected_write"),
    attempt("connected_v6"),
    attempt("connected_mapped"),
    attempt("connected_elsewhere"),
    attempt("disconnected"),
    attempt("family_unspecified"),
    attempt("family_v4_on_v6"),
    attempt("sendmsg_v4"),
    attempt("sendmsg_v6"),
    attempt("sendmmsg_second"),
    attempt("sendmmsg_connected"),
    attempt("segmented_by_message"),
    attempt("segmented_by_option"),
    attempt("segmented_connected"),
    attempt("fragmented"),
    attempt("corked_by_flag"),
    attempt("corked_by_option"),
    attempt("corked_then_elsewhere"),
    attempt("zerocopy"),
    attempt("by_sendfile"),
    attempt("by_splice"),
    attempt("by_vmsplice"),
    attempt("broadcast"),
    attempt("limited_broadcast"),
    attempt("multicast_v4"),
    attempt("multicast_v6"),
    attempt("packet_info_v4"),
    attempt("packet_info_v6"),
    attempt("dont_route"),
    attempt("bound_to_device"),
    attempt("resolver_through_device"),
    attempt("resolver_by_packet_info"),
    attempt("loopback_through_device"),
    attempt("freebind"),
    attempt("freebind_to_resolver").by(Evidence::Questioned),
    attempt("transparent"),
    attempt("marked"),
    attempt("lite_v4").by(NO_UDP_LITE),
    attempt("lite_v6").by(NO_UDP_LITE),
    attempt("reconnect_race"),
];

#[test]
fn no_datagram_gets_out_by_any_call() {
    let lab = Lab::new().unwrap();
    Stage::new(&lab).play("udp", &Target::denied(UDP_PORT), ATTEMPTS);
}

/// Nothing is sent: the kernel itself announces the group, and the group's address is the message.
const GROUPS: &[Attempt] = &[
    attempt("joined_group_v4").by(IGMP),
    attempt("joined_group_v6").by(Evidence::Announced),
    attempt("joined_source_group").by(Evidence::Announced),
    attempt("joined_group_on_tcp").by(Evidence::Announced),
];

#[test]
fn joining_a_group_announces_nothing() {
    let lab = Lab::new().unwrap();
    Stage::new(&lab).play("groups", &Target::denied(UDP_PORT), GROUPS);
}
