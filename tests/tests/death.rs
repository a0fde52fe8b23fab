//! The daemon hangs or is dead: agents are denied within a bound, or pass where their `on_agent_down` says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use aegis_tests::lab::wait_for;
use aegis_tests::lab::wiring::address;
use aegis_tests::{AGENT, Background, Daemon, Lab, Packet, Settings};
use nix::sys::signal::Signal;
use serde_json::json;

/// The documented bound of these tests; shorter than the default so that they are quick.
const TIMEOUT: Duration = Duration::from_millis(1000);
/// The agent that passes while the daemon is down.
const OPEN: &str = "open";

/// Connects and sends until every way is refused with EPERM, fifty times in a row: then nobody is waited for any more.
const UNTIL_DENIED: &str = r#"
import errno, socket, sys, time
def tcp(family, host):
    with socket.socket(family) as s: s.settimeout(0.2); s.connect((host, 443)); return 'connected'
def dns():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s: s.sendto(b'death-marker', ('203.0.113.53', 53)); return 'sent'
def attempt(body, *args):
    try: return body(*args)
    except socket.timeout: return 'timeout'
    except OSError as e: return errno.errorcode[e.errno]
start, first, denied, seen = time.monotonic(), None, 0, set()
while denied < 50:
    assert time.monotonic() - start < 60, seen
    answers = {attempt(tcp, socket.AF_INET, '203.0.113.10'), attempt(tcp, socket.AF_INET6, '2001:db8:2::42'), attempt(dns)}
    if answers == {'EPERM'}:
        denied, first = denied + 1, first or time.monotonic()
    else:
        assert first is None, (answers, seen)
    seen |= answers
    time.sleep(0.005)
print(round((first - start) * 1000), *sorted(seen))
"#;

fn settings() -> Settings {
    let agent =
        |name: &str, down: &str| json!({"name": name, "org": "laboratory", "tenant": "tests", "on_agent_down": down});
    let timeout = u64::try_from(TIMEOUT.as_millis()).unwrap();
    Settings::with(json!({
        "bpf": {"heartbeat_timeout_ms": timeout},
        "agents": [agent(AGENT, "closed"), agent(OPEN, "open")],
    }))
}

/// Runs an agent until it is denied; says after how long, and what it met before.
fn until_denied(lab: &Lab) -> (Duration, String) {
    let outcome = lab.raw(AGENT).user("nobody").limit(Duration::from_secs(90)).python(UNTIL_DENIED).unwrap();
    assert!(outcome.ok(), "{outcome:?}");
    let (milliseconds, met) = outcome.stdout.trim().split_once(' ').unwrap();
    (Duration::from_millis(milliseconds.parse().unwrap()), met.to_owned())
}

fn marked(lab: &Lab, marker: &str) -> Vec<Packet> {
    lab.internet.capture.matching(|packet| packet.contains(marker.as_bytes()))
}

#[test]
fn agents_of_a_hung_daemon_are_denied_within_the_bound_and_served_when_it_goes_on() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let background = Background::of(&lab).unwrap();
    daemon.signal(Signal::SIGSTOP).unwrap();
    let stopped = Instant::now();
    let (after, met) = until_denied(&lab);
    println!("SIGSTOP: denied {after:?} after the first attempt, heartbeat timeout {TIMEOUT:?}; met {met}");
    // Generous: a machine that is busy runs the attempts late, not the kernel's clock.
    assert!(stopped.elapsed() < TIMEOUT + Duration::from_secs(20), "{:?}", stopped.elapsed());
    lab.settle().unwrap();
    let foreign = lab.internet.capture.matching(|packet| !background.has(packet));
    assert!(foreign.is_empty(), "{}", foreign[0]);
    daemon.signal(Signal::SIGCONT).unwrap();
    let served = || (lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).ok()?.status == 200).then_some(());
    wait_for(Duration::from_secs(20), served).expect("the daemon goes on");
    let denied =
        daemon.record(|record| record["reason"].as_str().unwrap().starts_with("the daemon gave no sign of life"));
    assert_eq!(denied.unwrap()["agent_id"], AGENT);
}

#[test]
fn agents_of_a_killed_daemon_reach_nothing_at_once_and_are_denied_within_the_bound() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &settings()).unwrap();
    let background = Background::of(&lab).unwrap();
    daemon.kill().unwrap();
    let (after, met) = until_denied(&lab);
    println!("SIGKILL: denied {after:?} after the first attempt, heartbeat timeout {TIMEOUT:?}; met {met}");
    assert!(!met.contains("connected"), "somebody took a connection: {met}");
    lab.settle().unwrap();
    let foreign = lab.internet.capture.matching(|packet| !background.has(packet));
    assert!(foreign.is_empty(), "{}", foreign[0]);
}

/// Says what it reached by TCP and UDP; then waits for a line, and tries to go on on the connection it has.
const PASSING: &str = r#"
import socket, sys
M = sys.argv[1].encode()
def attempt(name, body):
    try: print(name, body(), flush=True)
    except OSError as e: print(name, 'refused', flush=True)
def tcp():
    s.connect(('203.0.113.66', 2525)); s.sendall(M + b' tcp'); return s.recv(100)
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(M + b' udp', ('203.0.113.66', 9999)); return 'sent'
def again():
    s.settimeout(2); s.sendall(M + b' later'); return s.recv(100)
s = socket.socket(); s.settimeout(5)
attempt('tcp', tcp); attempt('udp', udp)
while not __import__('os').path.exists(sys.argv[2]): __import__('time').sleep(0.01)
attempt('again', again)
"#;

#[test]
fn an_open_agent_passes_while_the_daemon_is_down_and_it_is_recorded_afterwards() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &settings()).unwrap();
    daemon.kill().unwrap();
    until_denied(&lab);
    let back = lab.path("home/back").to_string_lossy().into_owned();
    let program = |marker: &'static str| {
        ["/usr/bin/python3".to_owned(), "-c".to_owned(), PASSING.to_owned(), marker.to_owned(), back.clone()]
    };
    let limit = Duration::from_secs(90);
    let open = lab.raw(OPEN).user("nobody").limit(limit).start(&program("open-marker")).unwrap();
    let closed = lab.raw(AGENT).user("nobody").limit(limit).start(&program("closed-marker")).unwrap();
    wait_for(Duration::from_secs(20), || lab.internet.tcp.contain(b"open-marker tcp").then_some(())).unwrap();
    wait_for(Duration::from_secs(20), || {
        (!lab.internet.datagrams.containing(b"open-marker udp").is_empty()).then_some(())
    })
    .unwrap();
    let daemon = Daemon::resume(&lab).unwrap();
    let (v4, _) = address("denied.test");
    for port in [2525, 9999] {
        let record = daemon.record(|record| {
            record["agent_id"] == OPEN
                && record["decision"] == "allow"
                && record["host"] == v4.to_string()
                && record["port"] == port
        });
        println!("{}", record.unwrap()["reason"]);
    }
    // Somebody decides again: what was let pass unseen does not go on.
    std::fs::write(&back, "").unwrap();
    let (open, closed) = (open.finish().unwrap(), closed.finish().unwrap());
    assert_eq!(open.stdout, "tcp b'open-marker tcp'\nudp sent\nagain refused\n", "{open:?}");
    assert_eq!(closed.stdout, "tcp refused\nudp refused\nagain refused\n", "{closed:?}");
    lab.settle().unwrap();
    assert!(marked(&lab, "closed-marker").is_empty() && marked(&lab, "open-marker later").is_empty());
}
