//! `aegisctl verify`: says held where enforcement holds and leaked where it does not, and nothing of it leaves the host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use aegis_tests::lab::netns::ip;
use aegis_tests::lab::{Outcome, binary, wait_for};
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// What works on every kernel that Aegis runs on, as nobody and by the kernel programs alone.
const EVERYWHERE: [&str; 12] = [
    "tcp4-connect",
    "tcp4-mapped",
    "tcp4-nonblocking",
    "tcp4-fast-open",
    "tcp4-bound-device",
    "tcp4-child-cgroup",
    "udp4-sendto",
    "udp4-connected",
    "udp4-gso",
    "dns4-udp",
    "dns4-bound-device",
    "inbound4-answer",
];

/// Each vector's verdict.
fn verdicts(outcome: &Outcome) -> BTreeMap<String, String> {
    let runs: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let vectors = runs[0]["vectors"].as_array().unwrap();
    vectors.iter().map(|vector| (text(&vector["name"]), text(&vector["verdict"]))).collect()
}

fn with(verdicts: &BTreeMap<String, String>, wanted: &str) -> Vec<String> {
    verdicts.iter().filter(|(_, verdict)| *verdict == wanted).map(|(name, _)| name.clone()).collect()
}

/// Nothing of a run may be seen outside, whatever it finds: the lab's default route leads there.
fn nothing_came_out(lab: &Lab) {
    lab.settle().unwrap();
    let ours = |address: IpAddr| match address {
        IpAddr::V4(address) => matches!(address.octets(), [198, 18 | 19, ..] | [127, ..] | [239, 255, 18, 18]),
        IpAddr::V6(address) => address.is_unique_local() && address.segments()[3] == 0,
    };
    let seen = lab.internet.capture.matching(|packet| packet.contains(b"aegis-verify") || ours(packet.destination));
    assert!(seen.is_empty(), "{seen:?}");
}

/// No interface, no probe and no cgroup is left.
fn nothing_is_left(lab: &Lab, cgroup: &Path) -> bool {
    let interfaces = lab.host.within(|| std::fs::read_to_string("/proc/thread-self/net/dev")).unwrap().unwrap();
    let processes = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    !interfaces.contains("aegis-vfy") && processes.is_empty() && children(cgroup) == 0
}

fn children(cgroup: &Path) -> usize {
    std::fs::read_dir(cgroup).unwrap().flatten().filter(|entry| entry.path().is_dir()).count()
}

#[test]
fn a_cgroup_that_nobody_enforces_leaks_by_every_way_and_the_answer_is_no() {
    let lab = Lab::new().unwrap();
    let cgroup = lab.cgroup().unwrap().join("unenforced");
    std::fs::create_dir_all(&cgroup).unwrap();
    let directory = cgroup.to_string_lossy().into_owned();
    for network in [&[][..], &["--private"]] {
        let arguments = [&["--output", "json", "verify", "--cgroup", &directory], network].concat();
        let outcome = lab.ctl(&arguments).unwrap();
        assert_eq!(outcome.code, 1, "{outcome:?}");
        let verdicts = verdicts(&outcome);
        assert_eq!(with(&verdicts, "held"), [""; 0], "{outcome:?}");
        let leaked = with(&verdicts, "leaked");
        assert!(EVERYWHERE.iter().all(|name| leaked.iter().any(|leaked| leaked == name)), "{leaked:?}");
        assert!(with(&verdicts, "deployment").contains(&"packet-socket".to_owned()), "{verdicts:?}");
        nothing_came_out(&lab);
        assert!(nothing_is_left(&lab, &cgroup));
    }
}

