//! Each request is decided on its own authority, which has to be the name that the connection was opened for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aegis_tests::{AGENT, Daemon, Lab, Outcome, Settings};

/// `exchange(sni, requests)`: one TLS connection, several raw requests, prints each status line.
const CLIENT: &str = r#"
import socket, ssl, sys
def connect(sni, to='203.0.113.10', port=443):
    context = ssl.create_default_context()
    context.check_hostname = False
    if sni is None: context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(['http/1.1'])
    return context.wrap_socket(socket.create_connection((to, port), timeout=15), server_hostname=sni)
def exchange(stream, request):
    stream.sendall(request.replace('\n', '\r\n').encode())
    answer = b''
    while b'\r\n\r\n' not in answer:
        piece = stream.recv(65536)
        if not piece: break
        answer += piece
    head, _, body = answer.partition(b'\r\n\r\n')
    for line in head.split(b'\r\n'):
        if line.lower().startswith(b'content-length:'):
            while len(body) < int(line.split(b':')[1]): body += stream.recv(65536)
    print(head.split(b'\r\n')[0].decode() if head else 'closed', body[:600])
    sys.stdout.flush()
def attempt(body):
    try: body()
    except OSError as e: print('closed', type(e).__name__, e); sys.stdout.flush()
"#;

fn python(lab: &Lab, program: &str) -> Outcome {
    lab.agent(AGENT).python(&format!("{CLIENT}\n{program}")).unwrap()
}

#[test]
fn a_host_other_than_the_sni_is_refused() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    for host in ["denied.test", "index.allowed.test", "api.allowed.test.denied.test", "api.allowed.test:8443"] {
        let outcome = python(
            &lab,
            &format!(
                "attempt(lambda: exchange(connect('api.allowed.test'), 'GET /hello HTTP/1.1\\nHost: {host}\\n\\n'))"
            ),
        );
        let refused =
            ["HTTP/1.1 421", "HTTP/1.1 403", "HTTP/1.1 400"].iter().any(|line| outcome.stdout.starts_with(line));
        assert!(refused, "{host}: {outcome:?}");
    }
    lab.settle().unwrap();
    assert!(lab.internet.requests.all().is_empty());
    drop(daemon);
}

#[test]
fn an_authority_other_than_the_sni_is_refused_over_h2() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let answer =
        lab.agent(AGENT).curl(&["--http2", "-H", "Host: denied.test", "https://api.allowed.test/hello"]).unwrap();
    assert!(matches!(answer.status, 400 | 403 | 421), "{answer:?}");
    assert!(lab.internet.requests.all().is_empty());
    drop(daemon);
}

#[test]
fn every_request_on_one_connection_is_decided_by_itself() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = python(
        &lab,
        r#"
stream = connect('api.allowed.test')
exchange(stream, 'GET /hello HTTP/1.1\nHost: api.allowed.test\n\n')
exchange(stream, 'GET /forbidden/one HTTP/1.1\nHost: api.allowed.test\n\n')
exchange(stream, 'GET /hello?again HTTP/1.1\nHost: api.allowed.test\n\n')
"#,
    );
    let statuses: Vec<&str> = outcome.stdout.lines().map(|line| line.get(9..12).unwrap_or_default()).collect();
    assert_eq!(statuses, ["200", "403", "200"], "{outcome:?}");
    let paths: Vec<String> = lab.internet.requests.all().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/hello", "/hello?again"]);
    daemon.record(|record| record["path"] == "/forbidden/one" && record["decision"] == "deny").unwrap();
}

#[test]
fn a_connection_without_sni_or_with_a_foreign_one_gets_nowhere() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let outcome = python(
        &lab,
        r#"
attempt(lambda: exchange(connect(None), 'GET /hello HTTP/1.1\nHost: api.allowed.test\n\n'))
attempt(lambda: exchange(connect('denied.test'), 'GET /hello HTTP/1.1\nHost: api.allowed.test\n\n'))
"#,
    );
    assert!(!outcome.stdout.contains("200 OK"), "{outcome:?}");
    assert_eq!(outcome.stdout.lines().count(), 2, "{outcome:?}");
    lab.settle().unwrap();
    assert!(lab.internet.requests.all().is_empty());
    drop(daemon);
}

#[test]
fn the_name_is_resolved_by_aegis_and_not_taken_from_the_agent() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    // The agent dials the denied host's address under an allowed name: the allowed host gets the request.
    let answer = lab
        .agent(AGENT)
        .curl(&["--resolve", "api.allowed.test:443:203.0.113.66", "https://api.allowed.test/hello"])
        .unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(lab.internet.requests.all()[0].host, "api.allowed.test");
    lab.settle().unwrap();
    assert!(
        lab.internet
            .capture
            .matching(|packet| packet.destination == aegis_tests::lab::wiring::address("denied.test").0)
            .is_empty()
    );
    drop(daemon);
}

#[test]
fn bytes_that_are_not_http_are_refused_unless_a_rule_says_tcp() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let program = |to: &str, port: u16, marker: &str| {
        format!(
            "def body():\n    s = socket.create_connection(('{to}', {port}), timeout=10); s.sendall(b'\\x00\\x01{marker}\\n'); print('answer', s.recv(100))\nattempt(body)"
        )
    };
    for port in [443, 80, 7, 2525, 12345] {
        let outcome = python(&lab, &program("203.0.113.10", port, "raw-marker"));
        assert!(!outcome.stdout.contains("raw-marker"), "{port}: {outcome:?}");
    }
    lab.settle().unwrap();
    assert!(lab.internet.capture.matching(|packet| packet.contains(b"raw-marker")).is_empty());
    drop(daemon);
}

#[test]
fn a_passthrough_rule_leaves_tls_to_the_two_ends() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let root = lab.path("origin-root.pem");
    // Verified with the origin's own root: nobody stood in between.
    let answer =
        lab.agent(AGENT).curl(&["--cacert", root.to_str().unwrap(), "https://passthrough.allowed.test/hello"]).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let record =
        daemon.record(|record| record["host"] == "passthrough.allowed.test" && record["scheme"] != "dns").unwrap();
    assert_eq!((record["decision"].as_str(), record["rule"].as_str()), (Some("allow"), Some("laboratory/passthrough")));
}
