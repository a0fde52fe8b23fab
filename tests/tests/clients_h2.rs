//! Clients that put many requests on one connection and stream in both directions: nghttp2, Node, Go. Judged by what the origin received
//! and by what the client's user got to see.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Outcome, Service, Settings};
use serde_json::Value;

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";
const WHY: &str = "this path is forbidden in the laboratory";

const POLICY: &str = include_str!("../support/turns.yaml");

/// What the clients of one test send to `/echo` as one body.
const BODY: &str = "ssn 536-22-8741";
const MASKED: &str = "ssn [SSN]";

fn start(lab: &Lab) -> (Daemon<'_>, Service) {
    let daemon = Daemon::start(lab, &Settings::policy(POLICY)).unwrap();
    (daemon, Service::start(lab, "origin").unwrap())
}

fn run(lab: &Lab, command: &[&str]) -> Outcome {
    lab.agent(AGENT).limit(Duration::from_secs(60)).run(command).unwrap()
}

/// Every body at the origin is masked and whole, `count` of them came to `/echo` over HTTP/2, and nothing to what is forbidden.
fn assert_only_masked(lab: &Lab, count: usize) {
    let seen = lab.internet.requests.all();
    let echoed: Vec<_> = seen.iter().filter(|request| request.path == "/echo").collect();
    assert_eq!(echoed.len(), count);
    for request in &echoed {
        assert_eq!((request.text().as_str(), request.complete, request.alpn.as_deref()), (MASKED, true, Some("h2")));
    }
    assert!(!seen.iter().any(|request| request.path.starts_with("/forbidden")));
}

