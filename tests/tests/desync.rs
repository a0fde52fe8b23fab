//! Requests that two servers in a row would read as two different ones (request smuggling, desync), over HTTP/2 and HTTP/1.1, each to an
//! origin that speaks HTTP/2 and to a naive one that speaks HTTP/1.1. Judged by what the origins received: nothing at all, nothing whole,
//! or one request, which is the one that was decided.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Service, Settings, python};
use serde_json::Value;

const POLICY: &str = r#"version: desync-1
policies:
  - name: desync
    agents: ["*"]
    rules:
      - {name: forbidden, hosts: [api.allowed.test], ports: [443, 9443], paths: ["/forbidden", "/forbidden/**"], decision: deny}
      - {name: rest, hosts: [api.allowed.test], ports: [443, 9443], decision: allow}
"#;

const FRAMES: &str = include_str!("../support/frames.py");

/// What an origin got of a case.
#[derive(Debug, Default)]
struct Got {
    /// Whole requests to the case's own path.
    whole: usize,
    /// Their bodies, and the names of their fields.
    bodies: Vec<String>,
    fields: Vec<String>,
    /// Anything else, whole or not.
    begun: usize,
}

struct Site<'lab> {
    lab: &'lab Lab,
    origin: Service,
    _daemon: Daemon<'lab>,
}

impl<'lab> Site<'lab> {
    fn new(lab: &'lab Lab) -> Self {
        let _daemon = Daemon::start(lab, &Settings::policy(POLICY)).unwrap();
        Site { lab, origin: Service::start(lab, "origin").unwrap(), _daemon }
    }

    /// Runs `program`, which prints `case port answer` for each case; gives the answers.
    fn run(&self, program: &str) -> Vec<(String, u16, String)> {
        let command = [python().to_str().unwrap().to_owned(), "-c".into(), format!("{FRAMES}{program}")];
        let outcome = self.lab.agent(AGENT).limit(Duration::from_secs(60)).run(&command).unwrap();
        assert!(outcome.ok(), "{outcome:?}");
        let parts = |line: &str| -> Option<(String, u16, String)> {
            let (case, rest) = line.split_once(' ')?;
            let (port, answer) = rest.split_once(' ')?;
            Some((case.to_owned(), port.parse().ok()?, answer.to_owned()))
        };
        outcome.stdout.lines().map(|line| parts(line).unwrap_or_else(|| panic!("{line}"))).collect()
    }

    /// What each origin got, by case and port; a path that is no case's is an end of its own.
    fn got(&self) -> HashMap<(String, u16), Got> {
        let mut all: HashMap<(String, u16), Got> = HashMap::new();
        let mut add = |path: &str, port, whole, body: String, fields: Vec<String>| {
            let case = path.strip_prefix("/hello/").unwrap_or_else(|| panic!("{path} got through to {port}"));
            let got = all.entry((case.to_owned(), port)).or_default();
            if whole {
                got.whole += 1;
                got.bodies.push(body);
                got.fields.extend(fields);
            } else {
                got.begun += 1;
            }
        };
        for seen in self.lab.internet.requests.all() {
            let fields = seen.headers.iter().map(|(name, _)| name.clone()).collect();
            add(&seen.path, 443, seen.complete, seen.text(), fields);
        }
        for line in self.origin.seen().iter().filter(|line| line["kind"] == "request") {
            let fields = line["headers"].as_object().unwrap().keys().cloned().collect();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            add(&text(&line["path"]), 9443, true, text(&line["body"]), fields);
        }
        all
    }
}

fn refused(answer: &str) -> bool {
    ["4", "5", "reset", "goaway", "closed"].iter().any(|start| answer.starts_with(start))
}

/// `HEAD(path, more, ...)`: the HEADERS frame of a request on stream 1, of literals.
const CASES: &str = r#"
HOST = 'api.allowed.test'
GOOD = {':method': 'GET', ':scheme': 'https', ':authority': HOST}
def HEAD(path, *more, flags=5, stream=1, first=(), **other):
    pseudo = {**GOOD, ':path': path, **{':' + name: value for name, value in other.items()}}
    return frame(HEADERS, flags, stream, fields(*first, *((n, v) for n, v in pseudo.items() if v is not None), *more))
