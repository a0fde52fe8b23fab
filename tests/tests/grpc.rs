//! gRPC through the proxy, with grpcio on both sides: status and trailers intact, each message looked into.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Outcome, Service, Settings, python};
use serde_json::Value;

const POLICY: &str = r#"version: grpc-1
policies:
  - name: calls
    agents: ["*"]
    rules:
      - name: forbidden
        hosts: [api.allowed.test]
        ports: [9443]
        paths: [/lab.Echo/Forbidden]
        decision: deny
        reason: "this method is forbidden"
      - name: looked-through
        hosts: [api.allowed.test]
        ports: [9443]
        decision: sanitize
        dlp: {redact: [pii], deny: [secrets]}
"#;

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";

const PRELUDE: &str = r#"
import queue, grpc
channel = grpc.secure_channel('api.allowed.test:9443', grpc.ssl_channel_credentials())
def text(s): return b'\x0a' + bytes([len(s.encode())]) + s.encode()
def plain(m): return m[2:].decode()
def failed(e): print('failed', e.code().name, e.details())
unary = channel.unary_unary('/lab.Echo/Unary')
both = channel.stream_stream('/lab.Echo/Both')
"#;

fn run(lab: &Lab, program: &str) -> Outcome {
    let program = format!("{PRELUDE}{program}");
    lab.agent(AGENT).limit(Duration::from_secs(60)).run(&[python().to_str().unwrap(), "-c", &program]).unwrap()
}

fn start(lab: &Lab) -> (Daemon<'_>, Service) {
    let daemon = Daemon::start(lab, &Settings::policy(POLICY)).unwrap();
    (daemon, Service::start(lab, "grpc_origin").unwrap())
}

fn texts(origin: &Service) -> Vec<String> {
    origin.seen().iter().filter_map(|line| line["text"].as_str().map(str::to_owned)).collect()
}

#[test]
fn status_and_trailers_are_intact_in_every_kind_of_call() {
    let lab = Lab::new().unwrap();
    let (daemon, origin) = start(&lab);
    let outcome = run(
        &lab,
        r#"
answer, call = unary.with_call(text('hello'), timeout=20, metadata=(('x-mine', '1'),))
print(plain(answer), dict(call.initial_metadata())['x-initial'], sorted((k, v) for k, v in call.trailing_metadata()))
try: unary(text('fail'), timeout=20)
except grpc.RpcError as e: failed(e); print(dict(e.trailing_metadata())['x-trailing'])
print(plain(channel.stream_unary('/lab.Echo/Collect')(iter([text('a'), text('b'), text('c')]), timeout=20)))
call = channel.unary_stream('/lab.Echo/Each')(text('x'), timeout=20)
print([plain(m) for m in call], dict(call.trailing_metadata())['x-trailing'])
mine = queue.Queue()
call = both(iter(mine.get, None), timeout=20)
for n in range(3):
    mine.put(text(f'turn {n}')); print(plain(next(call)))
mine.put(None); print(list(call), call.code().name)
try: channel.unary_unary('/lab.Echo/None')(text('x'), timeout=20)
except grpc.RpcError as e: failed(e)
"#,
    );
    let expected = "hello yes [('x-bytes-bin', b'\\x00\\x01'), ('x-trailing', 'yes')]\nfailed NOT_FOUND nothing here, größer\nyes\na,b,c\n['x', 'x', 'x'] each\nturn 0\nturn 1\nturn 2\n[] OK\nfailed UNIMPLEMENTED Method not found!\n";
    assert_eq!(outcome.stdout, expected, "{outcome:?}");
    let called = origin.wait(|line| line["kind"] == "unary").unwrap();
    assert!(called["metadata"].to_string().contains("x-mine"), "{called}");
    let record = daemon.record(|record| record["path"] == "/lab.Echo/Both").unwrap();
    assert_eq!((record["decision"].as_str(), record["error"].as_str()), (Some("sanitize"), None), "{record}");
}

#[test]
fn messages_are_redacted_one_by_one_and_stay_messages() {
    let lab = Lab::new().unwrap();
    let (daemon, origin) = start(&lab);
    let outcome = run(
        &lab,
        r#"
print(plain(unary(text('ssn 536-22-8741 and more'), timeout=20)))
mine = queue.Queue()
call = both(iter(mine.get, None), timeout=20)
for s in ('to jane.doe@corp.example', 'plain'):
    mine.put(text(s)); print(plain(next(call)))
mine.put(None); list(call); print(call.code().name)
print(plain(channel.unary_unary('/lab.Echo/Unary')(text('gzip 536-22-8741 ' * 5), timeout=20, compression=grpc.Compression.Gzip)))
"#,
    );
    let gzipped = "gzip [SSN] ".repeat(5);
    assert_eq!(outcome.stdout, format!("ssn [SSN] and more\nto [EMAIL]\nplain\nOK\n{gzipped}\n"), "{outcome:?}");
    assert_eq!(texts(&origin), ["ssn [SSN] and more", "to [EMAIL]", "plain", &gzipped]);
    let record = daemon.record(|record| record["path"] == "/lab.Echo/Both").unwrap();
    assert!(record["findings"].to_string().contains("grpc:"), "{record}");
}

#[test]
fn a_denial_is_a_status_before_and_in_the_middle_of_a_stream() {
    let lab = Lab::new().unwrap();
    let (daemon, origin) = start(&lab);
    let outcome = run(
        &lab,
        &format!(
            r#"
try: channel.unary_unary('/lab.Echo/Forbidden')(text('x'), timeout=20)
except grpc.RpcError as e: failed(e)
try: unary(text('{KEY}'), timeout=20)
except grpc.RpcError as e: failed(e)
try: unary(text('x'), timeout=20, metadata=(('x-note', '{KEY}'),))
except grpc.RpcError as e: failed(e)
mine = queue.Queue()
call = both(iter(mine.get, None), timeout=20)
mine.put(text('fine')); print(plain(next(call)))
mine.put(text('{KEY}'))
try: print(next(call))
except grpc.RpcError as e: failed(e)
mine.put(None)
print(plain(unary(text('goes on'), timeout=20)))
"#
        ),
    );
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 6, "{outcome:?}");
    assert_eq!(
        (lines[0], lines[3], lines[5]),
        ("failed PERMISSION_DENIED this method is forbidden", "fine", "goes on")
    );
    for line in [lines[1], lines[2], lines[4]] {
        assert!(line.starts_with("failed PERMISSION_DENIED") && line.contains("aws_key"), "{outcome:?}");
        assert!(!line.contains(KEY), "{outcome:?}");
    }
    assert_eq!(texts(&origin), ["fine", "goes on"]);
    let denied = |record: &Value| record["path"] == "/lab.Echo/Both" && record["decision"] == "deny";
    let record = daemon.record(denied).unwrap();
    assert!(record["reason"].as_str().unwrap().contains("aws_key"), "{record}");
}
