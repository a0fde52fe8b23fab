//! Whose a socket is: the kernel says, by cgroup, for children, forks and descendants too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aegis_tests::{Daemon, Lab, Settings};
use serde_json::json;

/// Two agents with different rights.
const POLICY: &str = r#"
version: who-1
policies:
  - name: readers
    agents: [reader]
    rules: [{name: read, hosts: [api.allowed.test], methods: [GET], decision: allow}]
  - name: writers
    agents: [writer]
    rules: [{name: write, hosts: [api.allowed.test], decision: allow}]
"#;

fn settings() -> Settings {
    let agent = |name: &str| json!({"name": name, "org": "laboratory", "tenant": "tests"});
    Settings { config: json!({"agents": [agent("reader"), agent("writer")]}), policy: Some(POLICY.to_owned()) }
}

#[test]
fn two_agents_on_one_host_are_told_apart() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let post = ["-d", "x", "https://api.allowed.test/sink"];
    assert_eq!(lab.agent("writer").curl(&post).unwrap().status, 200);
    let refused = lab.agent("reader").curl(&post).unwrap();
    assert!(refused.is_denial() && refused.field("agent_id") == "reader", "{refused:?}");
    // A header that names somebody else changes nothing.
    let forged =
        lab.agent("reader").curl(&["-H", "aegis-agent: writer", "-d", "x", "https://api.allowed.test/sink"]).unwrap();
    assert_eq!(forged.field("agent_id"), "reader");
    assert_eq!(lab.internet.requests.all().len(), 1);
    drop(daemon);
}

#[test]
fn a_token_of_another_agent_does_not_hold() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let token = lab.agent("writer").run_argument("--token").shell("printf %s $AEGIS_TOKEN").unwrap().stdout;
    assert_eq!(token.matches('.').count(), 2, "{token}");
    let stolen = format!("Aegis-Token: {token}");
    let answer = lab.agent("reader").curl(&["-H", &stolen, "https://api.allowed.test/hello"]).unwrap();
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(lab.internet.requests.all().is_empty());
    drop(daemon);
}

#[test]
fn children_forks_and_threads_belong_to_the_agent() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let program = r#"
import os, subprocess, sys, threading, urllib.request, urllib.error
def attempt(label):
    try: print(label, urllib.request.urlopen(urllib.request.Request('https://api.allowed.test/sink', b'x'), timeout=15).status)
    except urllib.error.HTTPError as e: print(label, e.code, e.headers.get('aegis-decision'))
    sys.stdout.flush()
attempt('self')
t = threading.Thread(target=attempt, args=('thread',)); t.start(); t.join()
if os.fork() == 0:
    attempt('fork')
    if os.fork() == 0:
        os.setsid(); attempt('session'); os._exit(0)
    os.wait(); os._exit(0)
os.wait()
print('child', subprocess.run(['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-d', 'x', 'https://api.allowed.test/sink'], capture_output=True, text=True).stdout)
"#;
    let outcome = lab.agent("reader").python(program).unwrap();
    for label in ["self 403", "thread 403", "fork 403", "session 403", "child 403"] {
        assert!(outcome.stdout.contains(label), "{label}: {outcome:?}");
    }
    assert!(lab.internet.requests.all().is_empty());
    drop(daemon);
}

#[test]
fn a_process_in_a_child_cgroup_belongs_to_the_agent_above_it() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let child = lab.cgroup().unwrap().join("reader/deeper/still");
    let certificate = daemon.status().unwrap()["ca"]["certificate"].as_str().unwrap().to_owned();
    let script = format!(
        "mkdir -p {0} && echo $$ > {0}/cgroup.procs && curl -sS --cacert {certificate} -w ' %{{http_code}}' -d x https://api.allowed.test/sink",
        child.display()
    );
    let outcome = lab.bystander().shell(&script).unwrap();
    assert!(outcome.stdout.ends_with(" 403") && outcome.stdout.contains(r#""agent_id":"reader""#), "{outcome:?}");
    assert!(lab.internet.requests.all().is_empty());
}

#[test]
fn a_process_below_the_root_that_is_no_agent_gets_nothing_out() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let stray = lab.cgroup().unwrap().join("stray");
    let script = format!(
        "mkdir -p {0} && echo $$ > {0}/cgroup.procs && curl -sS --max-time 10 -k https://203.0.113.10/stray-marker; \
         /usr/bin/python3 -c \"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'stray-marker', ('203.0.113.10', 443))\"",
        stray.display()
    );
    let outcome = lab.bystander().shell(&script).unwrap();
    lab.settle().unwrap();
    let packets = lab
        .internet
        .capture
        .matching(|packet| packet.destination == aegis_tests::lab::wiring::address("api.allowed.test").0);
    assert!(packets.is_empty() && lab.internet.requests.all().is_empty(), "{outcome:?} {packets:?}");
    drop(daemon);
}

#[test]
fn a_connection_straight_to_the_listener_is_refused() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    // Neither a bystander nor an agent that skips the redirect has a record in the kernel to show.
    let arguments = ["-k", "--connect-to", "api.allowed.test:443:127.0.0.1:15001", "https://api.allowed.test/hello"];
    let bystander = lab.bystander().curl(&arguments).unwrap();
    assert_ne!(bystander.status, 200, "{bystander:?}");
    let agent = lab.agent("writer").curl(&arguments).unwrap();
    assert_ne!(agent.status, 200, "{agent:?}");
    assert!(lab.internet.requests.all().is_empty());
    drop(daemon);
}

#[test]
fn an_ordinary_user_is_enforced_as_root_is() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let outcome = lab.agent("reader").user("nobody").shell("id -un; curl -sS https://api.allowed.test/hello").unwrap();
    assert_eq!(outcome.stdout, "nobody\nhello from api.allowed.test\n", "{outcome:?}");
    let record = daemon.record(|record| record["path"] == "/hello").unwrap();
    assert_eq!(record["agent_id"], "reader");
    assert!(record["exe"].as_str().unwrap().contains("curl") && record["pid"].as_u64().unwrap() > 1, "{record}");
}

#[test]
fn the_exit_code_of_run_is_the_commands_own() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    assert_eq!(lab.agent("reader").shell("exit 42").unwrap().code, 42);
    assert_eq!(lab.agent("reader").run(&["no-such-command"]).unwrap().code, 127);
    assert_ne!(lab.agent("unknown").shell("exit 0").unwrap().code, 0);
    drop(daemon);
    assert_eq!(lab.agent("reader").shell("exit 0").unwrap().code, 3, "no daemon, no agent");
}
