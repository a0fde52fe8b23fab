//! Sockets that were there before the process was an agent.

use std::time::Duration;

use aegis_tests::lab::{binary, wait_for};
use aegis_tests::{AGENT, Daemon, Lab, Settings};

use crate::attempt::{Attempt, Evidence, QUICK_PATH, RAW, Role, all_out, attempt, said};
use crate::program::build;
use crate::stage::{Stage, TCP_PORT, Target};

const MULTIPATH: Evidence = Evidence::MarkerOrNoProtocol("EPROTONOSUPPORT");

const STREAMS: &[Attempt] = &[
    attempt("tcp"),
    attempt("tcp6"),
    attempt("fastopen"),
    attempt("tcp_connected"),
    attempt("tcp6_connected"),
    attempt("multipath").by(MULTIPATH),
];

const DATAGRAMS: &[Attempt] =
    &[attempt("udp"), attempt("udp6"), attempt("udp_connected"), attempt("udp_connected_elsewhere"), attempt("raw_ip")];

/// Processes that were in the cgroup before anybody enforced anything there: with the start of the daemon their sockets
/// are an agent's, and lead nowhere.
#[test]
fn sockets_from_before_the_enforcement_lead_nowhere() {
    let lab = Lab::new().unwrap();
    let program = build(&lab, "handed");
    let attempts: Vec<&Attempt> = STREAMS.iter().chain(DATAGRAMS).collect();
    let cgroup = lab.cgroup().unwrap();
    std::fs::create_dir_all(cgroup.join(AGENT)).unwrap();
    let target = Target::denied(TCP_PORT);
    let running: Vec<_> = RAW
        .iter()
        .map(|role| {
            let directory = lab.path(role.marker());
            std::fs::create_dir(&directory).unwrap();
            nix::unistd::chown(&directory, Some(65_534.into()), None).unwrap();
            // Raw and packet sockets are made by root only: what it says is not an attempt.
            let names: Vec<&str> =
                attempts.iter().map(|a| a.name).filter(|name| *role == Role::RawRoot || *name != "raw_ip").collect();
            let words = target.words(&program, *role, &names);
            let running = role.command(&lab).env("HOLD", directory.to_str().unwrap()).start(&words).unwrap();
            for name in &names {
                let ready = directory.join(format!("ready.{name}"));
                let made = wait_for(Duration::from_secs(10), || ready.exists().then_some(()));
                assert!(made.is_some(), "{role:?} did not make {name}");
            }
            (role, directory, names, running)
        })
        .collect();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    lab.settle().unwrap();
    for (role, directory, names, running) in running {
        std::fs::write(directory.join("go"), "").unwrap();
        let outcome = running.finish().unwrap();
        lab.settle().unwrap();
        for name in names {
            assert!(said(&outcome, name).is_some(), "{role:?} did not use {name}: {outcome:?}");
            let marker = format!("{}.{name}.", role.marker());
            let packets = lab.internet.capture.matching(|packet| packet.contains(marker.as_bytes()));
            assert!(packets.is_empty(), "{role:?} got out by {name}: {outcome:?}");
        }
    }
    let names: Vec<&str> = attempts.iter().map(|attempt| attempt.name).collect();
    let outcome = lab.bystander().run(&target.words(&program, Role::Bystander, &names)).unwrap();
    all_out(&lab, &[STREAMS, DATAGRAMS].concat(), &outcome);
    drop(daemon);
}

/// The same sockets, inherited by `aegisctl run`.
fn inherited(attempts: &[Attempt], stream: bool) {
    let lab = Lab::new().unwrap();
    let _stage = Stage::new(&lab);
    let program = build(&lab, "handed");
    let names: Vec<&str> = attempts.iter().map(|attempt| attempt.name).collect();
    let target = Target::denied(TCP_PORT);
    let aegisctl = binary("aegisctl").unwrap();
    for (role, user) in [(Role::RunUser, "--user nobody "), (Role::RunRoot, "")] {
        let run = format!("{} run --agent {AGENT} {user}--", aegisctl.display());
        // Sockets that are connected already have sent their handshake: only what comes after it counts.
        let mut command = lab.bystander().env("PATH", QUICK_PATH).env("RUN", run);
        if stream {
            command = command.env("STREAM", "1");
        }
        let outcome = command.run(&target.words(&program, role, &names)).unwrap();
        lab.settle().unwrap();
        let packets = lab.internet.capture.matching(|packet| packet.contains(role.marker().as_bytes()));
        assert!(packets.is_empty(), "{role:?}: {outcome:?}");
        // Refused before the start, or started without the socket.
        for name in &names {
            let ended = said(&outcome, name).map_or(stream, |line| line.ends_with("EBADF"));
            assert!(ended, "{role:?} {name}: {outcome:?}");
        }
        assert!(!stream || outcome.stderr.contains("is a network socket"), "{outcome:?}");
    }
    let outcome =
        lab.bystander().env("RUN", "/usr/bin/env").run(&target.words(&program, Role::Bystander, &names)).unwrap();
    all_out(&lab, attempts, &outcome);
}

#[test]
fn sockets_are_not_inherited_through_aegisctl_run() {
    inherited(&[STREAMS, DATAGRAMS, &[attempt("packet")]].concat(), false);
}

#[test]
fn aegisctl_run_starts_nothing_on_a_network_socket_as_standard_stream() {
    inherited(&[attempt("tcp"), attempt("tcp_connected"), attempt("udp_connected"), attempt("packet")], true);
}
