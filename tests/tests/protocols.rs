//! HTTP in all its turns: 100-continue, pipelining, trailers, codings, refusals while a body still comes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Outcome, Service, Settings, python};
use serde_json::{Value, json};

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";

const POLICY: &str = include_str!("../support/turns.yaml");

fn start(lab: &Lab) -> (Daemon<'_>, Service) {
    start_with(lab, POLICY)
}

fn start_with<'lab>(lab: &'lab Lab, policy: &str) -> (Daemon<'lab>, Service) {
    let daemon = Daemon::start(lab, &Settings::policy(policy)).unwrap();
    (daemon, Service::start(lab, "origin").unwrap())
}

fn run(lab: &Lab, program: &str) -> Outcome {
    lab.agent(AGENT).limit(Duration::from_secs(60)).run(&[python().to_str().unwrap(), "-c", program]).unwrap()
}

/// A TLS connection by hand: `talk(alpn)`, `until(stream, end)`.
const RAW: &str = r#"
import socket, ssl, sys
def talk(port=9443, alpn='http/1.1'):
    context = ssl.create_default_context(); context.set_alpn_protocols([alpn])
    return context.wrap_socket(socket.create_connection(('api.allowed.test', port), timeout=15), server_hostname='api.allowed.test')
def until(stream, end, got=b''):
    while end not in got:
        piece = stream.recv(65536)
        if not piece: break
        got += piece
    return got
"#;

fn requests(origin: &Service) -> Vec<Value> {
    origin.seen().into_iter().filter(|line| line["kind"] == "request").collect()
}

#[test]
fn an_expectation_is_answered_by_the_policy_before_the_body_is_sent() {
    let lab = Lab::new().unwrap();
    let (_daemon, origin) = start(&lab);
    let outcome = run(
        &lab,
        &format!(
            r#"{RAW}
for path, length, extra in (('/forbidden/x', 4, ''), ('/forbidden/x', 100000, ''), ('/upload', 4, 'X-Note: {KEY}\r\n'), ('/upload', 4, ''), ('/upload', 100000, '')):
    stream = talk()
    stream.sendall(f'POST {{path}} HTTP/1.1\r\nHost: api.allowed.test:9443\r\nExpect: 100-continue\r\nContent-Length: {{length}}\r\n{{extra}}\r\n'.encode())
    first = until(stream, b'\r\n\r\n')
    status = first.split(b' ')[1].decode()
    if status == '100':
        stream.sendall(b'x' * length)
        first = until(stream, b'}}', first.partition(b'\r\n\r\n')[2])
        status += ' ' + first.split(b' ')[1].decode()
    print(path, length, status)
"#
        ),
    );
    assert_eq!(
        outcome.stdout,
        "/forbidden/x 4 403\n/forbidden/x 100000 403\n/upload 4 403\n/upload 4 100 200\n/upload 100000 100 200\n",
        "{outcome:?}"
    );
    assert_eq!(requests(&origin).len(), 2);
}

/// Over HTTP/2 nothing is said before the answer: who asks for it sends after a while all the same (RFC 9110, section 10.1.1).
#[test]
fn an_expectation_over_h2_holds_nothing_up() {
    let lab = Lab::new().unwrap();
    let (_daemon, _origin) = start(&lab);
    std::fs::write(lab.path("home").join("long"), "x".repeat(200_000) + " ssn 536-22-8741").unwrap();
    let key = format!("key {KEY}");
    for (path, body, status) in [
        ("/echo", "ssn 536-22-8741", 200),
        ("/sink", "@long", 200),
        ("/echo", &key, 403),
        ("/forbidden/short", "x", 403),
        ("/forbidden/long", "@long", 403),
    ] {
        let url = format!("https://api.allowed.test{path}");
        let asks = ["--http2", "-H", "Expect: 100-continue", "-H", "Content-Type: text/plain", "--data-binary"];
        let answer = lab.agent(AGENT).curl(&[&asks[..], &[body, &url]].concat()).unwrap();
        assert_eq!((answer.status, answer.version.as_str()), (status, "2"), "{path}: {answer:?}");
    }
    let seen = lab.internet.requests.all();
    assert_eq!(seen.iter().map(|request| request.path.as_str()).collect::<Vec<_>>(), ["/echo", "/sink"]);
    assert_eq!((seen[0].text(), seen[1].body_len), ("ssn [SSN]".to_owned(), 200_010));
}

