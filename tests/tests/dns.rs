//! DNS of agents, judged by what the authoritative server was asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aegis_tests::internet::{ECH_CONFIG, LARGE};
use aegis_tests::lab::wiring::OTHER_DNS_V4;
use aegis_tests::{AGENT, Daemon, Lab, Outcome, Protocol, Settings};
use serde_json::json;

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
    assert!(outcome.stdout.starts_with("rcode 0 answers 1"), "{outcome:?}");
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

/// Everything below `allowed.test` by a wildcard; one host spelled out.
const WILDCARD: &str = r#"version: lab-names
policies:
  - name: laboratory
    agents: ["*"]
    rules:
      - {name: relayed, hosts: ["*.relayed.allowed.test"], tls: passthrough, decision: allow}
      - {name: wildcard, hosts: ["*.allowed.test", api.allowed.test], decision: allow}
"#;

#[test]
fn an_answer_too_large_for_udp_reaches_the_system_resolver_over_tcp() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(WILDCARD)).unwrap();
    let (host, addresses) = LARGE;
    // Without EDNS a query takes 512 bytes: the answer holds nothing and says why. QR, TC and RD are 0x83 (RFC 1035, 4.1.1).
    let cut = ask(&lab, host, 1, "203.0.113.53", "udp");
    assert!(cut.stdout.starts_with("rcode 0 answers 0") && cut.stdout.contains(r"b'\x124\x83\x80"), "{cut:?}");
    let outcome = lab.agent(AGENT).run(&["getent", "ahostsv4", host]).unwrap();
    let found: std::collections::HashSet<&str> =
        outcome.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(found.len(), usize::from(addresses), "{outcome:?}");
    // And so it was between Aegis and the server: first over UDP, then over TCP, and never again.
    assert_eq!(lab.internet.queries.count(host), 2);
    lab.settle().unwrap();
    let tcp = lab.internet.capture.matching(|packet| packet.port == 53 && packet.protocol == Protocol::Tcp);
    assert!(!tcp.is_empty());
    drop(daemon);
}

#[test]
fn what_does_not_exist_is_told_apart_and_asked_once() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(WILDCARD)).unwrap();
    for (name, kind, said) in
        [("nobody.allowed.test", 1, "rcode 3"), (LARGE.0, 28, "rcode 0"), (LARGE.0, 65, "rcode 0")]
    {
        let before = lab.internet.queries.count(name);
        for transport in ["udp", "tcp", "udp"] {
            let outcome = ask(&lab, name, kind, "203.0.113.53", transport);
            assert!(outcome.stdout.starts_with(&format!("{said} answers 0")), "{outcome:?}");
        }
        assert_eq!(lab.internet.queries.count(name), before + 1, "{name} {kind}");
    }
    drop(daemon);
}

/// A private key's first lines, in hex and in base32.
const CHUNKS: [&str; 2] =
    ["2d2d2d2d2d424547494e205253412050524956415445", "fuws2ljnijcuosko4ibsgkqjaiffesvsbkrcsas2fleqs2lju"];

