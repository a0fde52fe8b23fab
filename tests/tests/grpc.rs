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
        (
            "failed PERMISSION_DENIED this method is forbidden. Don't repeat the request; rule calls/forbidden refuses it as it is.",
            "fine",
            "goes on"
        )
    );
    for line in [lines[1], lines[2], lines[4]] {
        assert!(line.starts_with("failed PERMISSION_DENIED") && line.contains("aws_key ("), "{outcome:?}");
        assert!(line.ends_with("Remove the aws_key from the request and send it again."), "{outcome:?}");
        assert!(!line.contains(KEY), "{outcome:?}");
    }
    assert_eq!(texts(&origin), ["fine", "goes on"]);
    let denied = |record: &Value| record["path"] == "/lab.Echo/Both" && record["decision"] == "deny";
    let record = daemon.record(denied).unwrap();
    assert!(record["reason"].as_str().unwrap().contains("aws_key"), "{record}");
}

const WITH_DESCRIPTORS: &str = r#"version: grpc-2
protobuf: [{descriptors: people.binpb}]
policies:
  - name: calls
    agents: ["*"]
    rules:
      - name: large
        hosts: [api.allowed.test]
        ports: [9443]
        paths: [/lab.v1.People/Add]
        body: [{path: balance, op: ">", value: 100}]
        decision: deny
        reason: "the balance is above 100"
      - name: looked-through
        hosts: [api.allowed.test]
        ports: [9443]
        decision: sanitize
        dlp: {redact: [pii], responses: {redact: [pii]}}
"#;

const PERSON: &str = r#"
def varint(n): return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)
def text_of(field, s): return varint(field << 3 | 2) + varint(len(s)) + s
def number(field, n): return varint(field << 3) + varint(n)
add = channel.unary_unary('/lab.v1.People/Add')
unknown = channel.unary_unary('/lab.v1.People/Unknown')
# name, ssn, card: without a descriptor nobody says that the last two are what they are.
person = text_of(1, b'Ada') + text_of(2, b'523456789') + number(3, 4111111111111111)
"#;

fn described(lab: &Lab) -> (Daemon<'_>, Service) {
    let policies = lab.path("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("policy.yaml"), WITH_DESCRIPTORS).unwrap();
    let people = include_bytes!("../../aegis-dlp/tests/support/proto/people.binpb");
    std::fs::write(policies.join("people.binpb"), people).unwrap();
    let settings = Settings { policy: None, ..Settings::with(serde_json::json!({"policies": policies})) };
    (Daemon::start(lab, &settings).unwrap(), Service::start(lab, "grpc_origin").unwrap())
}

/// What the origin got, as bytes in hexadecimal digits.
fn raw(origin: &Service, path: &str) -> Vec<String> {
    let of = |line: &Value| (line["path"] == path).then(|| line["hex"].as_str().map(str::to_owned)).flatten();
    origin.seen().iter().filter_map(of).collect()
}

#[test]
fn with_descriptors_names_are_context_and_numbers_are_read_both_ways() {
    let lab = Lab::new().unwrap();
    let (daemon, origin) = described(&lab);
    let program = format!(
        "{PERSON}
print(unknown(person, timeout=20).hex())
print(add(person, timeout=20).hex())
print(add(person, timeout=20, compression=grpc.Compression.Gzip).hex())
"
    );
    let outcome = run(&lab, &program);
    let (ssn, card) = ("523456789", "c7e3a3ab8ae1a607");
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let answer = format!("0a09{}10{card}", hex(ssn));
    let masked = format!("0a05{}1000", hex("[SSN]"));
    assert_eq!(outcome.stdout, format!("{answer}\n{masked}\n{masked}\n"), "{outcome:?}");
    let head = format!("0a03{}", hex("Ada"));
    // What is of no known method leaves as it came.
    assert_eq!(raw(&origin, "Unknown"), [format!("{head}1209{}18{card}", hex(ssn))]);
    assert_eq!(raw(&origin, "Add"), vec![format!("{head}1205{}1800", hex("[SSN]")); 2]);
    let record = daemon.record(|record| record["path"] == "/lab.v1.People/Add").unwrap();
    let findings = record["findings"].to_string();
    for place in ["grpc:1/ssn", "grpc:1/card", "response!grpc:1/ssn", "response!grpc:1/card"] {
        assert!(findings.contains(place), "{place}: {findings}");
    }
    assert!(!findings.contains(ssn) && !findings.contains("4111"), "{findings}");
}

#[test]
fn conditions_hold_for_the_fields_of_a_unary_call() {
    let lab = Lab::new().unwrap();
    let (daemon, origin) = described(&lab);
    // balance is a sint64: 100 is 200 on the wire. Of two balances nobody knows which the origin takes.
    let program = format!(
        "{PERSON}
def tried(message):
    try: add(message, timeout=20); print('passed')
    except grpc.RpcError as e: failed(e)
tried(number(5, 200))
tried(number(5, 202))
tried(number(5, 202) + number(5, 2))
tried(number(1, 7))
tried(text_of(1, b'no balance'))
"
    );
    let outcome = run(&lab, &program);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{outcome:?}");
    assert_eq!((lines[0], lines[4]), ("passed", "passed"), "{outcome:?}");
    for line in &lines[1..4] {
        assert!(line.starts_with("failed PERMISSION_DENIED"), "{outcome:?}");
    }
    assert!(lines[1].contains("above 100"), "{outcome:?}");
    assert_eq!(raw(&origin, "Add").len(), 2);
    let denied = daemon.record(|record| record["decision"] == "deny").unwrap();
    assert_eq!(denied["rule"], "calls/large", "{denied}");
}

#[test]
fn a_policy_that_asks_for_more_ends_an_open_stream_with_a_status() {
    let lab = Lab::new().unwrap();
    let open = POLICY.replace("decision: sanitize\n        dlp: {redact: [pii], deny: [secrets]}", "decision: allow");
    assert!(!open.contains("dlp"));
    let daemon = Daemon::start(&lab, &Settings::policy(&open)).unwrap();
    let origin = Service::start(&lab, "grpc_origin").unwrap();
    let program = format!(
        "{PRELUDE}
mine = queue.Queue()
call = both(iter(mine.get, None), timeout=30)
mine.put(text('first')); print(plain(next(call)), flush=True)
try: print(next(call))
except grpc.RpcError as e: failed(e)
mine.put(None)
"
    );
    let client = lab.agent(AGENT).start(&[python().to_str().unwrap(), "-c", &program]).unwrap();
    origin.wait(|line| line["text"] == "first").unwrap();
    std::fs::write(lab.path("policy.yaml"), POLICY).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP).unwrap();
    let outcome = client.finish().unwrap();
    assert!(outcome.stdout.starts_with("first\nfailed PERMISSION_DENIED cut off"), "{outcome:?}");
}

