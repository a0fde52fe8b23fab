//! TCP, made and used in every way.

use aegis_tests::Lab;

use crate::attempt::{Attempt, Evidence, attempt};
use crate::stage::{Stage, TCP_PORT, Target};

const ATTEMPTS: &[Attempt] = &[
    attempt("connect_v4"),
    attempt("connect_v6"),
    attempt("connect_mapped"),
    attempt("connect_scoped"),
    attempt("connect_addrform"),
    attempt("nonblocking"),
    attempt("fastopen_v4"),
    attempt("fastopen_v6"),
    attempt("fastopen_mapped"),
    attempt("fastopen_sendmsg"),
    attempt("fastopen_connect"),
    attempt("fastopen_deferred_then_elsewhere"),
    attempt("reconnect"),
    attempt("reconnect_race"),
    attempt("bound_to_device"),
    attempt("loopback_through_device"),
    attempt("loopback_through_scope"),
    attempt("fastopen_through_device"),
    attempt("unicast_if"),
    attempt("freebind"),
    attempt("freebind_neighbour"),
    attempt("transparent"),
    attempt("marked"),
    attempt("repair"),
    attempt("zerocopy"),
    attempt("by_sendfile"),
    attempt("by_splice"),
    attempt("by_vmsplice"),
    attempt("out_of_band"),
    attempt("by_write"),
    attempt("after_fork_and_dup"),
    attempt("multipath").by(Evidence::MarkerOrNoProtocol("EPROTONOSUPPORT")),
    attempt("multipath_v6").by(Evidence::MarkerOrNoProtocol("EPROTONOSUPPORT")),
    attempt("multipath_fastopen").by(Evidence::MarkerOrNoProtocol("EPROTONOSUPPORT")),
];

#[test]
fn no_tcp_connection_of_an_agent_gets_out() {
    let lab = Lab::new().unwrap();
    Stage::new(&lab).play("tcp", &Target::denied(TCP_PORT), ATTEMPTS);
}

/// Addresses that mean 203.0.113.66 to somebody on the way.
const DISGUISES: &[Attempt] = &[
    attempt("nat64"),
    attempt("nat64_local_use"),
    attempt("six_to_four"),
    attempt("teredo"),
    attempt("isatap"),
    attempt("v4_compatible"),
];

#[test]
fn no_disguise_of_an_address_gets_out() {
    let lab = Lab::new().unwrap();
    let stage = Stage::new(&lab);
    stage.play("tcp", &Target::denied(TCP_PORT), DISGUISES);
}

#[test]
fn no_address_with_a_zone_gets_out() {
    let lab = Lab::new().unwrap();
    let stage = Stage::new(&lab);
    // The neighbour's own.
    let target = Target { v6: link_local(&lab), ..Target::denied(TCP_PORT) };
    stage.play("tcp", &target, &[attempt("connect_v6"), attempt("connect_scoped"), attempt("fastopen_v6")]);
}

/// The gateway's link-local address, with the zone that the host knows it by.
fn link_local(lab: &Lab) -> String {
    let text = lab.inet.within(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6")).unwrap().unwrap();
    let line = text.lines().find(|line| line.starts_with("fe80")).expect("no link-local address outside");
    let groups: Vec<&str> = (0..8).map(|at| &line[at * 4..at * 4 + 4]).collect();
    format!("{}%eth0", groups.join(":"))
}
