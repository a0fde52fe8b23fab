//! HTTP/2 by hand: what a client may do to a server, and WebSocket over it (RFC 8441).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Outcome, Service, Settings, python};
use serde_json::json;

const MIB: u64 = 1024 * 1024;

/// Frames by hand on a TLS connection with ALPN h2. `attack(name, data, times)` sends `data(n)` again and again until the other
/// side ends it, and says how.
const RAW: &str = r#"
import socket, ssl, struct, sys, time
import hpack
def talk(port=443):
    context = ssl.create_default_context(); context.set_alpn_protocols(['h2'])
    stream = context.wrap_socket(socket.create_connection(('api.allowed.test', port), timeout=15), server_hostname='api.allowed.test')
    stream.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + frame(4, 0, 0))
    return stream
def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + payload
def head(path='/hello', extra=(), method='GET'):
    fields = [(':method', method), (':scheme', 'https'), (':authority', 'api.allowed.test'), (':path', path), *extra]
    return hpack.Encoder().encode(fields, huffman=False)
def attack(name, data, times):
    stream = talk(); sent = 0
    try:
        for n in range(times):
            stream.sendall(data(n)); sent += 1
        stream.settimeout(10); got = b''
        while True:
            piece = stream.recv(65536)
            if not piece: break
            got += piece
        print(name, 'closed')
    except (ConnectionError, ssl.SSLError, BrokenPipeError): print(name, 'closed')
    except TimeoutError: print(name, 'open')
"#;

fn run(lab: &Lab, program: &str) -> Outcome {
    let program = format!("{RAW}{program}");
    lab.agent(AGENT).limit(Duration::from_secs(100)).run(&[python().to_str().unwrap(), "-c", &program]).unwrap()
}

#[test]
fn floods_end_their_connection_and_nothing_else() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    assert_eq!(lab.agent(AGENT).curl(&["--http2", "https://api.allowed.test/hello"]).unwrap().status, 200);
    let before = daemon.resident().unwrap();
    let outcome = run(
        &lab,
        r#"
# CVE-2023-44487: streams that are reset as soon as they are opened.
attack('reset', lambda n: frame(1, 5, 2 * n + 1, head()) + frame(3, 0, 2 * n + 1, struct.pack('>I', 8)), 20000)
# CVE-2024-27983 and its kin: a head without end, in CONTINUATION frames that fit every limit but their sum.
fields = hpack.Encoder().encode([('x-%d' % i, 'y' * 900) for i in range(15)], huffman=False)
attack('continuation', lambda n: frame(1, 1, 1, head()) if n == 0 else frame(9, 0, 1, fields), 3000)
attack('empty continuation', lambda n: frame(1, 1, 1, head()) if n == 0 else frame(9, 0, 1), 200000)
# A small frame that unfolds to a large head: one long field in the table, named again and again.
bomb = head(extra=[('x-long', 'z' * 3500)]) + b'\xbe' * 12000
attack('hpack bomb', lambda n: frame(1, 5, 2 * n + 1, bomb) , 1)
"#,
    );
    for flood in ["reset closed", "\ncontinuation closed", "empty continuation closed"] {
        assert!(outcome.stdout.contains(flood), "{outcome:?}");
    }
    assert!(outcome.stdout.contains("hpack bomb"), "{outcome:?}");
    // Others were and are served, and nothing of it stays.
    assert_eq!(lab.agent(AGENT).curl(&["--http2", "https://api.allowed.test/hello"]).unwrap().status, 200);
    let growth = daemon.resident().unwrap().saturating_sub(before);
    assert!(growth < 64 * MIB, "memory grew by {} MiB", growth / MIB);
    let seen = lab.internet.requests.all().len();
    assert!(seen < 1000, "{seen} requests of a flood went on");
}