#[test]
fn readiness_waits_for_a_run_that_holds_and_ends_with_one_that_leaks() {
    let lab = Lab::new().unwrap();
    let direct = json!([{"cidr": "198.18.0.0/15", "port": 8443, "protocol": "tcp"}]);
    let settings = Settings::with(json!({
        "verify": {"gate_readiness": true},
        "agents": [{"name": AGENT}, {"name": "open", "direct": direct, "listen": "allow"}],
    }));
    let readiness = || lab.bystander().curl(&["http://127.0.0.1:15090/readyz"]).unwrap();
    let daemon = std::thread::scope(|scope| {
        // Waits until the daemon is ready.
        let starting = scope.spawn(|| Daemon::start(&lab, &settings));
        let reason =
            wait_for(Duration::from_secs(30), || Some(readiness()).filter(|answer| answer.status != 0)).unwrap();
        assert_eq!(reason.status, 503, "{reason:?}");
        assert!(reason.body.contains("run: aegisctl verify"), "{reason:?}");
        // A run that did not try the way through the proxy is shown, and is not enough.
        let outcome = lab.ctl(&["verify", "--agent", AGENT, "--private"]).unwrap();
        assert!(outcome.ok() && readiness().status == 503, "{outcome:?}");
        let outcome = lab.ctl(&["--output", "json", "verify", "--agent", AGENT]).unwrap();
        assert!(outcome.ok(), "{outcome:?}");
        let verdicts = verdicts(&outcome);
        assert_eq!(with(&verdicts, "leaked"), [""; 0], "{outcome:?}");
        assert!(EVERYWHERE.iter().all(|name| verdicts[*name] == "held"), "{outcome:?}");
        starting.join().unwrap().unwrap()
    });
    assert_eq!(readiness().status, 200);
    let held = daemon.metric("aegis_verify_vectors{result=\"held\"}").unwrap().unwrap();
    assert!(held >= EVERYWHERE.len() as f64, "{held}");
    assert_eq!(daemon.metric("aegis_verify_leaked_total").unwrap(), Some(0.0));
    assert!(daemon.metric("aegis_verify_last_run_timestamp_seconds").unwrap().unwrap() > 1.7e9);

    // Attempts are connections like others: each is accounted for.
    let accounted = || (daemon.metric("aegis_kernel_connections_unaccounted").unwrap() == Some(0.0)).then_some(());
    wait_for(Duration::from_secs(5), accounted).expect("connections are unaccounted for");

    // The kernel lets this agent pass where its direct list says so: that is what must be seen as a leak.
    let outcome = lab.ctl(&["verify"]).unwrap();
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stdout.contains("LEAKED") && outcome.stdout.contains("direct destinations"), "{outcome:?}");
    let answer = readiness();
    assert!(answer.status == 503 && answer.body.contains("of open leaked (tcp4-connect"), "{answer:?}");
    let status = daemon.status().unwrap();
    let runs = status["verifications"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["agent"], &runs[1]["agent"]), (2, &json!("open"), &json!(AGENT)));
    let leaked = runs[0]["leaked"].as_array().unwrap();
    assert!(leaked.contains(&json!("tcp4-connect")), "{runs:?}");
    // This agent may answer whoever connects: what its configuration wants is no leak.
    assert!(!leaked.contains(&json!("inbound4-answer")), "{runs:?}");
    assert_eq!((&runs[1]["leaked"], &runs[1]["current"]), (&json!([]), &json!(true)));
    assert!(daemon.metric("aegis_verify_vectors{result=\"leaked\"}").unwrap() > Some(0.0));
    let record =
        daemon.record(|record| record["error"].as_str().is_some_and(|error| error.starts_with("leaked: tcp4")));
    let record = record.unwrap();
    assert_eq!((&record["decision"], &record["agent_id"]), (&json!("none"), &json!("open")));
    assert!(record["reason"].as_str().unwrap().starts_with("verification: "), "{record}");
    nothing_came_out(&lab);
}

#[test]
fn a_dead_daemon_still_holds_and_detached_programs_leak() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    daemon.kill().unwrap();
    let cgroup = lab.cgroup().unwrap().join(AGENT);
    let directory = cgroup.to_string_lossy().into_owned();
    let verify = || lab.ctl(&["--output", "json", "verify", "--cgroup", &directory]).unwrap();
    let outcome = verify();
    assert!(outcome.ok() && EVERYWHERE.iter().all(|name| verdicts(&outcome)[*name] == "held"), "{outcome:?}");
    let agent = binary("aegis-agent").unwrap();
    let config = lab.path("aegis.yaml");
    let detach = [agent.as_os_str(), "--config".as_ref(), config.as_os_str(), "--detach".as_ref()];
    assert!(lab.bystander().run(&detach).unwrap().ok());
    let outcome = verify();
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(EVERYWHERE.iter().all(|name| verdicts(&outcome)[*name] == "leaked"), "{outcome:?}");
    nothing_came_out(&lab);
}

#[test]
fn an_interrupted_run_leaves_nothing_and_a_killed_one_what_the_next_sweeps() {
    let lab = Lab::new().unwrap();
    let _daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let cgroup = lab.cgroup().unwrap().join(AGENT);
    let aegisctl = binary("aegisctl").unwrap();
    let start = || {
        let run = lab.bystander().start(&[aegisctl.as_os_str(), "verify".as_ref()]).unwrap();
        wait_for(Duration::from_secs(10), || (children(&cgroup) > 0).then_some(())).expect("the run makes a cgroup");
        run
    };
    let signal = |run: &aegis_tests::lab::Running, signal| {
        kill(Pid::from_raw(i32::try_from(run.pid()).unwrap()), signal).unwrap();
    };
    let run = start();
    signal(&run, Signal::SIGINT);
    let outcome = run.finish().unwrap();
    assert!(outcome.code == 1 && outcome.stderr.contains("interrupted"), "{outcome:?}");
    assert!(nothing_is_left(&lab, &cgroup));

    let run = start();
    signal(&run, Signal::SIGKILL);
    let outcome = run.finish().unwrap();
    assert_eq!(outcome.code, 137, "{outcome:?}");
    let gone = || {
        let populated = std::fs::read_to_string(cgroup.join("cgroup.events")).unwrap().contains("populated 1");
        (!populated && children(&cgroup) == 1).then_some(())
    };
    wait_for(Duration::from_secs(10), gone).expect("the probes end with their master, and leave a cgroup");
    assert!(lab.ctl(&["verify"]).unwrap().ok());
    assert!(nothing_is_left(&lab, &cgroup));
}

#[test]
fn a_range_that_the_host_routes_is_refused() {
    let lab = Lab::new().unwrap();
    let _daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let route = ["route", "add", "198.18.0.0/15", "dev", "lo"];
    lab.host.within(move || ip(route)).unwrap().unwrap();
    let outcome = lab.ctl(&["verify"]).unwrap();
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stderr.contains("routes 198.18.0.0/15") && outcome.stderr.contains("--private"), "{outcome:?}");
    assert!(lab.ctl(&["verify", "--private"]).unwrap().ok());
}