def POST(path, *more, body=(), **other): return HEAD(path, *more, flags=4, method='POST', **other) + b''.join(body)
def data(text, flags=0, stream=1): return frame(DATA, flags, stream, text.encode() if isinstance(text, str) else text)
END = data('', 1)
HIDDEN = 'GET /forbidden HTTP/1.1\r\nHost: api.allowed.test\r\nX-Hidden: 1\r\n\r\n'
CHUNK = '0\r\n\r\n' + HIDDEN
# 443 speaks HTTP/2 to Aegis as well, 9443 only HTTP/1.1. What may go no further than Aegis is sent for the naive one alone.
def run(cases, ports=(9443,)):
    for name, make in cases.items():
        for port in ports:
            stream = talk(port)
            try: stream.sendall(make('/hello/' + name))
            except OSError: pass
            print(name, port, outcome(stream)); sys.stdout.flush()
            stream.close()
"#;

/// Requests of which nothing may go on.
const HEADS: &str = r#"
run({
    # pseudo-header fields: twice, missing, misplaced, unknown
    'method-twice': lambda p: HEAD(p, first=[(':method', 'GET')]),
    'path-twice': lambda p: HEAD(p, first=[(':path', '/forbidden')]),
    'path-twice-after': lambda p: frame(HEADERS, 5, 1, fields(*GOOD.items(), (':path', p), (':path', '/forbidden'))),
    'authority-twice': lambda p: HEAD(p, first=[(':authority', 'denied.test')]),
    'scheme-twice': lambda p: HEAD(p, first=[(':scheme', 'https')]),
    'no-method': lambda p: HEAD(p, method=None),
    'no-scheme': lambda p: HEAD(p, scheme=None),
    'no-path': lambda p: HEAD(None, ('x-path', p)),
    'no-host': lambda p: HEAD(p, authority=None),
    'empty-path': lambda p: HEAD('', ('x-path', p)),
    'late-path': lambda p: frame(HEADERS, 5, 1, fields(*GOOD.items(), ('x-a', '1'), (':path', p))),
    'unknown-pseudo': lambda p: HEAD(p, first=[(':x', '1')]),
    'status': lambda p: HEAD(p, first=[(':status', '200')]),
    'protocol-without-connect': lambda p: HEAD(p, first=[(':protocol', 'websocket')]),
    # CONNECT in its forms
    'connect': lambda p: frame(HEADERS, 4, 1, fields((':method', 'CONNECT'), (':authority', 'denied.test:443'))) + data(HIDDEN),
    'connect-own': lambda p: frame(HEADERS, 4, 1, fields((':method', 'CONNECT'), (':authority', HOST + ':443'))) + data(HIDDEN),
    'connect-path': lambda p: HEAD(p, method='CONNECT', flags=4),
    'connect-udp': lambda p: HEAD(p, method='CONNECT', first=[(':protocol', 'connect-udp')], flags=4),
    'connect-tcp': lambda p: HEAD(p, method='CONNECT', first=[(':protocol', 'connect-tcp')], flags=4),
    # names and values that end lines elsewhere
    'upper-name': lambda p: HEAD(p, ('X-Up', '1')),
    'crlf-value': lambda p: HEAD(p, ('x-a', '1\r\nx-hidden: 1')),
    'lf-value': lambda p: HEAD(p, ('x-a', '1\nx-hidden: 1')),
    'cr-value': lambda p: HEAD(p, ('x-a', '1\rx-hidden: 1')),
    'nul-value': lambda p: HEAD(p, ('x-a', '1\0')),
    'crlf-request': lambda p: HEAD(p, ('x-a', '1\r\n\r\n' + HIDDEN)),
    'crlf-name': lambda p: HEAD(p, ('x-a: 1\r\nx-hidden', '1')),
    'nul-name': lambda p: HEAD(p, ('x-a\0', '1')),
    'blank-name': lambda p: HEAD(p, ('x a', '1')),
    'colon-name': lambda p: HEAD(p, ('x-a: 1', '1')),
    'te-in-name': lambda p: HEAD(p, ('transfer-encoding: chunked\r\nx', '1')),
    'empty-name': lambda p: HEAD(p, ('', '1')),
    'high-name': lambda p: HEAD(p, (b'x-\xe9', '1')),
    'crlf-method': lambda p: HEAD(p, method='GET /forbidden HTTP/1.1\r\nHost: api.allowed.test\r\n\r\nGET'),
    'blank-method': lambda p: HEAD(p, method='GET /forbidden'),
    'empty-method': lambda p: HEAD(p, method=''),
    'crlf-path': lambda p: HEAD(p + ' HTTP/1.1\r\nX-Hidden: 1\r\n\r\nGET /forbidden'),
    'blank-path': lambda p: HEAD(p + ' HTTP/1.1'),
    'tab-path': lambda p: HEAD(p + '\t'),
    'nul-path': lambda p: HEAD(p + '\0'),
    'absolute-path': lambda p: HEAD('https://denied.test' + p),
    'own-absolute-path': lambda p: HEAD('https://api.allowed.test' + p),
    'relative-path': lambda p: HEAD(p[1:]),
    'star-path': lambda p: HEAD('*', method='OPTIONS'),
    # whose request it is
    'crlf-authority': lambda p: HEAD(p, authority=HOST + '\r\nX-Hidden: 1'),
    'path-in-authority': lambda p: HEAD(p, authority=HOST + '/forbidden'),
    'query-in-authority': lambda p: HEAD(p, authority=HOST + '?'),
    'blank-authority': lambda p: HEAD(p, authority=HOST + ' denied.test'),
    'user-authority': lambda p: HEAD(p, authority='denied.test@' + HOST),
    'user-of-other': lambda p: HEAD(p, authority=HOST + '@denied.test'),
    'other-authority': lambda p: HEAD(p, authority='denied.test'),
    'other-port': lambda p: HEAD(p, authority=HOST + ':8443'),
    'bad-port': lambda p: HEAD(p, authority=HOST + ':443x'),
    'empty-authority': lambda p: HEAD(p, authority=''),
    'other-host': lambda p: HEAD(p, ('host', 'denied.test')),
    'host-alone-other': lambda p: HEAD(p, ('host', 'denied.test'), authority=None),
    'two-hosts': lambda p: HEAD(p, ('host', HOST), ('host', HOST)),
    'two-hosts-other': lambda p: HEAD(p, ('host', HOST), ('host', 'denied.test'), authority=None),
    'http-scheme': lambda p: HEAD(p, scheme='http'),
    'ftp-scheme': lambda p: HEAD(p, scheme='ftp'),
    'url-scheme': lambda p: HEAD(p, scheme='https://denied.test/?'),
    'crlf-scheme': lambda p: HEAD(p, scheme='https\r\n'),
    # fields of one hop, and lengths that are none
    'connection': lambda p: HEAD(p, ('connection', 'close')),
    'proxy-connection': lambda p: HEAD(p, ('proxy-connection', 'x')),
    'keep-alive': lambda p: HEAD(p, ('keep-alive', '1')),
    'upgrade': lambda p: HEAD(p, ('upgrade', 'h2c')),
    'chunked': lambda p: POST(p, ('transfer-encoding', 'chunked'), body=[data(CHUNK, 1)]),
    'te-gzip': lambda p: HEAD(p, ('te', 'gzip')),
    'two-te': lambda p: HEAD(p, ('te', 'trailers, chunked')),
    'length-with-end': lambda p: HEAD(p, ('content-length', '5')),
    'length-list': lambda p: POST(p, ('content-length', '4, 40'), body=[data('abcd', 1)]),
    'length-same-list': lambda p: POST(p, ('content-length', '4, 4'), body=[data('abcd', 1)]),
    'length-plus': lambda p: POST(p, ('content-length', '+4'), body=[data('abcd', 1)]),
    'length-minus': lambda p: POST(p, ('content-length', '-4'), body=[data('abcd', 1)]),
    'length-blank': lambda p: POST(p, ('content-length', ''), body=[data('abcd', 1)]),
    'length-huge': lambda p: POST(p, ('content-length', '99999999999999999999'), body=[data('abcd', 1)]),
    'two-lengths': lambda p: POST(p, ('content-length', '4'), ('content-length', '40'), body=[data('abcd', 1)]),
    'two-lengths-first': lambda p: POST(p, ('content-length', '40'), ('content-length', '4'), body=[data('abcd', 1)]),
})
"#;