#[test]
fn a_refusal_while_the_body_still_comes_leaves_a_shared_client_usable() {
    let lab = Lab::new().unwrap();
    let (daemon, _origin) = start(&lab);
    // One client for all: threads that are refused in the middle of their bodies, and threads that are not.
    let program = format!(
        r#"
import httpx, sys, threading, time
http2 = sys.argv[1] == 'h2'
lines = []
def pieces(count, first=b'x' * 1000, last=b''):
    yield first
    for n in range(count):
        time.sleep(0.001); yield b'y' * 100000
    yield last
def one(client, name, path, body):
    for attempt in range(2):
        try:
            r = client.post('https://api.allowed.test:' + path, content=body(), headers={{'content-type': 'text/plain'}})
            lines.append(f'{{name}} {{r.status_code}}')
        except httpx.TransportError as e:
            # The connection may break under a body that nobody wants; it must not hang.
            lines.append(f'{{name}} broke {{type(e).__name__}}')
with httpx.Client(http2=http2, timeout=20) as client:
    jobs = [('refused', '443/forbidden/x', lambda: pieces(12)), ('secret', '443/sink', lambda: pieces(12, b'key {KEY} ' * 10)),
            ('late', '443/sink', lambda: pieces(2, b'x', b' key {KEY} ')), ('fine', '443/sink', lambda: pieces(2)), ('fine', '443/sink', lambda: pieces(2))]
    threads = [threading.Thread(target=one, args=(client, *job)) for job in jobs for _ in range(2)]
    [t.start() for t in threads]; [t.join(50) for t in threads]
    print(any(t.is_alive() for t in threads))
    print(client.post('https://api.allowed.test:443/sink', content=b'after').status_code)
print(sorted(lines))
"#
    );
    let together = format!(
        r#"
import asyncio, httpx, sys
http2 = sys.argv[1] == 'h2'
lines = []
async def pieces(count, first=b'x' * 1000, last=b''):
    yield first
    for n in range(count):
        await asyncio.sleep(0.001); yield b'y' * 100000
    yield last
async def one(client, name, path, body):
    for attempt in range(2):
        try:
            r = await client.post('https://api.allowed.test:' + path, content=body(), headers={{'content-type': 'text/plain'}})
            lines.append(f'{{name}} {{r.status_code}}')
        except httpx.TransportError as e:
            lines.append(f'{{name}} broke {{type(e).__name__}}')
async def main():
    async with httpx.AsyncClient(http2=http2, timeout=20) as client:
        jobs = [('refused', '443/forbidden/x', lambda: pieces(12)), ('secret', '443/sink', lambda: pieces(12, b'key {KEY} ' * 10)),
                ('late', '443/sink', lambda: pieces(2, b'x', b' key {KEY} ')), ('fine', '443/sink', lambda: pieces(2)), ('fine', '443/sink', lambda: pieces(2))]
        await asyncio.wait_for(asyncio.gather(*(one(client, *job) for job in jobs for _ in range(2))), 50)
        print(False)
        print((await client.post('https://api.allowed.test:443/sink', content=b'after')).status_code)
asyncio.run(main())
print(sorted(lines))
"#
    );
    for (version, program) in [("h1", &program), ("h2", &program), ("h1", &together), ("h2", &together)] {
        let command = [python().to_str().unwrap().to_owned(), "-c".into(), program.clone(), version.into()];
        let outcome = lab.agent(AGENT).limit(Duration::from_secs(60)).run(&command).unwrap();
        assert!(outcome.stdout.starts_with("False\n200\n"), "{version}: {outcome:?}");
        assert_eq!(outcome.stdout.matches("'fine 200'").count(), 8, "{version}: {outcome:?}");
        for line in ["refused 200", "secret 200", "late 200", "ReadTimeout", "WriteTimeout", "PoolTimeout"] {
            assert!(!outcome.stdout.contains(line), "{version}: {outcome:?}");
        }
    }
    for seen in lab.internet.requests.all() {
        assert!(!seen.text().contains(KEY) && seen.path != "/forbidden/x", "{seen:?}");
    }
    assert!(daemon.record(|record| record["path"] == "/sink" && record["decision"] == "deny").is_ok());
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let lab = Lab::new().unwrap();
    let (_daemon, origin) = start(&lab);
    let outcome = run(
        &lab,
        &format!(
            r#"{RAW}
stream = talk()
def post(path, body): return f'POST {{path}} HTTP/1.1\r\nHost: api.allowed.test:9443\r\nContent-Length: {{len(body)}}\r\n\r\n{{body}}'.encode()
stream.sendall(post('/one', 'a') + post('/forbidden/x', 'bb') + post('/three', 'ccc') + b'GET /four HTTP/1.1\r\nHost: api.allowed.test:9443\r\nConnection: close\r\n\r\n')
got = until(stream, b'never')
print([part.split(b' ')[0].decode() for part in got.split(b'HTTP/1.1 ')[1:]], [n for n in (1, 3, 0) if b'"length": %d' % n in got])
"#
        ),
    );
    assert_eq!(outcome.stdout, "['200', '403', '200', '200'] [1, 3, 0]\n", "{outcome:?}");
    let paths: Vec<Value> = requests(&origin).into_iter().map(|request| request["path"].clone()).collect();
    assert_eq!(paths, ["/one", "/three", "/four"]);
}

