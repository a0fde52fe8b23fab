//! Services of the host itself: on loopback, on the host's own address, on the metadata address.

use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::lab::wiring::{HOST_V4, HOST_V6};
use aegis_tests::{Lab, Outcome};

use crate::attempt::{AGENTS, Role, said};
use crate::program::{build, script};
use crate::stage::{Stage, Target};

const PORT: u16 = 9100;
const METADATA: &str = "169.254.169.254";

const STREAMS: &[&str] = &["connect_v4", "connect_v6", "connect_mapped", "fastopen_v4", "reconnect", "nonblocking"];
const DATAGRAMS: &[&str] = &[
    "sendto_v4",
    "sendto_v6",
    "sendto_mapped",
    "connected_send",
    "connected_elsewhere",
    "sendmmsg_second",
    "corked_by_flag",
];

#[test]
fn no_service_of_the_host_hears_an_agent() {
    let lab = Lab::new().unwrap();
    let _stage = Stage::new(&lab);
    assert!(lab.bystander().shell(&format!("ip addr add {METADATA}/32 dev lo")).unwrap().ok());
    let (log, ready, service) = (lab.path("heard"), lab.path("ready"), script(&lab, "service.py"));
    let places =
        ["127.0.0.1".to_owned(), HOST_V4.to_string(), METADATA.to_owned(), "::1".to_owned(), HOST_V6.to_string()];
    let mut words = vec!["/usr/bin/python3".to_owned()];
    words.extend([&service, &log, &ready].map(|path| path.to_str().unwrap().to_owned()));
    words.extend(places.iter().map(|place| format!("{place}:{PORT}")));
    let services = lab.bystander().start(&words).unwrap();
    wait_for(Duration::from_secs(10), || ready.exists().then_some(())).expect("no services");

    let targets = [("127.0.0.1", "::1"), (METADATA, "::1"), (&places[1], &places[4])].map(|(v4, v6)| Target {
        v4: v4.to_owned(),
        v6: v6.to_owned(),
        port: PORT,
    });
    let heard = |role: Role, name: &str| {
        let marker = format!("{}.{name}.", role.marker());
        let text = std::fs::read(&log).unwrap();
        text.windows(marker.len()).any(|window| window == marker.as_bytes())
    };
    let (tcp, udp) = (build(&lab, "tcp"), build(&lab, "udp"));
    let attack = |role: Role, target: &Target| -> [Outcome; 2] {
        [(&tcp, STREAMS), (&udp, DATAGRAMS)]
            .map(|(program, names)| role.command(&lab).run(&target.words(program, role, names)).unwrap())
    };
    for target in &targets {
        let tried: Vec<_> = AGENTS.iter().map(|role| (role, attack(*role, target))).collect();
        let outcomes = attack(Role::Bystander, target);
        for name in STREAMS.iter().chain(DATAGRAMS) {
            let reached = wait_for(Duration::from_secs(5), || heard(Role::Bystander, name).then_some(()));
            assert!(reached.is_some(), "this attack does not work here: {name} at {target:?}: {outcomes:?}");
        }
        // What came later has been heard, so all that came earlier has.
        for (role, outcomes) in &tried {
            for (outcome, name) in
                outcomes.iter().zip([STREAMS, DATAGRAMS]).flat_map(|(o, names)| names.iter().map(move |n| (o, n)))
            {
                assert!(said(outcome, name).is_some(), "{role:?} did not try {name}: {outcome:?}");
                assert!(!heard(**role, name), "{role:?} reached {target:?} by {name}: {outcome:?}");
            }
        }
        // The next target's proof is its own.
        std::fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    }
    drop(services);
}
