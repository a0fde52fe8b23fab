//! Start, reload, crash and end of the daemon; and bad input of every kind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::lab::wiring::address;
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use nix::sys::signal::Signal;
use serde_json::json;

#[test]
fn sigterm_lets_requests_under_way_end() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let request = lab.agent(AGENT).start(&["curl", "-sS", "https://api.allowed.test/slow?ms=1500"]).unwrap();
    lab.internet.requests.wait(Duration::from_secs(10), |request| request.path.starts_with("/slow")).unwrap();
    let status = daemon.stop().unwrap();
    assert!(status.success(), "{status}: {}", daemon.log());
    let outcome = request.finish().unwrap();
    assert_eq!(outcome.stdout, "at last\n", "{outcome:?}");
}

#[test]
fn enforcement_outlives_the_daemon() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    // Started under enforcement; goes on trying while the daemon is dead, and sees it come back.
    let script = "while :; do curl -sS --max-time 2 -o /dev/null -w '%{http_code}\\n' https://api.allowed.test/hello 2>&1; \
        /usr/bin/python3 -c \"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'orphan-marker', ('203.0.113.66', 443))\" 2>/dev/null; \
        curl -sS -k --max-time 2 -o /dev/null --resolve denied.test:443:203.0.113.66 https://denied.test/ 2>/dev/null; done";
    let agent = lab.agent(AGENT).limit(Duration::from_secs(30)).start(&["sh", "-c", script]).unwrap();
    let arrived = |count: usize| {
        wait_for(Duration::from_secs(15), || (lab.internet.requests.all().len() >= count).then_some(()))
            .unwrap_or_else(|| panic!("{}", daemon_log(&lab)))
    };
    arrived(1);
    daemon.kill().unwrap();
    drop(daemon);
    lab.settle().unwrap();
    let before = lab.internet.requests.all().len();
    std::thread::sleep(Duration::from_secs(2));
    lab.settle().unwrap();
    assert_eq!(lab.internet.requests.all().len(), before, "a request got out while nobody decided");
    let daemon = Daemon::resume(&lab).unwrap();
    arrived(before + 1);
    lab.settle().unwrap();
    assert!(lab.internet.capture.matching(|packet| packet.contains(b"orphan-marker")).is_empty());
    assert!(lab.internet.capture.matching(|packet| packet.destination == address("denied.test").0).is_empty());
    drop(agent);
    drop(daemon);
}

fn daemon_log(lab: &Lab) -> String {
    std::fs::read_to_string(lab.path("daemon.log")).unwrap_or_default()
}

#[test]
fn a_broken_policy_keeps_the_last_good_one_and_status_says_where() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let good = std::fs::read_to_string(lab.path("policy.yaml")).unwrap();
    std::fs::write(lab.path("policy.yaml"), good.replace("tls: passthrough", "tls: passtrough")).unwrap();
    daemon.signal(Signal::SIGHUP).unwrap();
    let line = good.lines().position(|line| line.contains("tls: passthrough")).unwrap() + 1;
    let error =
        wait_for(Duration::from_secs(10), || daemon.status().ok()?["policy"]["last_error"].as_str().map(str::to_owned))
            .unwrap();
    assert!(error.contains(&format!("{line}:")) && error.contains("policy.yaml"), "line {line}: {error}");
    let status = daemon.status().unwrap();
    assert_eq!(status["policy"]["version"], "lab-1");
    assert_eq!(lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap().status, 200);
    // A good one is taken over, on the same connectionless signal.
    std::fs::write(lab.path("policy.yaml"), good.replace("lab-1", "lab-2")).unwrap();
    daemon.signal(Signal::SIGHUP).unwrap();
    wait_for(Duration::from_secs(10), || (daemon.status().ok()?["policy"]["version"] == "lab-2").then_some(()))
        .unwrap();
    assert!(daemon.status().unwrap()["policy"]["last_error"].is_null());
}

#[test]
fn a_broken_policy_at_the_start_is_refused_with_its_place() {
    let lab = Lab::new().unwrap();
    let policy = "version: v\npolicies:\n  - name: one\n    agents: [\"*\"]\n    rules:\n      - name: r\n        hosts: [a.test]\n        decison: allow\n";
    let (status, log) = Daemon::refuses(&lab, &Settings::policy(policy)).unwrap();
    assert!(!status.success());
    assert!(log.contains("decison") && log.contains("8:"), "{log}");
}

#[test]
fn a_broken_configuration_lists_all_its_problems_at_once() {
    let lab = Lab::new().unwrap();
    let config = json!({
        "listen": {"proxy_port": "many"},
        "agents": [{"name": "Not A Label", "org": "o", "tenant": "t"}],
        "limits": {"connexions": 3},
    });
    let (status, log) = Daemon::refuses(&lab, &Settings::with(config)).unwrap();
    assert!(!status.success());
    for place in ["listen.proxy_port", "agents[0].name", "limits.connexions"] {
        assert!(log.contains(place), "{place} in {log}");
    }
}

#[test]
fn a_busy_port_is_one_clear_line() {
    let lab = Lab::new().unwrap();
    let listener = lab.host.within(|| std::net::TcpListener::bind(("127.0.0.1", 15001)).unwrap()).unwrap();
    let (status, log) = Daemon::refuses(&lab, &Settings::default()).unwrap();
    assert!(!status.success());
    let error: Vec<&str> = log.lines().filter(|line| line.contains("15001")).collect();
    assert!(!error.is_empty() && !log.contains("panicked") && !log.contains("RUST_BACKTRACE"), "{log}");
    drop(listener);
}

#[test]
fn a_missing_bpffs_is_one_clear_line_with_the_fix() {
    let lab = Lab::new().unwrap();
    let config = json!({"bpf": {"pin_dir": lab.path("home").join("pins")}});
    let (status, log) = Daemon::refuses(&lab, &Settings::with(config)).unwrap();
    assert!(!status.success());
    assert!(log.contains("bpf") && log.contains("mount"), "{log}");
}

#[test]
fn the_embedded_policy_denies() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings { policy: None, ..Settings::default() }).unwrap();
    let answer = lab
        .agent(AGENT)
        .curl(&["--resolve", "api.allowed.test:443:203.0.113.10", "https://api.allowed.test/hello"])
        .unwrap();
    assert!(answer.is_denial(), "{answer:?}");
    assert!(lab.internet.requests.all().is_empty());
    drop(daemon);
}

#[test]
fn status_and_doctor_speak_of_this_host() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let status = daemon.status().unwrap();
    assert_eq!((&status["ready"], &status["agents"][0]["name"]), (&json!(true), &json!(AGENT)));
    let hooks = status["kernel"]["hooks"].as_array().unwrap();
    assert!(hooks.len() >= 8, "{hooks:?}");
    assert!(hooks.iter().all(|hook| hook["attached"] == true && hook["pinned"] == true), "{hooks:?}");
    let table = lab.ctl(&["status"]).unwrap();
    assert!(table.ok() && table.stdout.contains(AGENT) && table.stdout.contains("lab-1"), "{table:?}");
    let doctor = lab.ctl(&["doctor"]).unwrap();
    assert!(doctor.ok(), "{doctor:?}");
}