#[test]
fn what_stands_in_chunks_and_trailers_is_content() {
    let lab = Lab::new().unwrap();
    let (_daemon, origin) = start(&lab);
    let outcome = run(
        &lab,
        &format!(
            r#"{RAW}
def chunked(body, trailers):
    chunks = b''.join(b'%x;ext=ssn-536-22-8741\r\n%s\r\n' % (len(c), c) for c in body)
    return b'POST /up HTTP/1.1\r\nHost: api.allowed.test:9443\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n' + chunks + b'0\r\n' + trailers + b'\r\n'
for body, trailers in (([b'my ssn is 536-', b'22-87', b'41.'], b''), ([b'fine'], b'X-Sum: jane.doe@corp.example\r\n'), ([b'fine'], b'X-Sum: {KEY}\r\n')):
    stream = talk()
    stream.sendall(chunked(body, trailers))
    print(until(stream, b'}}').split(b' ')[1].decode())
"#
        ),
    );
    assert_eq!(outcome.stdout, "200\n200\n403\n", "{outcome:?}");
    let seen = requests(&origin);
    assert_eq!((seen.len(), seen[0]["body"].as_str()), (2, Some("my ssn is [SSN].")), "{seen:?}");
    let all = format!("{:?}", origin.seen());
    assert!(!all.contains("jane.doe") && !all.contains("536-22") && !all.contains(KEY), "{all}");
}