#[test]
fn heads_over_h2_that_read_in_two_ways_reach_nobody() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let answers = site.run(&format!("{CASES}{HEADS}"));
    assert!(answers.len() > 75, "{answers:?}");
    let got = site.got();
    for (case, port, answer) in &answers {
        assert!(refused(answer), "{case} to {port}: {answer}");
        // Of a body that does not fit its length the head may have gone on; it is never whole.
        let got = got.get(&(case.clone(), *port));
        assert!(got.is_none_or(|got| got.whole == 0), "{case} to {port}: {got:?}");
    }
}

/// Bodies that are another than the head says, and frames that break the protocol with a request behind them.
const BODIES: &str = r#"
trailers = lambda *pairs, flags=5: frame(HEADERS, flags, 1, fields(*pairs))
good = lambda p, stream=1: HEAD(p, stream=stream)
run({
    'length-short': lambda p: POST(p, ('content-length', '5'), body=[data('abc', 1)]),
    'length-long': lambda p: POST(p, ('content-length', '3'), body=[data('abc' + HIDDEN, 1)]),
    'length-long-later': lambda p: POST(p, ('content-length', '3'), body=[data('abc'), data(HIDDEN, 1)]),
    'upper-in-trailers': lambda p: POST(p, body=[data('abcd'), trailers(('X-A', '1'))]),
    'crlf-in-trailers': lambda p: POST(p, body=[data('abcd'), trailers(('x-a', '1\r\n\r\n' + HIDDEN))]),
    'connection-in-trailers': lambda p: POST(p, body=[data('abcd'), trailers(('connection', 'close'))]),
    'chunked-in-trailers': lambda p: POST(p, body=[data('abcd'), trailers(('transfer-encoding', 'chunked'))]),
    'trailers-without-end': lambda p: POST(p, body=[data('abcd'), trailers(('x-a', '1'), flags=4)]),
    'two-trailers': lambda p: POST(p, body=[data('abcd'), trailers(('x-a', '1'), flags=4), trailers(('x-b', '1'))]),
}, (443, 9443))
run({
    'reset-in-body': lambda p: POST(p, body=[data('abcd'), frame(RST_STREAM, 0, 1, b'\0\0\0\x08'), frame(PING, 0, 0)]),
    'stream-0': lambda p: HEAD(p, stream=0) + good(p),
    'even-stream': lambda p: HEAD(p, stream=2) + good(p),
    'data-on-idle': lambda p: data('abcd', 1) + good(p),
    'data-on-0': lambda p: data('abcd', 1, stream=0) + good(p),
    'continuation-alone': lambda p: frame(CONTINUATION, 4, 1, fields((':path', p))) + good(p),
    'between-continuations': lambda p: frame(HEADERS, 1, 1, fields(*GOOD.items())) + frame(PING, 0, 0, b'12345678') + frame(CONTINUATION, 4, 1, fields((':path', p))),
    'other-streams-continuation': lambda p: frame(HEADERS, 1, 1, fields(*GOOD.items(), (':path', p))) + frame(CONTINUATION, 4, 3) + good(p),
    'padding-too-long': lambda p: frame(HEADERS, 0xd, 1, b'\xff' + fields(*GOOD.items(), (':path', p))),
    'data-padding-too-long': lambda p: POST(p, body=[frame(DATA, 9, 1, b'\xffabcd')]),
    'headers-depend-on-themselves': lambda p: frame(HEADERS, 0x25, 1, struct.pack('>IB', 1, 15) + fields(*GOOD.items(), (':path', p))),
    'priority-of-itself': lambda p: frame(PRIORITY, 0, 1, struct.pack('>IB', 1, 15)) + good(p),
    'window-by-0': lambda p: frame(WINDOW_UPDATE, 0, 0, struct.pack('>I', 0)) + good(p),
    'window-too-large': lambda p: frame(WINDOW_UPDATE, 0, 0, struct.pack('>I', 0x7fffffff)) * 2 + good(p),
    'settings-cut': lambda p: frame(SETTINGS, 0, 0, b'\0\4\0\0\0') + good(p),
    'settings-window': lambda p: frame(SETTINGS, 0, 0, struct.pack('>HI', 4, 0x80000000)) + good(p),
    'settings-frame': lambda p: frame(SETTINGS, 0, 0, struct.pack('>HI', 5, 1)) + good(p),
    'settings-on-stream': lambda p: frame(SETTINGS, 0, 1) + good(p),
    'settings-ack-full': lambda p: frame(SETTINGS, 1, 0, struct.pack('>HI', 4, 1)) + good(p),
    'ping-cut': lambda p: frame(PING, 0, 0, b'1234567') + good(p),
    'reset-idle': lambda p: frame(RST_STREAM, 0, 1, b'\0\0\0\x08') + good(p),
    'push': lambda p: frame(PUSH_PROMISE, 4, 1, struct.pack('>I', 2) + fields(*GOOD.items(), (':path', p))) + good(p),
    'frame-too-large': lambda p: frame(99, 0, 0, b'x' * 16385) + good(p),
    'no-such-index': lambda p: frame(HEADERS, 5, 1, b'\xff\x80\x01' + fields(*GOOD.items(), (':path', p))),
    'table-too-large': lambda p: frame(HEADERS, 5, 1, b'\x3f\xff\xff\x03' + fields(*GOOD.items(), (':path', p))),
    'literal-cut': lambda p: frame(HEADERS, 5, 1, fields(*GOOD.items(), (':path', p)) + b'\x00\x7fx'),
    'integer-overflow': lambda p: frame(HEADERS, 5, 1, b'\x00\x7f' + b'\xff' * 10 + fields(*GOOD.items(), (':path', p))),
})
for name, first in (('h1-on-h2', b''), ('half-preface', PREFACE[:18])):
    stream = connect(9443)
    stream.sendall(first + b'GET /hello/' + name.encode() + b' HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n')
    print(name, 9443, outcome(stream))
