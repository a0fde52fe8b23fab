//! Aegis' own ports: reached straight, taken over, and fooled with ports that were somebody else's.

use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{AGENT, Lab, Settings};
use serde_json::json;

use crate::attempt::{AGENTS, QUICK_PATH, RAW, Role};
use crate::program::script;
use crate::stage::Stage;

const PROXY: u16 = 15001;
const RESOLVER: u16 = 15053;
const STRANGER: &str = "stranger";

/// A request as the proxy would take it from an agent, sent to its listener by hand.
fn straight(marker: &str) -> String {
    format!(
        "import socket\n\
         for address in ('127.0.0.1', '::1', '::ffff:127.0.0.1', '198.51.100.2'):\n\
         \x20   for host in ('api.allowed.test', 'denied.test'):\n\
         \x20       s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)\n\
         \x20       s.settimeout(2)\n\
         \x20       try:\n\
         \x20           s.connect((address, {PROXY}))\n\
         \x20           s.sendall(f'GET http://{{host}}/{marker} HTTP/1.1\\r\\nhost: {{host}}\\r\\n\\r\\n'.encode())\n\
         \x20           print(address, host, s.recv(100))\n\
         \x20       except OSError as error: print(address, host, error)\n"
    )
}

/// A connection that the kernel did not send there has no record, and with it no agent to decide for. One that an agent makes
/// has one: it is decided like every other of its connections, for where it was going.
#[test]
fn the_proxy_takes_nothing_from_who_comes_straight() {
    let lab = Lab::new().unwrap();
    let stage = Stage::new(&lab);
    let outcome = lab.bystander().python(&straight(Role::Bystander.marker())).unwrap();
    assert_eq!(outcome.stdout.lines().count(), 8, "{outcome:?}");
    for role in AGENTS {
        let outcome = role.command(&lab).python(&straight(role.marker())).unwrap();
        assert_eq!(outcome.stdout.lines().count(), 8, "{outcome:?}");
    }
    lab.settle().unwrap();
    let seen = lab.internet.requests.all();
    assert!(
        seen.iter().all(|request| request.host != "denied.test" && !request.path.contains(Role::Bystander.marker())),
        "{seen:?}"
    );
    // The same request by the way that it is meant to go.
    let answer = lab.agent(AGENT).curl(&["http://api.allowed.test/hello"]).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(stage);
}

/// A thief on the listener's port would be sent what other agents say.
#[test]
fn no_agent_takes_the_listeners_ports_while_the_daemon_is_up_or_down() {
    let lab = Lab::new().unwrap();
    let mut stage = Stage::new(&lab);
    let program = script(&lab, "steal.py");
    let ports = [PROXY.to_string(), RESOLVER.to_string()];
    let words = |seconds: &'static str| {
        ["/usr/bin/python3", program.to_str().unwrap(), seconds, &ports[0], &ports[1]].map(str::to_owned)
    };
    let refused = |roles: &[Role]| {
        for role in roles {
            let outcome = role.command(&lab).run(&words("0")).unwrap();
            assert_eq!(outcome.stdout.matches("refused ").count(), 16, "{role:?}: {outcome:?}");
        }
    };
    refused(AGENTS);
    stage.daemon.kill().unwrap();
    // `aegisctl run` starts nothing while nobody answers it; who runs already is as the raw ones are.
    refused(RAW);
    // Now the ports are free, and whoever takes them hears what is sent there.
    let thief = lab.bystander().start(&words("2")).unwrap();
    let told = || {
        let program = format!("import socket; socket.create_connection(('127.0.0.1', {PROXY})).sendall(b'atk-heard')");
        lab.bystander().python(&program).ok().filter(|outcome| outcome.ok())
    };
    assert!(wait_for(Duration::from_secs(2), told).is_some());
    let outcome = thief.finish().unwrap();
    assert!(outcome.stdout.contains("bound ") && outcome.stdout.contains("atk-heard"), "{outcome:?}");
}

/// Two agents, of whom only the first may do anything.
fn one_and_a_stranger() -> Settings {
    let mut settings = Settings::with(json!({"agents": [
        {"name": AGENT, "org": "laboratory", "tenant": "tests"},
        {"name": STRANGER, "org": "laboratory", "tenant": "tests"},
    ]}));
    settings.policy = settings.policy.map(|policy| policy.replace("agents: [\"*\"]", &format!("agents: [{AGENT}]")));
    settings
}

/// Two agents, of whom only one may, from one and the same port as fast as they can: what the kernel wrote down of one
/// connection says nothing about the one before it.
#[test]
fn a_port_that_was_anothers_a_moment_ago_gives_nobody_its_rights() {
    let lab = Lab::new().unwrap();
    let settings = one_and_a_stranger();
    let stage = Stage::with(&lab, &settings);
    // A reset at the end leaves the port free for the other at once.
    let program = |path: &str| {
        format!(
            "import socket, struct, time\n\
             made, until = 0, time.monotonic() + 20\n\
             while made < 200 and time.monotonic() < until:\n\
             \x20   s = socket.socket()\n\
             \x20   s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.setsockopt(socket.SOL_SOCKET, 15, 1)\n\
             \x20   s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.settimeout(2)\n\
             \x20   try:\n\
             \x20       s.bind(('127.0.0.1', 40000)); s.connect(('203.0.113.10', 80)); made += 1\n\
             \x20       s.sendall(b'GET /{path} HTTP/1.1\\r\\nhost: api.allowed.test\\r\\n\\r\\n'); made % 4 or s.recv(1000)\n\
             \x20   except OSError: pass\n\
             \x20   s.close()\n\
             print(made)\n"
        )
    };
    let run = |agent: &str, path: &str| {
        let text = program(path);
        lab.agent(agent).user("nobody").env("PATH", QUICK_PATH).start(&["/usr/bin/python3", "-c", &text]).unwrap()
    };
    let (allowed, stranger) = (run(AGENT, "atk-of-the-allowed"), run(STRANGER, "atk-of-the-stranger"));
    let (allowed, stranger) = (allowed.finish().unwrap(), stranger.finish().unwrap());
    for outcome in [&allowed, &stranger] {
        assert_eq!(outcome.stdout, "200\n", "it had no turn: {outcome:?}");
    }
    lab.settle().unwrap();
    assert!(lab.internet.capture.matching(|packet| packet.contains(b"atk-of-the-stranger")).is_empty());
    assert!(!lab.internet.capture.matching(|packet| packet.contains(b"atk-of-the-allowed")).is_empty(), "{allowed:?}");
    drop(stage);
}