#[test]
fn nghttp_with_priorities_continuations_padding_and_trailers() {
    let lab = Lab::new().unwrap();
    let (_daemon, origin) = start(&lab);
    std::fs::write(lab.path("home").join("body"), BODY).unwrap();
    std::fs::write(lab.path("home").join("key"), format!("key {KEY}")).unwrap();
    // All on one connection, each depending on the one before.
    let urls = ["/hello", "/forbidden/x", "/bytes/300000", "/hello/again"];
    let urls = urls.map(|path| format!("https://api.allowed.test{path}"));
    let mut command = vec!["nghttp", "-v", "-b", "200", "-w", "14"];
    command.extend(urls.iter().map(String::as_str));
    let outcome = run(&lab, &command);
    assert!(outcome.ok() && !outcome.stderr.contains("verify failed"), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.matches("hello from api.allowed.test").count(), 2, "{}", outcome.stderr);
    assert_eq!(outcome.stdout.matches(":status: 200").count(), 3);
    assert!(
        outcome.stdout.contains(":status: 403") && outcome.stdout.contains("content-type: application/problem+json")
    );
    assert!(outcome.stdout.contains(WHY) && outcome.stdout.contains(&"0".repeat(1000)));
    // A head of more than one frame; the laboratory's own origin takes none that long.
    let outcome = run(&lab, &["nghttp", "--continuation", "https://api.allowed.test:9443/long"]);
    assert!(outcome.ok() && outcome.stdout.contains(r#""length": 0"#), "{outcome:?}");
    let seen = origin.wait(|line| line["path"] == "/long").unwrap();
    let long = seen["headers"].as_object().unwrap().values().filter(|value| value.as_str().unwrap().len() > 4000);
    assert!(long.count() >= 4, "{seen}");
    let post = |more: &[&str], url: &str| {
        let mut command = vec!["nghttp", "-H", ":method: POST", "-H", "content-type: text/plain"];
        command.extend(more);
        command.push(url);
        let outcome = run(&lab, &command);
        assert!(outcome.ok(), "{outcome:?}");
        outcome.stdout
    };
    let echo = "https://api.allowed.test/echo";
    for more in [&["-d", "body"][..], &["-d", "body", "--no-content-length"], &["-d", "body", "-b", "9"]] {
        assert_eq!(post(more, echo), MASKED);
    }
    let problem: Value = serde_json::from_str(&post(&["-d", "key"], echo)).unwrap();
    assert_eq!((problem["status"].as_u64(), problem["detector"].as_str()), (Some(403), Some("aws_key")), "{problem}");
    assert_only_masked(&lab, 3);
    let problem: Value = serde_json::from_str(&post(
        &["-d", "body", "--no-content-length", "--trailer", &format!("x-sum: {KEY}")],
        echo,
    ))
    .unwrap();
    assert_eq!((problem["status"].as_u64(), problem["place"].as_str()), (Some(403), Some("header:x-sum")), "{problem}");
    assert!(
        !lab.internet
            .requests
            .all()
            .iter()
            .any(|request| request.path == "/echo" && !request.complete && request.text().contains("536"))
    );
    // To an origin that speaks HTTP/1.1 only: the trailers end here.
    let up = "https://api.allowed.test:9443/up";
    assert!(post(&["-d", "body", "--no-content-length", "--trailer", "x-sum: 1"], up).contains(r#""trailers": {}"#));
    let seen = origin.wait(|line| line["path"] == "/up").unwrap();
    assert_eq!(seen["body"], MASKED, "{seen}");
}

#[test]
fn h2load_with_a_hundred_streams_on_each_connection() {
    let lab = Lab::new().unwrap();
    let (_daemon, _origin) = start(&lab);
    std::fs::write(lab.path("home").join("body"), BODY).unwrap();
    std::fs::write(lab.path("home").join("key"), format!("key {KEY}")).unwrap();
    let load = |body: &str, path: &str, count: &str| {
        let url = format!("https://api.allowed.test{path}");
        let command =
            ["h2load", "-n", count, "-c", "4", "-m", "100", "-d", body, "-H", "content-type: text/plain", &url];
        let outcome = run(&lab, &command);
        assert!(outcome.ok(), "{outcome:?}");
        outcome.stdout
    };
    let passed = load("body", "/echo", "800");
    assert!(passed.contains("800 done, 800 succeeded, 0 failed, 0 errored, 0 timeout"), "{passed}");
    assert!(passed.contains("status codes: 800 2xx"), "{passed}");
    for (body, path) in [("key", "/echo"), ("body", "/forbidden/x")] {
        let denied = load(body, path, "200");
        assert!(denied.contains("status codes: 0 2xx, 0 3xx, 200 4xx, 0 5xx"), "{denied}");
    }
    assert_only_masked(&lab, 800);
}

const NODE: &str = r#"
const http2 = require('node:http2');
const assert = require('node:assert');
const base = 'https://api.allowed.test', stream9443 = base + ':9443';
const post = (body, more) => fetch(base + '/echo', {method: 'POST', headers: {'content-type': 'text/plain'}, body, ...more});
const pieces = parts => new ReadableStream({start(c) { parts.forEach(p => c.enqueue(new TextEncoder().encode(p))); c.close(); }});
async function undici() {
  console.log('echo', await (await post('ssn 536-22-8741')).text());
  console.log('streamed', await (await post(pieces(['ssn 53', '6-22-', '8741']), {duplex: 'half'})).text());
  const denied = await post('key KEY'), problem = await denied.json();
  console.log('denied', denied.status, denied.headers.get('content-type'), problem.detector, problem.next_steps.length > 0);
  const cut = await post(pieces(['x'.repeat(100000), ' key KEY']), {duplex: 'half'}).then(r => r.status, e => 'broke ' + e.message);
  console.log('cut', cut);
}
// The origin sends the next event when it is told that this one is here.
async function events() {
  const response = await fetch(stream9443 + '/sse/one|two|three?wait');
  let got = '', n = 0;
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    got += piece;
    while (got.split('\n\n').length - 1 > n) { await (await fetch(stream9443 + '/got/' + n)).text(); n++; }
  }
  console.log('events', got.match(/data: \w+/g).join());
}
async function many() {
  const session = http2.connect(base);
  session.on('error', e => console.log('session', e));
  const ask = (path, body) => new Promise((resolve, reject) => {
    const request = session.request({':path': path, ':method': body ? 'POST' : 'GET', 'content-type': 'text/plain'});
    let status, got = '';
    request.on('response', head => { status = head[':status']; }).setEncoding('utf8');
    request.on('data', piece => { got += piece; }).on('end', () => resolve(status + ' ' + got)).on('error', reject);
    request.end(body);
  });
  const kinds = [['/hello'], ['/forbidden/x'], ['/echo', 'ssn 536-22-8741'], ['/bytes/70000'], ['/echo', 'key KEY']];
  const answers = [/^200 hello from/, /^403 .*this path is forbidden/, /^200 ssn \[SSN\]$/, /^200 0{70000}$/, /^403 .*aws_key/];
  // Of what is refused in its body few: origins end connections on which many streams are reset at once.
  const kind = n => n % 20 == 19 ? 4 : n % 4;
  const all = await Promise.all(Array.from({length: 200}, (_, n) => ask(...kinds[kind(n)])));
  all.forEach((answer, n) => assert.match(answer, answers[kind(n)]));
  console.log('many', all.length);
  session.close();
}
undici().then(events).then(many).catch(e => { console.log('failed', e); process.exit(1); });
"#;

#[test]
fn node_fetch_and_http2() {
    let lab = Lab::new().unwrap();
    let (_daemon, _origin) = start(&lab);
    let outcome = run(&lab, &["node", "-e", &NODE.replace("KEY", KEY)]);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 6, "{outcome:?}");
    assert_eq!((lines[0], lines[1]), ("echo ssn [SSN]", "streamed ssn [SSN]"), "{outcome:?}");
    assert_eq!(lines[2], "denied 403 application/problem+json aws_key true", "{outcome:?}");
    // What is found late is answered, or breaks the request; it is no success.
    assert!(lines[3] == "cut 403" || lines[3].starts_with("cut broke"), "{outcome:?}");
    assert_eq!((lines[4], lines[5]), ("events data: one,data: two,data: three", "many 200"), "{outcome:?}");
    let seen = lab.internet.requests.all();
    assert!(!seen.iter().any(|request| request.text().contains(KEY) || request.text().contains("536-22")));
    assert!(!seen.iter().any(|request| request.path.starts_with("/forbidden")));
    let echoed = |alpn: &str| {
        let whole = seen.iter().filter(|request| request.path == "/echo" && request.complete);
        whole.filter(|request| request.alpn.as_deref() == Some(alpn) && request.text() == MASKED).count()
    };
    assert_eq!((echoed("http/1.1"), echoed("h2")), (2, 50));
}

const GO: &str = r#"package main

import ("bufio"; "encoding/json"; "fmt"; "io"; "net/http"; "os"; "strings"; "sync")

const base = "https://api.allowed.test"

func check(err error) { if err != nil { fmt.Println("failed", err); os.Exit(1) } }

func ask(method, url string, body io.Reader) (*http.Response, string) {
	request, err := http.NewRequest(method, url, body); check(err)
	request.Header.Set("Content-Type", "text/plain")
	response, err := http.DefaultClient.Do(request); check(err)
	text, err := io.ReadAll(response.Body); check(err)
	response.Body.Close()
	return response, string(text)
}

func main() {
	response, text := ask("POST", base + "/echo", strings.NewReader("ssn 536-22-8741"))
	fmt.Println("echo", response.Proto, text)
	// A body of which nobody knows the length, and which comes in pieces.
	reader, writer := io.Pipe()
	go func() { for _, piece := range []string{"ssn 53", "6-22-", "8741"} { io.WriteString(writer, piece) }; writer.Close() }()
	_, text = ask("POST", base + "/echo", reader)
	fmt.Println("streamed", text)
	response, text = ask("POST", base + "/echo", strings.NewReader("key KEY"))
	var problem struct { Detector, Place string; Next_steps []string }
	check(json.Unmarshal([]byte(text), &problem))
	fmt.Println("denied", response.StatusCode, response.Header.Get("Content-Type"), problem.Detector, len(problem.Next_steps) > 0)
	// The origin sends the next event when it is told that this one is here.
	events, err := http.Get(base + ":9443/sse/one|two|three?wait"); check(err)
	lines, n := bufio.NewScanner(events.Body), 0
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data: ") {
			fmt.Println("event", events.Proto, lines.Text()[6:])
			ask("GET", fmt.Sprint(base, ":9443/got/", n), nil); n++
		}
	}
	check(lines.Err())
	var group sync.WaitGroup
	results := make([]string, 200)
	for n := range results {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			switch n % 4 {
			case 0: _, results[n] = ask("GET", base + "/hello", nil)
			case 1: _, results[n] = ask("POST", base + "/echo", strings.NewReader("ssn 536-22-8741"))
			case 2: _, results[n] = ask("GET", base + "/forbidden/x", nil)
			case 3: _, results[n] = ask("GET", base + "/bytes/70000", nil)
			}
		}(n)
	}
	group.Wait()
	good := 0
	for n, result := range results {
		ok := []bool{strings.HasPrefix(result, "hello from"), result == "ssn [SSN]", strings.Contains(result, "this path is forbidden"), len(result) == 70000}
		if ok[n % 4] { good++ } else { fmt.Printf("wrong %d %.80s\n", n, result) }
	}
	fmt.Println("many", good)
	// Answers that nobody reads hold up no other on their connection, and are whole when they are read.
	var unread []*http.Response
	for n := 0; n < 3; n++ {
		response, err := http.Get(base + "/bytes/6000000"); check(err)
		unread = append(unread, response)
	}
	for n := 0; n < 20; n++ { ask("GET", base + "/hello", nil) }
	for _, response := range unread {
		length, err := io.Copy(io.Discard, response.Body); check(err)
		fmt.Println("unread", length)
	}
}
"#;

#[test]
fn go_net_http_with_many_streams() {
    let lab = Lab::new().unwrap();
    let (_daemon, _origin) = start(&lab);
    let client = lab.go(&GO.replace("KEY", KEY)).unwrap();
    let outcome = run(&lab, &[client.to_str().unwrap()]);
    let expected = "echo HTTP/2.0 ssn [SSN]\nstreamed ssn [SSN]\ndenied 403 application/problem+json aws_key true\n\
        event HTTP/2.0 one\nevent HTTP/2.0 two\nevent HTTP/2.0 three\nmany 200\n\
        unread 6000000\nunread 6000000\nunread 6000000\n";
    assert_eq!(outcome.stdout, expected, "{outcome:?}");
    assert_only_masked(&lab, 52);
}
