//! Options and extension headers that lead a packet elsewhere, or carry data, on the way to an allowed destination.

use aegis_tests::lab::wiring::address;
use aegis_tests::{AGENT, Lab, Settings};
use serde_json::json;

use crate::attempt::{Attempt, attempt};
use crate::stage::{Stage, Target};

/// Where both a UDP sink and a TCP echo are.
const PORT: u16 = 853;

const ATTEMPTS: &[Attempt] = &[
    attempt("hop_by_hop_by_message"),
    attempt("hop_by_hop_by_option"),
    attempt("hop_by_hop_on_stream"),
    attempt("destination_by_message"),
    attempt("destination_by_option"),
    attempt("destination_on_stream"),
    attempt("before_routing_with_route"),
    attempt("segment_route_by_option"),
    attempt("segment_route_on_stream"),
    attempt("route_of_type_0"),
    attempt("route_of_type_2"),
    attempt("route_of_type_3"),
    attempt("loose_route"),
    attempt("strict_route"),
    attempt("record_route"),
    attempt("loose_route_on_stream"),
    attempt("strict_route_on_stream"),
    attempt("record_route_on_stream"),
    attempt("loose_route_by_message"),
    attempt("route_after_connect"),
];

#[test]
fn no_route_or_header_of_its_own_gets_out_even_to_what_is_allowed() {
    let lab = Lab::new().unwrap();
    let (v4, v6) = address("index.allowed.test");
    let direct: Vec<_> = [format!("{v4}/32"), format!("{v6}/128")]
        .iter()
        .flat_map(|cidr| ["udp", "tcp"].map(|protocol| json!({"cidr": cidr, "port": PORT, "protocol": protocol})))
        .collect();
    let agents = json!({"agents": [{"name": AGENT, "org": "laboratory", "tenant": "tests", "direct": direct}]});
    let stage = Stage::with(&lab, &Settings::with(agents));
    stage.play("routed", &Target { v4: v4.to_string(), v6: v6.to_string(), port: PORT }, ATTEMPTS);
    // It was the header that was refused: without one, both destinations are reached.
    let plain = format!(
        "import socket\n\
         socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'plain-v4', ('{v4}', {PORT}))\n\
         socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'plain-v6', ('{v6}', {PORT}))"
    );
    let outcome = lab.raw(AGENT).user("nobody").python(&plain).unwrap();
    lab.settle().unwrap();
    for marker in ["plain-v4", "plain-v6"] {
        assert_eq!(lab.internet.capture.matching(|packet| packet.contains(marker.as_bytes())).len(), 1, "{outcome:?}");
    }
}
