//! Data in names, asked of every resolver by every transport.

use aegis_tests::Lab;

use crate::attempt::{AGENTS, Role, said};
use crate::foreign::describe;
use crate::program::script;
use crate::stage::{Stage, Target, UDP_PORT};

const ATTEMPTS: &[&str] = &[
    "library",
    "udp",
    "udp_other_resolver",
    "udp_no_resolver",
    "udp_v6",
    "udp_mapped",
    "txt",
    "null",
    "https",
    "any",
    "edns",
    "below_an_allowed_name",
    "not_dns_at_all",
    "trailing_data",
    "tcp",
    "tcp_other_resolver",
    "tcp_many",
    "over_tls_port",
    "over_quic_port",
    "multicast_dns",
    "link_local_names",
];

#[test]
fn no_name_that_an_agent_made_up_gets_out() {
    let lab = Lab::new().unwrap();
    let stage = Stage::new(&lab);
    let (program, target) = (script(&lab, "dns.py"), Target::denied(UDP_PORT));
    let running: Vec<_> =
        AGENTS.iter().map(|role| (role, stage.start(*role, &program, &target, ATTEMPTS, &[]))).collect();
    for (role, running) in running {
        let outcome = running.finish().unwrap();
        for name in ATTEMPTS {
            assert!(said(&outcome, name).is_some(), "{role:?} did not try {name}: {outcome:?}");
        }
    }
    let escaped: Vec<String> = stage.escaped().iter().map(describe).collect();
    assert!(escaped.is_empty(), "{escaped:#?}");
    assert_eq!(lab.internet.queries.count("atk-"), 0, "{:?}", lab.internet.queries.all());

    let outcome = stage.start(Role::Bystander, &program, &target, ATTEMPTS, &[]).finish().unwrap();
    lab.settle().unwrap();
    for name in ATTEMPTS {
        let marker = format!("{}--{name}", Role::Bystander.marker());
        let packets = lab.internet.capture.matching(|packet| packet.contains(marker.as_bytes()));
        assert!(
            !packets.is_empty(),
            "this attack does not work here, a bystander's {name} did not get out: {outcome:?}"
        );
    }
}
