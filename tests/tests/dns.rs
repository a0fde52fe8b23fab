//! DNS of agents, judged by what the authoritative server was asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aegis_tests::internet::ECH_CONFIG;
use aegis_tests::lab::wiring::OTHER_DNS_V4;
use aegis_tests::{AGENT, Daemon, Lab, Outcome, Protocol, Settings};

/// Sends one question and prints the RCODE and the answer's bytes.
const CLIENT: &str = r#"
import socket, struct, sys
name, kind, server, transport = sys.argv[1:5]
query = struct.pack('>HHHHHH', 4660, 0x100, 1, 0, 0, 0) + b''.join(bytes([len(l)]) + l.encode() for l in name.split('.')) + b'\0' + struct.pack('>HH', int(kind), 1)
if transport == 'udp':
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)
    s.sendto(query, (server, 53)); answer, peer = s.recvfrom(4096)
else:
    s = socket.create_connection((server, 53), timeout=10); peer = s.getpeername()
    s.sendall(struct.pack('>H', len(query)) + query)
    length = struct.unpack('>H', s.recv(2))[0]; answer = b''
    while len(answer) < length: answer += s.recv(4096)
print('rcode', answer[3] & 15, 'answers', struct.unpack('>H', answer[6:8])[0], 'from', peer[0], peer[1], answer)
"#;

fn ask(lab: &Lab, name: &str, kind: u16, server: &str, transport: &str) -> Outcome {
    let kind = kind.to_string();
    lab.agent(AGENT).run(&["/usr/bin/python3", "-c", CLIENT, name, &kind, server, transport]).unwrap()
}

#[test]
fn an_allowed_name_is_answered_whatever_resolver_the_agent_names() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    for server in [OTHER_DNS_V4.to_string(), "192.0.2.1".to_owned(), "127.0.0.53".to_owned()] {
        for transport in ["udp", "tcp"] {
            let outcome = ask(&lab, "api.allowed.test", 1, &server, transport);
            // The illusion holds: the answer seems to come from the resolver that was asked.
            let expected = format!("rcode 0 answers 1 from {server} 53");
            assert!(outcome.stdout.starts_with(&expected), "{server} {transport}: {outcome:?}");
        }
    }
    lab.settle().unwrap();
    let astray = lab.internet.capture.matching(|packet| packet.port == 53 && packet.destination == OTHER_DNS_V4);
    assert!(astray.is_empty(), "the agent's own queries left the host");
    assert!(lab.internet.queries.count("api.allowed.test") >= 1);
    drop(daemon);
}

#[test]
fn a_name_outside_the_policy_never_leaves_the_host() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    for name in ["c2VjcmV0.exfil.denied.test", "denied.test", "exfil.nowhere.test"] {
        for transport in ["udp", "tcp"] {
            for kind in [1, 28, 16, 65] {
                let outcome = ask(&lab, name, kind, "203.0.113.53", transport);
                let refused =
                    outcome.stdout.starts_with("rcode 5 answers 0") || outcome.stdout.starts_with("rcode 3 answers 0");
                assert!(refused, "{name} {kind} {transport}: {outcome:?}");
            }
        }
    }
    lab.settle().unwrap();
    assert_eq!((lab.internet.queries.count("exfil"), lab.internet.queries.count("denied")), (0, 0));
    let leaked = lab.internet.capture.matching(|packet| packet.contains(b"exfil") || packet.contains(b"denied"));
    assert!(leaked.is_empty(), "{leaked:?}");
    let record = daemon.record(|record| record["scheme"] == "dns" && record["host"] == "exfil.nowhere.test").unwrap();
    assert_eq!(record["decision"], "deny");
}

#[test]
fn ech_keys_are_taken_out_of_service_bindings() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = ask(&lab, "api.allowed.test", 65, "203.0.113.53", "udp");
    assert!(outcome.stdout.starts_with("rcode 0"), "{outcome:?}");
    assert!(!outcome.stdout.contains(std::str::from_utf8(ECH_CONFIG).unwrap()), "{outcome:?}");
    drop(daemon);
}

#[test]
fn the_system_resolver_works_unmodified() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = lab.agent(AGENT).run(&["getent", "ahosts", "api.allowed.test"]).unwrap();
    assert!(outcome.stdout.contains("203.0.113.10") && outcome.stdout.contains("2001:db8:2::a"), "{outcome:?}");
    let refused = lab.agent(AGENT).run(&["getent", "ahosts", "denied.test"]).unwrap();
    assert!(!refused.ok() && !refused.timed_out, "{refused:?}");
    assert_eq!(lab.internet.queries.count("denied.test"), 0);
    drop(daemon);
}

#[test]
fn other_encodings_of_dns_do_not_get_out() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    // DNS over TLS and over QUIC: no policy names port 853.
    let program = "import socket\ntry:\n    s = socket.create_connection(('203.0.113.54', 853), timeout=10); s.sendall(b'dot-marker'); print(s.recv(100))\nexcept OSError as e: print(e)\n\
        try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'doq-marker', ('203.0.113.54', 853))\nexcept OSError as e: print(e)";
    let outcome = lab.agent(AGENT).python(program).unwrap();
    lab.settle().unwrap();
    assert!(!lab.internet.tcp.contain(b"dot-marker"), "{outcome:?}");
    let packets = lab.internet.capture.matching(|packet| packet.port == 853 && packet.protocol != Protocol::Icmp);
    assert!(packets.is_empty(), "{packets:?}");
    drop(daemon);
}