const FRAMED: &str = r#"version: grpc-3
policies:
  - name: calls
    agents: ["*"]
    rules:
      - {name: hands-off, hosts: [api.allowed.test], ports: [443], tools: [lab.Echo/Delete], decision: deny}
      - {name: looked-through, hosts: [api.allowed.test], ports: [443], paths: [/lab.Read/*], decision: sanitize,
         dlp: {redact: [pii], deny: [secrets]}}
      - {name: rest, hosts: [api.allowed.test], ports: [443], decision: allow}
"#;

/// Messages whose prefix does not say what they are, to a method that passes unread and to one that is looked through.
const PREFIXES: &str = r#"
message = b'\x0a\x02ok'
def prefix(length, flag=0): return bytes([flag]) + struct.pack('>I', length)
good = prefix(4) + message
json = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_repo"}}'
cases = {
    'One': (good,), 'Two': (good + good[:3], good[3:]), 'None': (b'',),
    'TooLong': (prefix(100) + message,), 'TooShort': (prefix(2) + message,), 'ShortOfJson': (prefix(0) + json,),
    'Flag': (prefix(4, 7) + message,), 'Huge': (prefix(0x10000000) + message,), 'Json': (json,),
    'CutPrefix': (good + good[:3],), 'CutMessage': (good, good[:7]), 'CutLater': (good[:6], b''),
    'NoCoding': (prefix(4, 1) + message,), 'NotGzip': (prefix(4, 1) + message,),
}
for service in ('Echo', 'Read'):
    for name, (*before, last) in cases.items():
        # The end comes with the last message, or behind it with trailers.
        for trailing in (False, True) if name in ('Two', 'TooLong', 'CutMessage') else (False,):
            path = f'/lab.{service}/{name}' + str(trailing)
            more = [('content-type', 'application/grpc'), ('te', 'trailers')] + [('grpc-encoding', 'gzip')] * (name == 'NotGzip')
            stream = talk(443)
            body = b''.join(frame(DATA, 0, 1, piece) for piece in before)
            end = frame(DATA, 0, 1, last) + frame(HEADERS, 5, 1, fields(('x-a', '1'))) if trailing else frame(DATA, 1, 1, last)
            stream.sendall(frame(HEADERS, 4, 1, head(path, more, method='POST')) + body + end)
            print(path, outcome(stream))
"#;

#[test]
fn messages_that_are_not_what_their_prefix_says_are_no_messages() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(FRAMED)).unwrap();
    let program = format!("{}{PREFIXES}", include_str!("../support/frames.py"));
    let outcome =
        lab.agent(AGENT).limit(Duration::from_secs(60)).run(&[python().to_str().unwrap(), "-c", &program]).unwrap();
    assert_eq!(outcome.stdout.lines().count(), 34, "{outcome:?}");
    let seen = lab.internet.requests.all();
    for line in outcome.stdout.lines() {
        let (path, answer) = line.split_once(' ').unwrap();
        let whole: Vec<_> = seen.iter().filter(|request| request.path == path && request.complete).collect();
        // A flag with no coding behind it is for the server to refuse, where nobody is to look.
        let unread = path.starts_with("/lab.Echo/No");
        if ["/One", "/Two", "/None"].iter().any(|name| path.contains(name)) || unread {
            // What this origin says of any file that it does not have.
            assert_eq!((answer, whole.len()), ("404", 1), "{path}: {seen:?}");
        } else {
            // RESOURCE_EXHAUSTED: what cannot be read.
            assert_eq!((answer, whole.len()), ("200 grpc 8", 0), "{path}: {seen:?}");
        }
    }
    assert!(!seen.iter().any(|request| request.text().contains("jsonrpc")), "{seen:?}");
    let denied = |record: &Value| record["path"] == "/lab.Echo/TooLongFalse" && record["decision"] == "deny";
    let record = daemon.record(denied).unwrap();
    assert_eq!(record["tool"], "lab.Echo/TooLongFalse", "{record}");
}