"#;

#[test]
fn bodies_and_frames_over_h2_that_break_the_protocol_make_no_whole_request() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let answers = site.run(&format!("{CASES}{BODIES}"));
    assert!(answers.len() > 45, "{answers:?}");
    let got = site.got();
    for (case, port, answer) in &answers {
        assert!(refused(answer), "{case} to {port}: {answer}");
        let got = got.get(&(case.clone(), *port));
        assert!(got.is_none_or(|got| got.whole == 0), "{case} to {port}: {got:?}");
    }
}

/// What is odd but has one meaning: it arrives once, as that.
const WRITTEN_ANEW: &str = r#"
trailers = lambda *pairs, flags=5: frame(HEADERS, flags, 1, fields(*pairs))
def split(p):
    block = fields(*GOOD.items(), (':path', p), ('x-kept', '1'))
    return frame(HEADERS, 1, 1, block[:7]) + frame(CONTINUATION, 0, 1, block[7:8]) + frame(CONTINUATION, 0, 1) + frame(CONTINUATION, 4, 1, block[8:])
run({
    'plain': lambda p: HEAD(p, ('x-kept', '1')),
    'host-too': lambda p: HEAD(p, ('host', HOST), ('x-kept', '1')),
    'host-alone': lambda p: HEAD(p, ('host', HOST), ('x-kept', '1'), authority=None),
    'large-authority': lambda p: HEAD(p, ('x-kept', '1'), authority=HOST.upper()),
    'fragment': lambda p: HEAD(p + '#/../forbidden', ('x-kept', '1')),
    'te-trailers': lambda p: HEAD(p, ('te', 'trailers'), ('x-kept', '1')),
    'own-names': lambda p: HEAD(p, ('aegis-decision', 'allow'), ('x-kept', '1')),
    'continuations': split,
    'padded': lambda p: frame(HEADERS, 0x2d, 1, b'\x09' + struct.pack('>IB', 7, 15) + fields(*GOOD.items(), (':path', p), ('x-kept', '1')) + b'\0' * 9),
    'unknown-frames': lambda p: frame(99, 255, 0, b'x') + frame(98, 255, 1, b'y') + HEAD(p, ('x-kept', '1')),
    'body': lambda p: POST(p, ('x-kept', '1'), ('content-length', '9'), body=[data('one, '), data(''), frame(DATA, 8, 1, b'\x03two;\0\0\0'), END]),
    'hidden-in-body': lambda p: POST(p, ('x-kept', '1'), body=[data(CHUNK, 1)]),
    'length-0-with-body': lambda p: POST(p, ('x-kept', '1'), ('content-length', '0'), body=[END]),
    'get-with-body': lambda p: HEAD(p, ('x-kept', '1'), flags=4) + data(CHUNK, 1),
    'pseudo-in-trailers': lambda p: POST(p, ('x-kept', '1'), body=[data('abcd'), trailers((':path', '/forbidden'))]),
    'method-in-trailers': lambda p: POST(p, ('x-kept', '1'), body=[data('abcd'), trailers((':method', 'GET'), ('x-a', '1'))]),
    'trailers-of-a-head': lambda p: POST(p, ('x-kept', '1'), body=[data('abcd'), trailers(('content-length', '40'), ('host', 'denied.test'), ('authorization', 'x'))]),
}, (443, 9443))
"#;

