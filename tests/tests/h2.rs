//! HTTP/2 by hand: what a client may do to a server, and WebSocket over it (RFC 8441).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{AGENT, Daemon, Lab, Outcome, SeenRequest, Service, Settings, python};
use serde_json::json;

const MIB: u64 = 1024 * 1024;

/// Frames by hand on a TLS connection with ALPN h2.
const FRAMES: &str = include_str!("../support/frames.py");

/// `attack(name, data, times)` sends `data(n)` again and again until the other side ends it, and says how.
const ATTACK: &str = r#"
def attack(name, data, times):
    stream = talk()
    try:
        for n in range(times): stream.sendall(data(n))
        stream.settimeout(10)
        while stream.recv(65536): pass
        print(name, 'closed')
    except (ConnectionError, ssl.SSLError, BrokenPipeError): print(name, 'closed')
    except TimeoutError: print(name, 'open')
"#;

fn run(lab: &Lab, program: &str) -> Outcome {
    let program = format!("{FRAMES}{ATTACK}{program}");
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

/// Floods of frames that cost the client little, each on a connection that stays open until the daemon ends it; nothing is read. Writes
/// what became of them to a file once all have been sent.
const HELD: &str = r#"
import json
held, said = [], {}
def flood(name, piece, count, at_once=200, settings=b''):
    stream = talk(settings=settings); stream.settimeout(0.5); held.append(stream)
    try:
        for n in range(0, count, at_once): stream.sendall(b''.join(piece(n + m) for m in range(at_once)))
        said[name] = 'taken'
    except TimeoutError: said[name] = 'blocked'
    except OSError: said[name] = 'closed'
def opened(first, piece): return lambda n: first + piece if n == 0 else piece
upload = frame(HEADERS, 4, 1, head('/sink', method='POST'))
flood('ping', lambda n: frame(PING, 0, 0, b'12345678'), 40000)
flood('settings', lambda n: frame(SETTINGS, 0, 0, struct.pack('>HI', 4, 65535 - n % 2)), 40000)
flood('priority', lambda n: frame(PRIORITY, 0, 2 * n + 1, struct.pack('>IB', 0, n % 256)), 40000)
flood('window', lambda n: frame(WINDOW_UPDATE, 0, 0, struct.pack('>I', 1)), 40000)
flood('unknown', lambda n: frame(99, 0, 0, b'x' * 20), 40000)
flood('empty data', opened(upload, frame(DATA, 0, 1)), 40000)
flood('padding', opened(upload, frame(DATA, 8, 1, b'\xff' + b'\0' * 255)), 10000)
flood('uploads', lambda n: frame(HEADERS, 4, 2 * n + 1, head('/sink', method='POST')), 4000)
# CVE-2025-8671: the server is made to reset what it has begun.
slow = head('/slow?ms=60000')
flood('made to reset', lambda n: frame(HEADERS, 5, 2 * n + 1, slow) + frame(WINDOW_UPDATE, 0, 2 * n + 1, b'\0\0\0\0'), 4000)
flood('made to reset by data', lambda n: frame(HEADERS, 5, 2 * n + 1, slow) + frame(DATA, 0, 2 * n + 1, b'x'), 4000)
# A window that never opens: what is answered has nowhere to go.
flood('no window', lambda n: frame(HEADERS, 5, 2 * n + 1, head('/bytes/50000000')), 100, 100, struct.pack('>HI', 4, 0))
open(sys.argv[1] + '.new', 'w').write(json.dumps(said)); import os; os.rename(sys.argv[1] + '.new', sys.argv[1])
time.sleep(600)
"#;

#[test]
fn what_costs_a_client_little_costs_the_daemon_little() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    assert_eq!(lab.agent(AGENT).curl(&["--http2", "https://api.allowed.test/hello"]).unwrap().status, 200);
    let (before, done) = (daemon.resident().unwrap(), lab.path("home").join("done"));
    let program = format!("{FRAMES}{HELD}");
    let command = [python().to_str().unwrap().to_owned(), "-c".into(), program, done.display().to_string()];
    let mut client = lab.agent(AGENT).limit(Duration::from_secs(100)).start(&command).unwrap();
    let mut most = before;
    let said = wait_for(Duration::from_secs(60), || {
        most = daemon.resident().unwrap().max(most);
        let gone = (!client.running()).then(String::new);
        std::fs::read_to_string(&done).ok().or(gone)
    });
    let Some(said) = said.filter(|said| !said.is_empty()) else { panic!("{:?}", client.finish()) };
    // While all of that is open others are served.
    for version in ["--http1.1", "--http2"] {
        let answer = lab.agent(AGENT).curl(&[version, "https://index.allowed.test/nothing"]).unwrap();
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    most = daemon.resident().unwrap().max(most);
    let growth = most.saturating_sub(before);
    eprintln!("{said}, memory grew by {} KiB", growth / 1024);
    assert!(growth < 64 * MIB, "memory grew by {} MiB: {said}", growth / MIB);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    for flood in ["made to reset", "made to reset by data"] {
        assert_ne!(said[flood], "taken", "{said}");
    }
    let seen = lab.internet.requests.all().len();
    assert!(seen < 2500, "{seen} requests of a flood went on");
    drop(client);
    let gone = || daemon.metric("aegis_flows_active").ok().flatten().filter(|open| *open == 0.0);
    assert!(wait_for(Duration::from_secs(10), gone).is_some(), "connections are still held");
}

/// Many bodies that are refused while they stream, and others on the same connection: origins end connections on which many streams are
/// reset, so that what its first piece refuses must not open one.
#[test]
fn what_is_refused_on_many_streams_harms_none_beside_it() {
    let lab = Lab::new().unwrap();
    let _daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = run(
        &lab,
        r#"
bad, good = range(1, 201, 2), range(201, 221, 2)
stream = talk()
for n in bad: stream.sendall(frame(HEADERS, 4, n, head('/echo', method='POST')) + frame(DATA, 1, n, b'key AKIAQ3EGRTZYXNMB2LKJ'))
for n in good: stream.sendall(frame(HEADERS, 4, n, head('/echo', method='POST')) + frame(DATA, 1, n, b'ssn 536-22-8741'))
decoder, status = hpack.Decoder(), {}
for kind, flags, on, payload in frames_in(stream):
    if kind == HEADERS: status[on] = dict(decoder.decode(payload))[':status']
    if kind == RST_STREAM: status.setdefault(on, 'reset')
    if len(status) == 110: break
print({status[n] for n in bad}, {status[n] for n in good})
"#,
    );
    assert_eq!(outcome.stdout, "{'403'} {'200'}\n", "{outcome:?}");
    let seen = lab.internet.requests.all();
    let bodies: Vec<String> = seen.iter().filter(|request| request.complete).map(SeenRequest::text).collect();
    assert_eq!(bodies, vec!["ssn [SSN]"; 10]);
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