#[test]
fn data_in_the_labels_below_a_wildcard_does_not_leave_the_host() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(WILDCARD)).unwrap();
    let names = CHUNKS.map(|chunk| format!("{chunk}.allowed.test"));
    // Whoever is no agent gets them out: the same question, the same server.
    for name in &names {
        let ask = ["/usr/bin/python3", "-c", CLIENT, name, "1", "203.0.113.53", "udp"];
        lab.bystander().run(&ask).unwrap();
        assert_eq!(lab.internet.queries.count(name), 1);
    }
    for name in &names {
        for (kind, transport) in [(1, "udp"), (28, "tcp"), (65, "udp"), (5, "udp")] {
            let outcome = ask(&lab, name, kind, "203.0.113.53", transport);
            assert!(outcome.stdout.starts_with("rcode 5 answers 0"), "{name} {kind} {transport}: {outcome:?}");
        }
        // Also in the labels of a service, before the host that a rule spells out.
        let outcome = ask(&lab, &format!("_{name}._https.api.allowed.test"), 65, "203.0.113.53", "udp");
        assert!(outcome.stdout.starts_with("rcode 5 answers 0"), "{outcome:?}");
    }
    // The same wildcard serves what it is there for.
    assert!(ask(&lab, "index.allowed.test", 1, "203.0.113.53", "udp").stdout.starts_with("rcode 0 answers 1"));
    lab.settle().unwrap();
    for name in &names {
        assert_eq!(lab.internet.queries.count(name), 1, "only the bystander's");
    }
    let record = daemon.record(|record| record["host"] == names[0].as_str()).unwrap();
    assert_eq!(record["decision"], "deny");
    let reason = record["reason"].as_str().unwrap();
    assert!(reason.contains("looks like data") && reason.contains("dns.limits.entropy_bits"), "{reason}");
    let limited = daemon.metric("aegis_dns_limited_total{limit=\"entropy_bits\"}").unwrap().unwrap();
    assert!((limited - 8.0).abs() < 0.5, "{limited}");
}

#[test]
fn new_names_below_a_wildcard_run_out() {
    let lab = Lab::new().unwrap();
    let limits = json!({"dns": {"limits": {"names_per_minute": 20}}});
    let daemon = Daemon::start(&lab, &Settings { config: limits, ..Settings::policy(WILDCARD) }).unwrap();
    // A word of eight letters at a time, each by itself a plain host name.
    let program = format!(
        "import sys\nclient = {CLIENT:?}\n\
         for n in range(200):\n    sys.argv = ['', 'host' + ''.join('abcdefghij'[int(d)] for d in str(1000 + n)) + '.allowed.test', '1', '203.0.113.53', 'udp']; exec(client)\n\
         sys.argv[1] = 'api.allowed.test'; exec(client)"
    );
    let outcome = lab.agent(AGENT).python(&program).unwrap();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 201, "{outcome:?}");
    let refused = lines.iter().filter(|line| line.starts_with("rcode 5")).count();
    lab.settle().unwrap();
    let outside = lab.internet.queries.count("host");
    // The bucket, and what came back to it while the program ran.
    let most = 20 + usize::try_from(outcome.took.as_secs() / 3 + 1).unwrap();
    assert!((10..=most).contains(&outside), "{outside} names outside in {:?}", outcome.took);
    assert_eq!(refused + outside, 200, "{outcome:?}");
    assert!(
        lines[200].starts_with("rcode 0 answers 1"),
        "a host that a rule spells out is not counted: {}",
        lines[200]
    );
    let record = daemon.record(|record| record["reason"].as_str().is_some_and(|why| why.contains("names_per_minute")));
    assert_eq!(record.unwrap()["decision"], "deny");
}

#[test]
fn a_host_or_sni_below_a_wildcard_is_measured_too() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(WILDCARD)).unwrap();
    for (scheme, port) in [("https", 443), ("http", 80)] {
        let host = format!("{}.allowed.test", CHUNKS[0]);
        let resolve = format!("{host}:{port}:203.0.113.10");
        let answer = lab.agent(AGENT).curl(&["--resolve", &resolve, &format!("{scheme}://{host}/hello")]).unwrap();
        assert!(answer.is_denial() && answer.field("reason").contains("dns.limits.entropy_bits"), "{answer:?}");
    }
    // A relayed connection has nobody to read an answer; it ends.
    let relayed = format!("{}.relayed.allowed.test", CHUNKS[1]);
    let resolve = format!("{relayed}:443:203.0.113.10");
    let answer = lab.agent(AGENT).curl(&["--resolve", &resolve, &format!("https://{relayed}/hello")]).unwrap();
    assert_eq!(answer.status, 0, "{answer:?}");
    let record = daemon.record(|record| record["scheme"] == "tls" && record["host"] == relayed.as_str()).unwrap();
    assert_eq!(record["decision"], "deny");
    // What the wildcard is there for.
    assert_eq!(lab.agent(AGENT).curl(&["https://index.allowed.test/hello"]).unwrap().status, 200);
    lab.settle().unwrap();
    for chunk in CHUNKS {
        assert_eq!(lab.internet.queries.count(chunk), 0);
    }
}