#[test]
fn what_is_odd_over_h2_arrives_once_as_what_was_decided() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let answers = site.run(&format!("{CASES}{WRITTEN_ANEW}"));
    let got = site.got();
    let hidden = "0\r\n\r\nGET /forbidden HTTP/1.1\r\nHost: api.allowed.test\r\nX-Hidden: 1\r\n\r\n";
    let bodies = [
        ("body", "one, two;"),
        ("hidden-in-body", hidden),
        ("get-with-body", hidden),
        ("pseudo-in-trailers", "abcd"),
        ("method-in-trailers", "abcd"),
        ("trailers-of-a-head", "abcd"),
    ];
    for (case, port, answer) in &answers {
        assert_eq!(answer, "200", "{case} to {port}");
        let got = got.get(&(case.clone(), *port)).unwrap_or_else(|| panic!("{case} did not get to {port}"));
        assert_eq!((got.whole, got.begun), (1, 0), "{case} to {port}: {got:?}");
        let body = bodies.iter().find(|(name, _)| name == case).map_or("", |(_, body)| body);
        assert_eq!(got.bodies, [body], "{case} to {port}");
        assert!(got.fields.contains(&"x-kept".to_owned()), "{case} to {port}: {got:?}");
        assert!(!got.fields.iter().any(|name| name == "aegis-decision" || name == "x-hidden"), "{got:?}");
    }
    assert_eq!(answers.len(), got.len());
}

