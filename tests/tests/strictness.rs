//! What can be read in two ways, or not at all, gets nowhere: judged by what the origin received.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aegis_tests::{AGENT, Daemon, Lab, Settings};

/// Sends each of the byte strings on a TLS connection of its own and prints the status line that came back, or `closed`.
const SEND_RAW: &str = r#"
import json, socket, ssl, sys
context = ssl.create_default_context()
context.set_alpn_protocols(["http/1.1"])
for text in json.loads(sys.stdin.read()):
    raw = socket.create_connection(("api.allowed.test", 443), timeout=10)
    stream = context.wrap_socket(raw, server_hostname="api.allowed.test")
    stream.settimeout(10)
    try:
        stream.sendall(text.encode("latin-1"))
        answer = b""
        while b"\r\n" not in answer:
            piece = stream.recv(65536)
            if not piece:
                break
            answer += piece
        print(answer.split(b"\r\n")[0].decode("latin-1") or "closed")
    except (ConnectionError, ssl.SSLError, BrokenPipeError):
        print("closed")
    stream.close()
"#;

fn send_raw(lab: &Lab, requests: &[String]) -> Vec<String> {
    let input = serde_json::to_string(requests).unwrap();
    let outcome = lab.agent(AGENT).input(input).python(SEND_RAW).unwrap();
    assert!(outcome.ok(), "{}", outcome.stderr);
    outcome.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn ambiguous_requests_never_reach_the_origin_as_they_came() {
    let lab = Lab::new().unwrap();
    let _daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    // The client is able to: a plain request passes.
    let plain = "GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\nConnection: close\r\n\r\n".to_owned();
    assert_eq!(send_raw(&lab, &[plain]), ["HTTP/1.1 200 OK"]);
    lab.internet.requests.clear();

    let requests: Vec<String> = [
        // two Hosts
        "GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\nHost: denied.test\r\n\r\n",
        // no Host
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.0\r\n\r\n",
        // absolute form against Host
        "GET https://denied.test/ HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n",
        // a proxy inside the proxy
        "CONNECT denied.test:443 HTTP/1.1\r\nHost: denied.test:443\r\n\r\n",
        // h2c, half a WebSocket handshake, and one with a body
        "GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 4\r\n\r\nabcd",
        // folded field, space before the colon, control characters
        "GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\nX-A: one\r\n two\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : api.allowed.test\r\n\r\n",
        "GET /hel\x00lo HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n",
        // two lengths, a length that is none, a coding after chunked
        "POST /echo HTTP/1.1\r\nHost: api.allowed.test\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: api.allowed.test\r\nContent-Length: +4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: api.allowed.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.0\r\nHost: api.allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: api.allowed.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        // a fold before the first field, a name that is none, a lone CR
        "GET /hello HTTP/1.1\r\n X-A: 1\r\nHost: api.allowed.test\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\nX\x0b: 1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: api.allowed.test\rX-Hidden: 1\r\n\r\n",
        // a type that is two
        "POST /echo HTTP/1.1\r\nHost: api.allowed.test\r\nContent-Type: application/grpc, application/json\r\nContent-Length: 2\r\n\r\n{}",
        // absolute form of another scheme and port, an authority with user information
        "GET https://api.allowed.test:8443/hello HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n",
        "GET https://denied.test@api.allowed.test/hello HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n",
    ]
    .map(str::to_owned)
    .into();
    let answers = send_raw(&lab, &requests);
    for (request, answer) in requests.iter().zip(&answers) {
        assert!(
            answer == "closed" || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"),
            "{request:?} got {answer:?}"
        );
    }
    assert_eq!(answers.len(), requests.len());
    assert!(lab.internet.requests.all().is_empty(), "{:?}", lab.internet.requests.all());
}

#[test]
fn a_request_hidden_behind_another_is_decided_by_itself() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let hidden = "GET /forbidden HTTP/1.1\r\nHost: api.allowed.test\r\nX-Hidden: 1\r\n\r\n";
    let requests = [
        // both lengths: whoever believes Content-Length takes the second request for the first one's body
        format!(
            "POST /echo HTTP/1.1\r\nHost: api.allowed.test\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
            5 + hidden.len()
        ),
        // a body that pretends to be shorter than it is
        format!("POST /echo HTTP/1.1\r\nHost: api.allowed.test\r\nContent-Length: 0\r\n\r\n{hidden}"),
        // honest pipelining
        format!("GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n{hidden}"),
    ];
    send_raw(&lab, &requests);
    let refused = daemon.record(|record| record["path"] == "/forbidden" && record["decision"] == "deny");
    assert!(refused.is_ok(), "the hidden request was never decided: {refused:?}");
    for seen in lab.internet.requests.all() {
        assert!(seen.path != "/forbidden" && seen.header("x-hidden").is_none(), "{seen:?}");
        assert!(!seen.text().contains("/forbidden"), "hidden inside a body: {seen:?}");
    }
}