#[test]
fn a_head_that_unfolds_to_too_much_reaches_nobody() {
    let lab = Lab::new().unwrap();
    let _daemon = Daemon::start(&lab, &Settings::with(json!({"limits": {"header_bytes": 16384}}))).unwrap();
    let outcome = run(
        &lab,
        r#"
import hyperframe.frame as f
stream = talk()
long = head(extra=[('x-long', 'z' * 3500)]) + b'\xbe' * 12000
stream.sendall(frame(1, 5, 1, long))
stream.settimeout(10); got = b''
try:
    while True:
        piece = stream.recv(65536)
        if not piece: break
        got += piece
        kinds, rest = [], got
        while len(rest) >= 9 and len(rest) >= 9 + int.from_bytes(rest[:3], 'big'):
            size = int.from_bytes(rest[:3], 'big')
            kinds.append((rest[3], hpack.Decoder().decode(rest[9:9 + size])[0] if rest[3] == 1 else None)); rest = rest[9 + size:]
        if any(kind in (1, 3, 7) for kind, _ in kinds): break
    print([kind for kind in kinds if kind[0] in (1, 3, 7)][0])
except (ConnectionError, ssl.SSLError): print('closed')
"#,
    );
    let refused = ["'431'", "(3, None)", "(7, None)", "closed"];
    assert!(refused.iter().any(|answer| outcome.stdout.contains(answer)), "{outcome:?}");
    assert!(lab.internet.requests.all().is_empty());
}

const SOCKETS: &str = r#"version: ws-h2
policies:
  - name: sockets
    agents: ["*"]
    rules:
      - name: looked-through
        hosts: [api.allowed.test]
        ports: [9443]
        decision: sanitize
        dlp: {redact: [pii], deny: [secrets]}
"#;

#[test]
fn websocket_over_h2_is_looked_into_as_well() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(SOCKETS)).unwrap();
    let origin = Service::start(&lab, "websocket_origin").unwrap();
    let outcome = run(
        &lab,
        r#"
import os
import h2.config, h2.connection, h2.events, h2.settings
context = ssl.create_default_context(); context.set_alpn_protocols(['h2'])
raw = context.wrap_socket(socket.create_connection(('api.allowed.test', 9443), timeout=15), server_hostname='api.allowed.test')
c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding='utf-8'))
c.initiate_connection(); raw.sendall(c.data_to_send())
def events():
    while True:
        piece = raw.recv(65536)
        if not piece: return
        for event in c.receive_data(piece):
            if isinstance(event, h2.events.DataReceived): c.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            raw.sendall(c.data_to_send()); yield event
inbound = events()
while not isinstance(next(inbound), h2.events.RemoteSettingsChanged): pass
print('connect', c.remote_settings.enable_connect_protocol)
def masked(first, payload):
    key = os.urandom(4)
    return bytes([first, 0x80 | len(payload)]) + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))
def open_stream(number, protocol='websocket'):
    c.send_headers(number, [(':method', 'CONNECT'), (':protocol', protocol), (':scheme', 'https'), (':authority', 'api.allowed.test:9443'), (':path', '/echo'), ('sec-websocket-version', '13')])
    raw.sendall(c.data_to_send())
    for event in inbound:
        if isinstance(event, h2.events.ResponseReceived) and event.stream_id == number: return dict(event.headers)[':status']
        if isinstance(event, h2.events.StreamReset) and event.stream_id == number: return 'reset'
print('status', open_stream(1), open_stream(3, 'webtransport'))
def read(end):
    got = b''
    for event in inbound:
        if isinstance(event, h2.events.DataReceived) and event.stream_id == 1: got += event.data
        if end(got): return got
        if isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)) and event.stream_id == 1: return got
c.send_data(1, masked(0x81, b'ssn 536-22-8741')); raw.sendall(c.data_to_send())
print(read(lambda got: len(got) >= 11))
c.send_data(1, masked(0x81, b'key AKIAQ3EGRTZYXNMB2LKJ')); raw.sendall(c.data_to_send())
got = read(lambda got: False)
print(got[0] == 0x88, struct.unpack('>H', got[2:4])[0], b'aws_key' in got)
"#,
    );
    assert!(outcome.stdout.starts_with("connect 1\nstatus 200 403\n"), "{outcome:?}");
    assert!(outcome.stdout.contains("b'\\x81\\tssn [SSN]'\n"), "{outcome:?}");
    assert!(outcome.stdout.contains("True 1008 True"), "{outcome:?}");
    let texts: Vec<String> = origin.seen().iter().filter_map(|line| Some(line["text"].as_str()?.to_owned())).collect();
    assert_eq!(texts, ["ssn [SSN]"]);
    let record = daemon.record(|record| record["path"] == "/echo").unwrap();
    assert_eq!((record["method"].as_str(), record["messages_out"].as_u64()), (Some("GET"), Some(1)), "{record}");
}