/// TLS to DNS-over-TLS ports and DNS-over-HTTPS, as a client that knows its resolver by name and address.
const ENCRYPTED: &str = r#"
import http.client, socket, ssl, sys
context = ssl.create_default_context()
question = b'\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0ddns-in-secret\x07allowed\x04test\x00\x00\x01\x00\x01'
def tls(name, port, body):
    raw = socket.create_connection((name, port), timeout=10)
    try: return body(context.wrap_socket(raw, server_hostname=name))
    finally: raw.close()
def dot(stream):
    stream.sendall(len(question).to_bytes(2, 'big') + question)
    return stream.recv(4096)
def doh(name, path):
    connection = http.client.HTTPSConnection(name, timeout=10, context=context)
    connection.request('POST', path, question, {'Content-Type': 'application/dns-message', 'Accept': 'application/dns-message'})
    answer = connection.getresponse()
    return answer.status, answer.read()
def attempt(body):
    try: print(body())
    except Exception as e: print('failed', type(e).__name__, e)
"#;

#[test]
fn encrypted_dns_reaches_only_what_a_rule_allows() {
    let policy = r#"version: lab-encrypted
policies:
  - name: laboratory
    agents: ["*"]
    rules:
      - {name: resolver, hosts: [tcp.allowed.test], ports: [853], tls: passthrough, decision: allow}
      - {name: no-doh, hosts: [api.allowed.test], paths: [/dns-query], decision: deny, reason: "not this way"}
      - {name: doh, hosts: [api.allowed.test, index.allowed.test], decision: allow}
"#;
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(policy)).unwrap();
    let run = |calls: &str| lab.agent(AGENT).python(&format!("{ENCRYPTED}{calls}")).unwrap();

    let denied = run(
        "socket.getaddrinfo = (lambda real: lambda host, *a, **k: real({'denied.test': '203.0.113.66', 'index.allowed.test': '203.0.113.12'}.get(host, host), *a, **k))(socket.getaddrinfo)\n\
         attempt(lambda: tls('denied.test', 853, dot))\nattempt(lambda: tls('index.allowed.test', 853, dot))\n\
         attempt(lambda: doh('denied.test', '/dns-query'))\nattempt(lambda: doh('api.allowed.test', '/dns-query'))",
    );
    let lines: Vec<&str> = denied.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{denied:?}");
    assert!(lines[2].starts_with("(403,") && lines[3].starts_with("(403,"), "{denied:?}");
    assert!(lines[3].contains("not this way"), "{denied:?}");
    lab.settle().unwrap();
    let outside = lab.internet.capture.matching(|packet| packet.port == 853 || packet.contains(b"dns-in-secret"));
    assert!(outside.is_empty(), "{outside:?}");
    assert!(lab.internet.requests.all().is_empty());
    assert_eq!(lab.internet.queries.count("denied.test"), 0);

    // To what a rule allows it goes as any other TLS and HTTP does: relayed unread there, read and decided here.
    let allowed =
        run("attempt(lambda: tls('tcp.allowed.test', 853, dot))\nattempt(lambda: doh('index.allowed.test', '/echo'))");
    assert!(lab.internet.tcp.contain(b"tcp.allowed.test"), "the ClientHello arrived: {allowed:?}");
    assert!(allowed.stdout.contains("(200, b'\\x00\\x00\\x01"), "{allowed:?}");
    let seen = lab.internet.requests.at("index.allowed.test");
    assert_eq!(seen.first().and_then(|request| request.header("content-type")), Some("application/dns-message"));
    daemon.record(|record| record["scheme"] == "tls" && record["host"] == "tcp.allowed.test").unwrap();
}