/// What some servers take for the end of a line, of a size or of a body and others do not: Aegis reads it in one way, and what goes on
/// is written anew, so that the origin reads it in the same.
#[test]
fn lines_and_chunks_are_read_in_one_way_and_written_anew() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let hidden = "GET /forbidden HTTP/1.1\r\nHost: api.allowed.test\r\nX-Hidden: 1\r\n\r\n";
    let chunked = "POST /echo HTTP/1.1\r\nHost: api.allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let requests: Vec<String> = [
        // bare line feeds in the head: they end lines, for the origin too
        "GET /hello HTTP/1.1\nHost: api.allowed.test\nX-One: 1\nConnection: close\n\n".to_owned(),
        // in chunks: a size ended by a line feed, one with a line feed in its extension, one in disguise, one that overflows
        format!("{chunked}2\nab\r\n0\r\n\r\n{hidden}"),
        format!("{chunked}2;x\nab\r\n0\r\n\r\n{hidden}"),
        format!("{chunked}0x2\r\nab\r\n0\r\n\r\n{hidden}"),
        format!("{chunked}+2\r\nab\r\n0\r\n\r\n{hidden}"),
        format!("{chunked}10000000000000002\r\nab\r\n0\r\n\r\n{hidden}"),
        // more behind a chunk than its size says
        format!("{chunked}2\r\nabc\r\n0\r\n\r\n{hidden}"),
    ]
    .into();
    let answers = send_raw(&lab, &requests);
    assert_eq!(answers.len(), requests.len());
    let seen = lab.internet.requests.all();
    let first = seen.iter().find(|request| request.path == "/hello");
    assert!(first.is_none_or(|first| first.header("x-one") == Some("1")), "{first:?}");
    for answer in answers.iter().skip(1) {
        assert!(
            answer == "closed" || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"),
            "{answers:?}"
        );
    }
    for request in &seen {
        assert!(request.path != "/forbidden" && request.header("x-hidden").is_none(), "{request:?}");
        assert!(!request.text().contains("/forbidden"), "hidden inside a body: {request:?}");
    }
    drop(daemon);
}

#[test]
fn heads_without_end_are_cut_off() {
    let lab = Lab::new().unwrap();
    let settings = Settings::with(serde_json::json!({"limits": {"header_bytes": 16384, "headers": 64}}));
    let _daemon = Daemon::start(&lab, &settings).unwrap();
    let long = format!("GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\nX-Long: {}\r\n\r\n", "a".repeat(64 * 1024));
    let many = format!("GET /hello HTTP/1.1\r\nHost: api.allowed.test\r\n{}\r\n", "X-Many: 1\r\n".repeat(200));
    for answer in send_raw(&lab, &[long, many]) {
        assert!(answer == "closed" || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    assert!(lab.internet.requests.all().is_empty());
}

#[test]
fn a_silent_connection_is_closed_after_its_time() {
    let lab = Lab::new().unwrap();
    let settings = Settings::with(serde_json::json!({"limits": {"handshake_timeout_ms": 300, "idle_timeout_s": 1}}));
    let daemon = Daemon::start(&lab, &settings).unwrap();
    let outcome = lab
        .agent(AGENT)
        .python(
            r#"
import socket, ssl
# nothing at all; half a ClientHello; half a request head
silent = socket.create_connection(("api.allowed.test", 443), timeout=20)
half = socket.create_connection(("api.allowed.test", 443), timeout=20)
half.sendall(b"\x16\x03\x01\x02\x00\x01")
raw = socket.create_connection(("api.allowed.test", 443), timeout=20)
head = ssl.create_default_context().wrap_socket(raw, server_hostname="api.allowed.test")
head.sendall(b"GET /hello HTTP/1.1\r\nHost: api.allo")
for stream in (silent, half, head):
    try:
        left = stream.recv(4096)
        print("closed" if not left or left.startswith(b"HTTP/1.1 408") else left)
    except (ConnectionError, ssl.SSLError):
        print("closed")
"#,
        )
        .unwrap();
    assert_eq!(outcome.stdout, "closed\nclosed\nclosed\n", "{}", outcome.stderr);
    assert!(lab.internet.requests.all().is_empty());
    let gone = aegis_tests::lab::wait_for(std::time::Duration::from_secs(10), || {
        daemon.metric("aegis_flows_active").ok().flatten().filter(|open| *open == 0.0)
    });
    assert!(gone.is_some(), "connections are still held");
}
