//! What is neither TCP nor DNS: refused at once, and nothing of it outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Protocol, Settings};
use serde_json::json;

/// Every way to send a datagram that Python knows, and every socket that could carry bytes past the hooks.
const ATTEMPTS: &str = r#"
import errno, os, socket, sys
M = b'\xc3\x00\x00\x00\x01escape-marker' + bytes(1180)
def attempt(name, body):
    try: body(); print('SENT', name)
    except OSError as e: print('refused', name, errno.errorcode.get(e.errno, e))
def udp(family): return socket.socket(family, socket.SOCK_DGRAM)
def connected(family, to):
    s = udp(family); s.connect(to); s.send(M)
def unconnected_then_elsewhere():
    s = udp(socket.AF_INET); s.connect(('203.0.113.53', 53)); s.sendto(M, ('203.0.113.66', 443))
for family, host in ((socket.AF_INET, '203.0.113.10'), (socket.AF_INET6, '2001:db8:2::a'), (socket.AF_INET6, '::ffff:203.0.113.10')):
    for port in (443, 123, 9999):
        attempt(f'sendto {host} {port}', lambda: udp(family).sendto(M, (host, port)))
        attempt(f'connect {host} {port}', lambda: connected(family, (host, port)))
        attempt(f'sendmsg {host} {port}', lambda: udp(family).sendmsg([M], [], 0, (host, port)))
attempt('elsewhere', unconnected_then_elsewhere)
attempt('broadcast', lambda: (lambda s: (s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1), s.sendto(M, ('198.51.100.255', 9999))))(udp(socket.AF_INET)))
attempt('multicast', lambda: udp(socket.AF_INET).sendto(M, ('224.0.0.251', 5353)))
attempt('multicast6', lambda: udp(socket.AF_INET6).sendto(M, ('ff02::fb%eth0', 5353)))
attempt('raw udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 17).sendto(M, ('203.0.113.10', 0)))
attempt('raw icmp', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).sendto(M, ('203.0.113.10', 0)))
attempt('raw icmp6', lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58).sendto(M, ('2001:db8:2::a', 0)))
attempt('ping', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1).sendto(b'\x08\x00\x00\x00\x00\x00\x00\x00' + M, ('203.0.113.10', 0)))
attempt('udplite', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136).sendto(M, ('203.0.113.10', 443)))
attempt('mptcp', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(('203.0.113.10', 443)))
attempt('sctp', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).connect(('203.0.113.10', 443)))
attempt('packet', lambda: (lambda s: (s.bind(('eth0', 0)), s.send(bytes(12) + b'\x88\xb5' + M)))(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))
attempt('vsock', lambda: socket.socket(40, socket.SOCK_STREAM))
"#;

#[test]
fn no_datagram_of_an_agent_leaves_the_host_and_each_is_refused_at_once() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = lab.agent(AGENT).python(ATTEMPTS).unwrap();
    assert!(outcome.ok() && outcome.stdout.lines().count() >= 35, "{outcome:?}");
    let sent: Vec<&str> = outcome.stdout.lines().filter(|line| line.starts_with("SENT")).collect();
    lab.settle().unwrap();
    let packets = lab.internet.capture.matching(|packet| packet.contains(b"escape-marker"));
    assert!(packets.is_empty(), "{packets:?}");
    assert!(lab.internet.datagrams.containing(b"escape-marker").is_empty());
    assert!(sent.is_empty(), "a client would wait for an answer to these: {sent:?}");
    assert!(outcome.took < Duration::from_secs(10), "{:?}", outcome.took);
    drop(daemon);
}

#[test]
fn the_same_attempts_of_a_bystander_do_get_out() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = lab.bystander().python(ATTEMPTS).unwrap();
    lab.settle().unwrap();
    let packets = lab.internet.capture.matching(|packet| packet.contains(b"escape-marker"));
    assert!(packets.len() >= 20, "{} packets, {outcome:?}", packets.len());
    drop(daemon);
}

#[test]
fn a_destination_on_the_direct_list_passes_untouched_and_no_other() {
    let lab = Lab::new().unwrap();
    let direct = json!([
        {"cidr": "203.0.113.66/32", "port": 9999, "protocol": "udp"},
        {"cidr": "203.0.113.66/32", "port": 2525, "protocol": "tcp"},
    ]);
    let agents = json!({"agents": [{"name": AGENT, "org": "laboratory", "tenant": "tests", "direct": direct}]});
    let daemon = Daemon::start(&lab, &Settings::with(agents)).unwrap();
    let program = r#"
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'direct-marker', ('203.0.113.66', 9999))
for to in (('203.0.113.66', 443), ('203.0.113.67', 9999)):
    try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'astray-marker', to); print('SENT')
    except OSError: pass
s = socket.create_connection(('203.0.113.66', 2525), timeout=10); s.sendall(b'direct-stream'); print(s.recv(100), s.getpeername())
"#;
    let outcome = lab.agent(AGENT).python(program).unwrap();
    lab.settle().unwrap();
    assert!(
        outcome.ok() && outcome.stdout.contains("direct-stream") && !outcome.stdout.contains("SENT"),
        "{outcome:?}"
    );
    let udp =
        lab.internet.capture.matching(|packet| packet.protocol == Protocol::Udp && packet.contains(b"direct-marker"));
    assert_eq!(udp.len(), 1);
    assert!(lab.internet.capture.matching(|packet| packet.contains(b"astray-marker")).is_empty());
    assert!(lab.internet.tcp.contain(b"direct-stream"));
    drop(daemon);
}