/// HTTP/1.1, as bytes: what is refused, each with a request hidden behind it for whoever reads on elsewhere.
const H1: &str = r#"
HIDDEN = 'GET /forbidden HTTP/1.1\r\nHost: api.allowed.test\r\nX-Hidden: 1\r\n\r\n'
def post(*more, body='0\r\n\r\n'): return lambda p: f'POST {p} HTTP/1.1\r\nHost: api.allowed.test\r\n' + ''.join(line + '\r\n' for line in more) + '\r\n' + body
def line(text, more=''): return lambda p: text.replace('PATH', p) + f'\r\nHost: api.allowed.test\r\n{more}\r\n'
LENGTH, CHUNKED = 'Content-Length: 5', 'Transfer-Encoding: chunked'
cases = {
    'te-blank-colon': post('Transfer-Encoding : chunked', LENGTH),
    'te-vt': post('Transfer-Encoding: \x0bchunked', LENGTH),
    'te-vt-after': post('Transfer-Encoding: chunked\x0b', LENGTH),
    'te-nul': post('Transfer-Encoding: chunked\0', LENGTH),
    'te-folded': post('Transfer-Encoding:\r\n chunked', LENGTH),
    'te-folded-name': post('X: y', ' Transfer-Encoding: chunked', LENGTH),
    'te-after-cr': post('X: y\rTransfer-Encoding: chunked', LENGTH),
    'te-twice': post(CHUNKED, 'Transfer-Encoding: identity'),
    'te-not-last': post('Transfer-Encoding: chunked, gzip'),
    'te-quoted': post('Transfer-Encoding: "chunked"', LENGTH),
    'te-parameter': post('Transfer-Encoding: chunked;q=0.5', LENGTH),
    'te-identity': post('Transfer-Encoding: identity', LENGTH),
    'te-underscore-name': post('Transfer\x7fEncoding: chunked', LENGTH),
    'length-list': post('Content-Length: 5, 5'),
    'length-hex': post('Content-Length: 0x5'),
    'length-minus': post('Content-Length: -5'),
    'length-exponent': post('Content-Length: 5e0'),
    'length-point': post('Content-Length: 5.0'),
    'length-none': post('Content-Length:'),
    'length-two-words': post('Content-Length: 5 5'),
    'length-huge': post('Content-Length: 18446744073709551621'),
    'lengths-differ': post(LENGTH, 'Content-Length: 6'),
    'blanks-in-line': line('GET PATH x HTTP/1.1'),
    'version-lower': line('GET PATH http/1.1'),
    'version-2': line('GET PATH HTTP/2.0'),
    'version-12': line('GET PATH HTTP/1.2'),
    'version-none': lambda p: f'GET {p}\r\n\r\n',
    'preface': lambda p: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'http-in-https': line('GET http://api.allowed.test:PORTPATH HTTP/1.1'),
    'other-scheme': line('GET ftp://api.allowed.test:PORTPATH HTTP/1.1'),
    'other-host': line('GET https://denied.test:PORTPATH HTTP/1.1'),
    'relative': line('GET .PATH HTTP/1.1'),
    'tls-in-tls': lambda p: '\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03' + 'x' * 43,
    'host-list': lambda p: f'GET {p} HTTP/1.1\r\nHost: api.allowed.test, denied.test\r\n\r\n',
    'host-path': lambda p: f'GET {p} HTTP/1.1\r\nHost: api.allowed.test/forbidden\r\n\r\n',
    'host-empty': lambda p: f'GET {p} HTTP/1.1\r\nHost:\r\n\r\n',
}
for name, make in cases.items():
    stream = connect(9443, 'http/1.1'); stream.settimeout(10)
    got = b''
    try:
        stream.sendall((make('/hello/' + name).replace('PORT', '9443') + HIDDEN).encode('latin-1'))
        while b'\r\n' not in got and (piece := stream.recv(65536)): got += piece
    except TimeoutError: got = b'open'
    except OSError: pass
    words = got.split(b'\r\n')[0].split(b' ', 1)
    print(name, 9443, words[1].decode() if len(words) == 2 else got[:20].decode('latin-1') or 'closed')
"#;

#[test]
fn lines_over_h1_that_read_in_two_ways_reach_nobody() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let answers = site.run(H1);
    assert!(answers.len() > 35, "{answers:?}");
    let got = site.got();
    for (case, port, answer) in &answers {
        assert!(refused(answer), "{case} to {port}: {answer}");
        assert!(!got.contains_key(&(case.clone(), *port)), "{case} to {port}: {got:?}");
    }
}
