//! What is neither TCP nor DNS: refused at once, and nothing of it outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::internet::Packet;
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

/// The agent's direct list; `OTHER` is enrolled without one.
fn with_direct_udp() -> Settings {
    let direct = json!([
        {"cidr": "203.0.113.66/32", "port": 9999, "protocol": "udp"},
        {"cidr": "2001:db8:2::42/128", "port": 9999, "protocol": "udp"},
    ]);
    Settings::with(json!({"agents": [{"name": AGENT, "direct": direct}, {"name": OTHER}]}))
}

const OTHER: &str = "other";

/// Both kinds of socket, both families and IPv4 in IPv6's clothes; each datagram is answered.
const ECHOES: &str = r#"
import socket
for family, host in ((socket.AF_INET, '203.0.113.66'), (socket.AF_INET6, '2001:db8:2::42'), (socket.AF_INET6, '::ffff:203.0.113.66')):
    for kind in ('connected', 'unconnected'):
        s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(10)
        try:
            if kind == 'connected': s.connect((host, 9999)); s.send(b'direct-marker'); answer, peer = s.recv(100), s.getpeername()
            else: s.sendto(b'direct-marker', (host, 9999)); answer, peer = s.recvfrom(100)
            print(kind, host, answer.decode(), peer[0])
        except OSError as e: print(kind, host, 'refused', e.errno)
"#;

#[test]
fn udp_on_the_direct_list_is_answered_whatever_the_socket_and_family() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &with_direct_udp()).unwrap();
    let outcome = lab.agent(AGENT).python(ECHOES).unwrap();
    let expected: Vec<String> = ["203.0.113.66", "2001:db8:2::42", "::ffff:203.0.113.66"]
        .iter()
        .flat_map(|host| ["connected", "unconnected"].map(|kind| format!("{kind} {host} received {host}")))
        .collect();
    assert_eq!(outcome.stdout.lines().collect::<Vec<_>>(), expected, "{outcome:?}");
    assert_eq!(lab.internet.datagrams.containing(b"direct-marker").len(), 6);
    // The list is this agent's alone.
    let other = lab.agent(OTHER).python(ECHOES).unwrap();
    assert_eq!(other.stdout.lines().filter(|line| line.ends_with("refused 1")).count(), 6, "{other:?}");
    lab.settle().unwrap();
    assert_eq!(lab.internet.capture.matching(|packet| packet.contains(b"direct-marker")).len(), 6);
    drop(daemon);
}

/// From a socket that is connected to an allowed place, and by options that name another way.
const ASTRAY: &str = r#"
import ctypes, errno, socket, struct
A4, A6, B4, B6 = ('203.0.113.66', 9999), ('2001:db8:2::42', 9999), ('203.0.113.10', 9999), ('2001:db8:2::a', 9999)
V4, V6 = socket.AF_INET, socket.AF_INET6
M = b'astray-marker'
def udp(family): return socket.socket(family, socket.SOCK_DGRAM)
def connected(family, to): s = udp(family); s.connect(to); s.send(b'direct-marker'); return s
def again(family, to, other): s = connected(family, to); s.connect(other); s.send(M)
def apart(family, to, other):
    s = connected(family, to)
    if ctypes.CDLL(None, use_errno=True).connect(s.fileno(), struct.pack('=H14x', 0), 16): raise OSError(ctypes.get_errno(), 'AF_UNSPEC')
    s.sendto(M, other)
def routed(level, option, value, family, to, connect):
    s = udp(family); s.setsockopt(level, option, value)
    if connect: s.connect(to); s.send(M)
    else: s.sendto(M, to)
def by_message(level, option, value, family, to): s = connected(family, to); s.sendmsg([M], [(level, option, value)])
# RFC 791 loose source route; RFC 8754 segment route; RFC 8200 padding for options.
SOURCE = b'\x83\x07\x04' + socket.inet_aton(B4[0]) + b'\0'
SEGMENTS = b'\0\x04\x04\x01\x01\0\0\0' + socket.inet_pton(V6, A6[0]) + socket.inet_pton(V6, B6[0])
PADDING = b'\0\0\x01\x04\0\0\0\0'
def attempt(name, body):
    try: body(); print('SENT', name)
    except OSError as e: print('refused', name, errno.errorcode.get(e.errno, e))
for family, to, other in ((V4, A4, B4), (V6, A6, B6), (V6, ('::ffff:' + A4[0], 9999), ('::ffff:' + B4[0], 9999))):
    name = to[0]
    attempt(name + ' sendto', lambda: connected(family, to).sendto(M, other))
    attempt(name + ' sendmsg', lambda: connected(family, to).sendmsg([M], [], 0, other))
    attempt(name + ' more, then elsewhere', lambda: connected(family, to).sendto(M, socket.MSG_MORE, other))
    attempt(name + ' port', lambda: connected(family, to).sendto(M, (to[0], 443)))
    attempt(name + ' again', lambda: again(family, to, other))
    attempt(name + ' apart', lambda: apart(family, to, other))