#[test]
fn compressed_bodies_are_read_and_leave_as_what_was_read() {
    let lab = Lab::new().unwrap();
    let (daemon, origin) = start(&lab);
    let outcome = run(
        &lab,
        &format!(
            r#"
import gzip, httpx, zlib
with httpx.Client(timeout=20) as client:
    def post(body, coding, stream=False):
        content = iter([body[:5], body[5:]]) if stream else body
        r = client.post('https://api.allowed.test:9443/up', content=content, headers={{'content-encoding': coding, 'content-type': 'application/json'}})
        print(r.status_code, r.headers.get('aegis-decision'), r.json().get('detector'))
    text = b'{{"ssn":"536-22-8741","to":"jane.doe@corp.example","again":"536-22-8741"}}'
    for stream in (False, True):
        post(gzip.compress(text), 'gzip', stream)
        post(zlib.compress(text), 'deflate', stream)
        post(gzip.compress(b'{{"k":"{KEY}"}}'), 'gzip', stream)
        post(text, 'x-own', stream)
    post(gzip.compress(b'nothing in it'), 'gzip')
"#
        ),
    );
    let round = "200 sanitize None\n200 sanitize None\n403 deny aws_key\n413 deny None\n";
    assert_eq!(outcome.stdout, format!("{round}{round}200 sanitize None\n"), "{outcome:?}");
    let seen = requests(&origin);
    assert_eq!(seen.len(), 5);
    for request in &seen[..4] {
        assert_eq!(request["body"], json!(r#"{"ssn":"[SSN]","to":"[EMAIL]","again":"[SSN]"}"#), "{request}");
        assert_eq!(request["headers"].get("content-encoding"), None, "{request}");
    }
    // Where nothing was found in a body that is held as a whole, it goes as it came.
    assert_eq!(seen[4]["headers"]["content-encoding"], "gzip", "{}", seen[4]);
    let record = daemon.record(|record| record["decision"] == "deny" && record["status"] == 413).unwrap();
    assert!(record["reason"].as_str().unwrap().contains("x-own"), "{record}");
}

#[test]
fn a_denial_says_detector_and_place_and_what_would_pass() {
    let lab = Lab::new().unwrap();
    let (_daemon, origin) = start(&lab);
    for length in [1, 100_000] {
        let outcome = run(
            &lab,
            &format!(
                "import httpx\nr = httpx.post('https://api.allowed.test:9443/up', timeout=20, json={{'pad': ['x'] * {length}, 'auth': {{'key': '{KEY}'}}}})\nprint(r.text)"
            ),
        );
        let problem: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
        assert_eq!(
            (problem["status"].as_u64(), problem["detector"].as_str()),
            (Some(403), Some("aws_key")),
            "{problem}"
        );
        assert!(problem["place"].as_str().unwrap().ends_with("/auth/key"), "{problem}");
        assert!(problem["next_steps"][0].as_str().unwrap().contains("aws_key"), "{problem}");
        assert!(!problem.to_string().contains(KEY), "{problem}");
    }
    assert!(requests(&origin).is_empty());
}

#[test]
fn what_was_taken_out_is_told_where_the_rule_says_so() {
    let lab = Lab::new().unwrap();
    let policy = POLICY.replace("deny: [secrets]}", "deny: [secrets], tell: true}");
    let (_daemon, _origin) = start_with(&lab, &policy);
    let outcome = run(
        &lab,
        r#"
import httpx
with httpx.Client(timeout=20) as client:
    for body in (b'{"ssn":"536-22-8741","to":"jane.doe@corp.example","again":"536-22-8741"}', b'nothing'):
        for content in (body, iter([body[:5], body[5:]])):
            r = client.post('https://api.allowed.test:9443/up?to=jane.doe@corp.example', content=content)
            print(r.status_code, r.headers.get('aegis-decision'), r.headers.get('aegis-removed'))
"#,
    );
    let (found, head) = ("200 sanitize email=2, ssn=2\n", "200 sanitize email=1\n");
    assert_eq!(outcome.stdout, format!("{found}{found}{head}{head}"), "{outcome:?}");
}

/// A body of so many levels is refused; so is a head.
#[test]
fn what_is_wrapped_too_often_leaves_in_no_part_of_a_request() {
    let lab = Lab::new().unwrap();
    let (daemon, origin) = start(&lab);
    let outcome = run(
        &lab,
        r#"
import base64, httpx
deep = b'jane.doe@corp.example'
for _ in range(4): deep = base64.urlsafe_b64encode(deep)
deep, at = deep.decode(), 'https://api.allowed.test:9443'
with httpx.Client(timeout=20) as client:
    for request in (
        {'url': at + '/body', 'content': deep, 'headers': {'content-type': 'text/plain'}},
        {'url': at + '/header', 'headers': {'x-note': deep}},
        {'url': at + '/query', 'params': {'q': deep}},
        {'url': at + '/path/' + deep},
        {'url': at + '/named', 'headers': {'x-ssn': '523456789', 'x-order': '523456789'}},
    ):
        print(client.post(**request).status_code)
"#,
    );
    assert_eq!(outcome.stdout, "413\n413\n413\n413\n200\n", "{outcome:?}");
    let seen = requests(&origin);
    let fields = &seen[0]["headers"];
    assert_eq!(
        (seen.len(), fields["x-ssn"].as_str(), fields["x-order"].as_str()),
        (1, Some("[SSN]"), Some("523456789"))
    );
    let told = daemon.record(|record| record["path"] == "/header").unwrap();
    assert!(told["reason"].as_str().unwrap().contains("the header x-note"), "{told}");
}
