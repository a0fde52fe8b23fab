//! Fields behind a request's body, over HTTP/2: they go on with every kind of body, looked through as header fields are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, SeenRequest, Settings, python};

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";

/// `read`: the body is parsed before the decision. `unread`: nobody looks at anything.
const POLICY: &str = r#"version: trailers-1
policies:
  - name: trailers
    agents: ["*"]
    rules:
      - name: unread
        hosts: [api.allowed.test]
        paths: ["/hello/unread/**"]
        decision: allow
      - name: read
        hosts: [api.allowed.test]
        paths: ["/hello/read/**"]
        body: [{path: n, op: "<=", value: 5}]
        decision: sanitize
        dlp: {redact: [pii], deny: [secrets]}
      - name: looked-through
        hosts: [api.allowed.test]
        paths: ["/hello/plain/**", "/lab.Echo/**"]
        decision: sanitize
        dlp: {redact: [pii], deny: [secrets]}
"#;

const FRAMES: &str = include_str!("../support/frames.py");

/// `post(path, body, trailers)` sends a request with its body's length, or without, and prints what became of it.
const POST: &str = r#"
def post(path, body, trailers, length=True, kind='text/plain'):
    extra = [('content-type', kind)] + ([('content-length', str(len(body)))] if length else [])
    data = frame(DATA, 0, 1, body) if body else b''
    stream = talk()
    stream.sendall(frame(HEADERS, 4, 1, head(path, extra, 'POST')) + data + frame(HEADERS, 5, 1, fields(*trailers)))
    print(path, outcome(stream))
def grpc(text): return b'\0' + struct.pack('>I', len(text) + 2) + bytes([0x0a, len(text)]) + text
ssn, grpc_type, json_type = b'ssn 536-22-8741', 'application/grpc', 'application/json'
"#;

fn trailers(request: &SeenRequest) -> Vec<(&str, &str)> {
    request.trailers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn go_on_behind_every_kind_of_body() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(POLICY)).unwrap();
    let program = format!(
        r#"{FRAMES}{POST}
some = [('x-sum', '1'), ('x-by', 'jane.doe@corp.example'), ('authorization', 'Bearer 1'), ('content-length', '5')]
for length in (True, False):
    n = 'short' if length else 'open'
    post('/hello/plain/' + n, ssn, some, length)
    post('/hello/plain/empty/' + n, b'', some, length)
    post('/hello/read/' + n, b'{{"n": 1, "to": "jane.doe@corp.example"}}', some, length, json_type)
    post('/hello/unread/' + n, ssn, some, length)
    post('/lab.Echo/' + n, grpc(ssn), some, length, grpc_type)
    for path, body, kind in (('plain', ssn, 'text/plain'), ('plain/empty', b'', 'text/plain'), ('read', b'{{"n": 1}}', json_type)):
        post('/hello/' + path + '/denied/' + n, body, [('x-sum', 'key {KEY}')], length, kind)
    post('/lab.Echo/denied/' + n, grpc(ssn), [('x-sum', 'key {KEY}')], length, grpc_type)
"#
    );
    let outcome =
        lab.agent(AGENT).limit(Duration::from_secs(60)).run(&[python().to_str().unwrap(), "-c", &program]).unwrap();
    let mut answers: Vec<(&str, &str)> = outcome.stdout.lines().filter_map(|line| line.split_once(' ')).collect();
    assert_eq!(answers.len(), 18, "{outcome:?}");
    let seen = lab.internet.requests.all();
    assert!(!seen.iter().any(|request| request.complete && request.path.contains("denied")), "{seen:?}");
    assert!(!seen.iter().any(|request| trailers(request).iter().any(|(_, value)| value.contains(KEY))), "{seen:?}");
    answers.retain(|(path, answer)| {
        let denied = path.contains("denied");
        match path {
            _ if denied && path.starts_with("/lab.Echo") => assert_eq!(*answer, "200 grpc 7", "{path}"),
            _ if denied => assert_eq!(*answer, "403", "{path}: {outcome:?}"),
            // The origin knows no such path.
            _ if path.starts_with("/lab.Echo") => assert!(answer.starts_with("404"), "{path} {answer}"),
            _ => assert_eq!(*answer, "200", "{path}: {outcome:?}"),
        }
        !denied
    });
    for (path, _) in answers {
        let request = seen.iter().find(|request| request.path == path).unwrap();
        let by = if path.contains("/unread/") { "jane.doe@corp.example" } else { "[EMAIL]" };
        assert_eq!(trailers(request), [("x-sum", "1"), ("x-by", by)], "{request:?}");
        let open = path == "/hello/unread/short" || path == "/hello/unread/open";
        assert!(request.complete && open == request.text().contains("536-22"), "{request:?}");
        if path.contains("/read/") {
            assert_eq!(request.text(), r#"{"n": 1, "to": "[EMAIL]"}"#);
        }
    }
    let record = daemon.record(|record| record["path"] == "/hello/read/denied/open").unwrap();
    assert!(record["findings"].to_string().contains("header:x-sum"), "{record}");
    let record = daemon.record(|record| record["path"] == "/hello/plain/short").unwrap();
    assert_eq!((record["decision"].as_str(), record["error"].as_str()), (Some("sanitize"), None), "{record}");
}