for connect in (True, False):
    attempt('source route', lambda: routed(socket.SOL_IP, socket.IP_OPTIONS, SOURCE, V4, A4, connect))
    attempt('segment route', lambda: routed(socket.IPPROTO_IPV6, socket.IPV6_RTHDR, SEGMENTS, V6, A6, connect))
    attempt('destination options', lambda: routed(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, PADDING, V6, B6, connect))
    attempt('hop options', lambda: routed(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, PADDING, V6, B6, connect))
attempt('source route by message', lambda: by_message(socket.SOL_IP, socket.IP_RETOPTS, SOURCE, V4, A4))
attempt('segment route by message', lambda: by_message(socket.IPPROTO_IPV6, socket.IPV6_RTHDR, SEGMENTS, V6, A6))
"#;

/// Ways of [`ASTRAY`] that every kernel knows.
const WAYS: usize = 22;

#[test]
fn a_socket_connected_to_an_allowed_place_sends_nowhere_else() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &with_direct_udp()).unwrap();
    let astray = |packet: &Packet| {
        packet.contains(b"astray-marker")
            && !["203.0.113.66", "2001:db8:2::42"].contains(&&*packet.destination.to_string())
            || packet.contains(b"astray-marker") && packet.port == 443
    };
    // As root, with every capability and no filter on its calls.
    let outcome = lab.raw(AGENT).python(ASTRAY).unwrap();
    assert_eq!(outcome.stdout.lines().count(), 28, "{outcome:?}");
    lab.settle().unwrap();
    let packets = lab.internet.capture.matching(astray);
    assert!(packets.is_empty(), "{packets:?}");
    assert!(!outcome.stdout.contains("SENT"), "{outcome:?}");
    assert!(lab.internet.datagrams.containing(b"direct-marker").len() >= 18, "what is allowed arrived: {outcome:?}");

    let bystander = lab.bystander().python(ASTRAY).unwrap();
    lab.settle().unwrap();
    let packets = lab.internet.capture.matching(astray);
    assert!(packets.len() >= WAYS, "{} packets, {bystander:?}", packets.len());
    drop(daemon);
}

/// A QUIC client that tries, and goes on to TCP when its socket says no.
const QUIC: &str = r#"
import asyncio, errno, socket, sys, urllib.request
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
async def quic(host, patience):
    failed = asyncio.get_running_loop().create_future()
    class Client(QuicConnectionProtocol):
        def error_received(self, error):
            if not failed.done(): failed.set_result(error)
    async def run():
        async with connect(host, 443, configuration=QuicConfiguration(alpn_protocols=['h3']), create_protocol=Client): pass
    running = asyncio.ensure_future(run())
    await asyncio.wait([running, failed], return_when=asyncio.FIRST_COMPLETED, timeout=patience)
    running.cancel()
    return errno.errorcode[failed.result().errno] if failed.done() else 'no error'
host, patience = sys.argv[1], float(sys.argv[2])
print('QUIC', asyncio.run(quic(host, patience)), flush=True)
if len(sys.argv) > 3: print('TCP', urllib.request.urlopen(f'https://{host}/hello', timeout=20).read().decode())
"#;

#[test]
fn a_quic_client_is_told_at_once_and_goes_on_over_tcp() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-env/bin/python");
    assert!(std::path::Path::new(python).exists(), "{python} is missing: run `cargo xtask test`");
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = lab.agent(AGENT).run(&[python, "-c", QUIC, "api.allowed.test", "20", "and TCP"]).unwrap();
    assert_eq!(outcome.stdout.trim(), "QUIC EPERM\nTCP hello from api.allowed.test", "{outcome:?}");
    lab.settle().unwrap();
    let quic = |packet: &Packet| packet.protocol == Protocol::Udp && packet.port == 443;
    assert!(lab.internet.capture.matching(quic).is_empty());
    let record = daemon.record(|record| record["decision"] == "deny" && record["port"] == 443).unwrap();
    assert_eq!(record["agent_id"], AGENT);

    // The same client of nobody's does send: without an answer it would wait for its patience to end.
    let outcome = lab.bystander().run(&[python, "-c", QUIC, "api.allowed.test", "1"]).unwrap();
    assert_eq!(outcome.stdout.trim(), "QUIC no error", "{outcome:?}");
    lab.settle().unwrap();
    assert!(!lab.internet.capture.matching(quic).is_empty());
    drop(daemon);
}
