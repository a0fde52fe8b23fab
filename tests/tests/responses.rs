//! What comes back, where a rule wants it looked through: judged by what the agent got.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{AGENT, Daemon, Lab, Outcome, Service, Settings, python};
use serde_json::{Value, json};

const POLICY: &str = r#"version: back-1
policies:
  - name: answers
    agents: ["*"]
    rules:
      - name: unread
        hosts: [api.allowed.test]
        ports: [9443]
        paths: ["/got/**"]
        decision: allow
      - name: short
        hosts: [api.allowed.test]
        ports: [443]
        decision: allow
        dlp: {responses: {max_bytes: 100kB}}
      - name: looked-through
        hosts: [api.allowed.test]
        ports: [9443]
        decision: allow
        dlp: {responses: {redact: [pii], deny: [secrets], markers: deny}}
"#;

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";

fn start(lab: &Lab) -> (Daemon<'_>, Service) {
    let daemon = Daemon::start(lab, &Settings::policy(POLICY)).unwrap();
    (daemon, Service::start(lab, "origin").unwrap())
}

fn get(lab: &Lab, options: &str, path: &str) -> Outcome {
    let script = format!("curl -sS -i {options} --max-time 20 'https://api.allowed.test:9443{path}'");
    lab.agent(AGENT).shell(&script).unwrap()
}

#[test]
fn personal_data_is_masked_and_the_head_fits_the_body() {
    let lab = Lab::new().unwrap();
    let (daemon, _origin) = start(&lab);
    let masked = r#"{"user":{"ssn":"[SSN]"},"n":1}"#;
    for path in ["/leak/ssn", "/leak/ssn/gzip"] {
        let outcome = get(&lab, "", path);
        let head = outcome.stdout.to_ascii_lowercase();
        assert!(outcome.ok() && outcome.stdout.ends_with(masked), "{outcome:?}");
        assert!(head.contains(&format!("content-length: {}", masked.len())), "{outcome:?}");
        assert!(!head.contains("content-encoding"), "{outcome:?}");
    }
    let outcome = get(&lab, "", "/leak/ssn/chunked");
    assert!(outcome.ok() && outcome.stdout.contains(masked), "{outcome:?}");
    let record = daemon.record(|record| record["path"] == "/leak/ssn").unwrap();
    let finding = &record["findings"][0];
    assert_eq!((finding["detector"].as_str(), finding["action"].as_str()), (Some("ssn"), Some("redact")), "{record}");
    assert!(finding["place"].as_str().unwrap().ends_with("response!/user/ssn"), "{record}");
}

#[test]
fn a_secret_does_not_come_back() {
    let lab = Lab::new().unwrap();
    let (daemon, _origin) = start(&lab);
    for (path, options) in
        [("/leak/key", ""), ("/leak/key/gzip", "--http2"), ("/leak/marker", ""), ("/leak/marker/gzip", "")]
    {
        let outcome = get(&lab, options, path);
        assert!(outcome.stdout.contains("403") && !outcome.stdout.contains(KEY), "{outcome:?}");
        let problem: Value = serde_json::from_str(outcome.stdout.rsplit("\r\n\r\n").next().unwrap()).unwrap();
        if path.contains("key") {
            assert_eq!(problem["detector"], "aws_key", "{problem}");
            assert!(problem["place"].as_str().unwrap().contains("response!/key"), "{problem}");
        } else {
            assert!(problem["reason"].as_str().unwrap().contains("ignore_instructions"), "{problem}");
        }
    }
    let record = daemon.record(|record| record["path"] == "/leak/marker").unwrap();
    assert_eq!((record["decision"].as_str(), record["status"].as_u64()), (Some("deny"), Some(403)), "{record}");
    assert_eq!(record["findings"][0]["detector"], "prompt_injection", "{record}");
}

#[test]
fn a_response_that_streams_is_cut_with_a_clear_end() {
    let lab = Lab::new().unwrap();
    let (daemon, _origin) = start(&lab);
    // curl: 18 is a transfer that ended early, 92 an HTTP/2 stream that was reset, 56 a connection that broke.
    for (options, codes) in [("--http1.1", [18, 56]), ("--http2", [92, 56])] {
        let outcome = get(&lab, options, "/leak/key/chunked");
        assert!(codes.contains(&outcome.code), "{options}: {} {}", outcome.code, outcome.stderr);
        assert!(outcome.stdout.contains("200") && outcome.stdout.contains(&"x".repeat(4000)), "{outcome:?}");
        assert!(!outcome.stdout.contains(&KEY[..6]) && !outcome.stdout.contains("yyy"), "{outcome:?}");
    }
    let denied = |record: &Value| record["path"] == "/leak/key/chunked" && record["decision"] == "deny";
    let record = daemon.record(denied).unwrap();
    assert!(record["reason"].as_str().unwrap().contains("must not come back: aws_key"), "{record}");
    assert_eq!(record["status"], 200, "{record}");
}

#[test]
fn too_much_does_not_come_back() {
    let lab = Lab::new().unwrap();
    let (_daemon, _origin) = start(&lab);
    let get = |path: &str| {
        let url = format!("https://api.allowed.test{path}");
        lab.agent(AGENT).shell(&format!("curl -sS -w ' %{{http_code}} %{{size_download}}' '{url}'")).unwrap()
    };
    assert!(get("/bytes/90000").stdout.ends_with(" 200 90000"));
    let outcome = get("/bytes/200000");
    let (_, size) = outcome.stdout.rsplit_once(' ').unwrap();
    assert!(size.parse::<u64>().unwrap() <= 100_000, "{size}");
    assert!(!outcome.ok() || outcome.stdout.contains(" 502 "), "{}", outcome.stderr);
}

#[test]
fn events_come_one_by_one_and_a_denied_one_ends_the_stream_with_an_event() {
    let lab = Lab::new().unwrap();
    let (daemon, _origin) = start(&lab);
    let program = format!(
        r#"
import urllib.request
base = 'https://api.allowed.test:9443'
# The origin sends the next event when it is told that this one is here.
stream = urllib.request.urlopen(base + '/sse/one|%7B%22ssn%22:%22536-22-8741%22%7D|three?wait', timeout=20)
n = 0
for line in stream:
    print(line.decode().rstrip())
    if line.startswith(b'data:'):
        urllib.request.urlopen(f'{{base}}/got/{{n}}', timeout=20).read(); n += 1
stream = urllib.request.urlopen(base + '/sse/fine|{KEY}|never', timeout=20)
print(stream.read().decode())
"#
    );
    let outcome = lab.agent(AGENT).python(&program).unwrap();
    assert!(outcome.ok(), "{outcome:?}");
    let first = "id: 0\ndata: one\n\nid: 1\ndata: {\"ssn\":\"[SSN]\"}\n\nid: 2\ndata: three\n\n";
    assert!(outcome.stdout.starts_with(first), "{outcome:?}");
    let second = &outcome.stdout[first.len()..];
    assert!(second.starts_with("id: 0\ndata: fine\n\n") && second.contains("event: error\ndata: {"), "{outcome:?}");
    assert!(second.contains("aws_key") && !second.contains(KEY) && !second.contains("never"), "{outcome:?}");
    assert!(second.contains(r#""next_steps":["Ask the origin for an answer without the aws_key."]"#), "{outcome:?}");
    let record = daemon.record(|record| record["decision"] == "deny").unwrap();
    assert!(record["findings"].to_string().contains("response!event:2"), "{record}");
}

/// Eight polls, which are answered in reverse order: the origin has all of them, and none is answered, while other requests are.
const POLLS_H1: &str = r#"
import asyncio, httpx
BASE = 'https://api.allowed.test:9443'
async def main():
    async with httpx.AsyncClient(timeout=20) as client:
        ended = []
        async def poll(name):
            r = await client.get(f'{BASE}/poll/{name}'); ended.append((name, r.status_code, r.json()['of'], r.json()['ssn']))
        names = [f'h1-{n}' for n in range(8)]
        polls = [asyncio.create_task(poll(name)) for name in names]
        for name in names: await client.get(f'{BASE}/wait/{name}')
        for n, name in reversed(list(enumerate(names))):
            before = len(ended)
            await client.get(f'{BASE}/got/{name}'); await polls[n]
            print(before, len(ended), *ended[-1])
asyncio.run(main())
"#;

/// The same over one connection. Not httpx: of many that wait one reads for all, and the answer for another stays with it.
const POLLS_H2: &str = r#"
const session = require('node:http2').connect('https://api.allowed.test:9443');
const get = path => new Promise((resolve, reject) => {
  const request = session.request({':path': path});
  let status, body = '';
  request.on('response', head => { status = head[':status']; }).setEncoding('utf8');
  request.on('data', piece => { body += piece; }).on('end', () => resolve([status, JSON.parse(body)])).on('error', reject);
  request.end();
});
async function main() {
  const ended = [], names = Array.from({length: 8}, (_, n) => 'h2-' + n);
  const polls = names.map(name => get('/poll/' + name).then(([status, got]) => ended.push([name, status, got.of, got.ssn])));
  for (const name of names) await get('/wait/' + name);
  for (let n = 7; n >= 0; n--) {
    const before = ended.length;
    await get('/got/' + names[n]); await polls[n];
    console.log(before, ended.length, ...ended.at(-1));
  }
  session.close();
}
main().catch(e => { console.log('failed', e); process.exit(1); });
"#;

/// Long polling: what waits for its answer holds up nothing, and gets it when it comes.
#[test]
fn what_polls_waits_for_its_answer_and_holds_nothing_up() {
    let lab = Lab::new().unwrap();
    let (_daemon, origin) = start(&lab);
    let python = python();
    for (version, command) in [("h1", [python.to_str().unwrap(), "-c", POLLS_H1]), ("h2", ["node", "-e", POLLS_H2])] {
        let outcome = lab.agent(AGENT).limit(Duration::from_secs(60)).run(&command).unwrap();
        let line = |(at, n): (usize, usize)| format!("{at} {} {version}-{n} 200 {version}-{n} [SSN]\n", at + 1);
        let expected: String = (0..8).rev().enumerate().map(line).collect();
        assert_eq!(outcome.stdout, expected, "{outcome:?}");
    }
    let polls = origin.seen().iter().filter(|line| line["path"].to_string().contains("/poll/")).count();
    assert_eq!(polls, 16);
}

#[test]
fn what_is_divided_over_events_is_found_where_it_becomes_whole() {
    let lab = Lab::new().unwrap();
    let (daemon, _origin) = start(&lab);
    let (first, rest) = KEY.split_at(7);
    let outcome = get(&lab, "", "/sse/ssn%20536-22-|8741%20is%20it|fine");
    assert!(
        outcome.stdout.ends_with("data: ssn 536-22-\n\nid: 1\ndata: [SSN] is it\n\nid: 2\ndata: fine\n\n"),
        "{outcome:?}"
    );
    let outcome = get(&lab, "", &format!("/sse/{first}|{rest}|never"));
    assert!(outcome.stdout.contains(first) && !outcome.stdout.contains(rest), "{outcome:?}");
    assert!(outcome.stdout.contains("event: error\ndata: {") && outcome.stdout.contains("aws_key"), "{outcome:?}");
    assert!(!outcome.stdout.contains("never"), "{outcome:?}");
    let record = daemon.record(|record| record["decision"] == "deny").unwrap();
    assert!(record["findings"].to_string().contains("response!event:2!joined"), "{record}");
}

#[test]
fn fields_and_trailers_of_a_response_are_content() {
    let lab = Lab::new().unwrap();
    let (daemon, _origin) = start(&lab);
    let outcome = get(&lab, "", "/head/X-Note/ssn%20536-22-8741");
    let head = outcome.stdout.to_ascii_lowercase();
    assert!(outcome.ok() && head.contains("x-note: ssn [ssn]") && head.ends_with("body"), "{outcome:?}");
    assert!(!outcome.stdout.contains(KEY), "the words behind the status: {outcome:?}");
    let outcome = get(&lab, "", "/head/ETag/%22536-22-8741%22");
    assert!(outcome.ok() && !outcome.stdout.to_ascii_lowercase().contains("etag"), "{outcome:?}");
    // A session's own cookie comes back, whatever it looks like.
    let outcome = get(&lab, "", &format!("/head/Set-Cookie/session={KEY}"));
    assert!(outcome.ok() && outcome.stdout.contains(&format!("session={KEY}")), "{outcome:?}");
    let outcome = get(&lab, "", &format!("/head/X-Note/{KEY}"));
    assert!(outcome.stdout.contains(" 403") && !outcome.stdout.contains(KEY), "{outcome:?}");
    assert!(outcome.stdout.contains(r#""place":"header:response!x-note""#), "{outcome:?}");
    let outcome = get(&lab, "", "/head/Aegis-Removed/nothing");
    assert!(outcome.ok() && !outcome.stdout.to_ascii_lowercase().contains("aegis-removed"), "{outcome:?}");
    // Trailers go on over HTTP/2.
    let outcome = get(&lab, "--http2", "/trailer/X-Note/ssn%20536-22-8741");
    assert!(outcome.ok() && outcome.stdout.contains("x-note: ssn [SSN]"), "{outcome:?}");
    let outcome = get(&lab, "--http2", &format!("/trailer/X-Note/{KEY}"));
    assert!(!outcome.ok() && !outcome.stdout.contains(KEY), "{outcome:?}");
    let denied = |record: &Value| record["path"] == format!("/trailer/X-Note/{KEY}") && record["decision"] == "deny";
    let masked =
        |record: &Value| record["decision"] == "deny" && record["path"].to_string().contains("/trailer/X-Note");
    assert!(daemon.record(|record| denied(record) || masked(record)).is_ok());
}

#[test]
fn a_policy_that_asks_for_more_ends_an_open_stream() {
    let lab = Lab::new().unwrap();
    let open = POLICY.replace("dlp: {responses: {redact: [pii], deny: [secrets], markers: deny}}", "reason: open");
    let daemon = Daemon::start(&lab, &Settings::policy(&open)).unwrap();
    let origin = Service::start(&lab, "origin").unwrap();
    let client = lab
        .agent(AGENT)
        .start(&["curl", "-sSN", "--max-time", "30", "https://api.allowed.test:9443/sse/one|two?wait"])
        .unwrap();
    origin.wait(|line| line["path"] == "/sse/one|two?wait").unwrap();
    std::fs::write(lab.path("policy.yaml"), POLICY).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP).unwrap();
    let outcome = client.finish().unwrap();
    assert!(outcome.stdout.starts_with("id: 0\ndata: one\n\n"), "{outcome:?}");
    assert!(!outcome.stdout.contains("two") && outcome.stdout.contains("looked through in another way"), "{outcome:?}");
}

#[test]
fn a_stream_of_events_with_no_room_for_one_of_ours_breaks_off() {
    let lab = Lab::new().unwrap();
    let open = POLICY.replace("dlp: {responses: {redact: [pii], deny: [secrets], markers: deny}}", "reason: open");
    let daemon = Daemon::start(&lab, &Settings::policy(&open)).unwrap();
    let _origin = Service::start(&lab, "origin").unwrap();
    // Compressed, and as long as its head says: text of ours would be no event in the one and too long for the other.
    let clients: Vec<_> = ["gzip", "length", "gzip&length"]
        .into_iter()
        .flat_map(|form| [(form, "--http1.1"), (form, "--http2")])
        .map(|(form, version)| {
            let got = lab.path("home").join(format!("{form}{version}"));
            let script = format!(
                "curl -sSN --compressed {version} --max-time 30 -o '{}' 'https://api.allowed.test:9443/sse/one|two?wait&{form}'",
                got.display()
            );
            (got, lab.agent(AGENT).start(&["sh", "-c", &script]).unwrap())
        })
        .collect();
    for (got, _) in &clients {
        let first = || std::fs::read(got).ok().filter(|text| text == b"id: 0\ndata: one\n\n");
        wait_for(Duration::from_secs(20), first).unwrap_or_else(|| panic!("{}", got.display()));
    }
    std::fs::write(lab.path("policy.yaml"), POLICY).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP).unwrap();
    for (got, client) in clients {
        let outcome = client.finish().unwrap();
        // curl: a transfer that ended early, a stream that was reset, a connection that broke.
        assert!([18, 92, 56].contains(&outcome.code), "{}: {outcome:?}", got.display());
        assert_eq!(std::fs::read_to_string(&got).unwrap(), "id: 0\ndata: one\n\n");
    }
    // What is looked through and goes on uncompressed has room again.
    let outcome = get(&lab, "--compressed", &format!("/sse/fine|{KEY}|never?gzip"));
    assert!(outcome.ok() && outcome.stdout.contains("data: fine\n\n"), "{outcome:?}");
    assert!(outcome.stdout.contains("event: error\ndata: {") && !outcome.stdout.contains(KEY), "{outcome:?}");
    assert!(!outcome.stdout.contains("never"), "{outcome:?}");
}

#[test]
fn pieces_of_the_agents_choice_are_not_asked_for_and_digests_of_other_bytes_do_not_come_back() {
    let lab = Lab::new().unwrap();
    let (_daemon, origin) = start(&lab);
    let asked = |path: &str| {
        let outcome = get(&lab, "-r 0-3 -H 'If-Range: \"x\"'", path);
        assert!(outcome.ok(), "{outcome:?}");
        let request = origin.wait(|line| line["path"] == path).unwrap();
        ["range", "if-range"].map(|name| request["headers"].get(name).is_some())
    };
    assert_eq!(asked("/leak/plain"), [false, false]);
    assert_eq!(asked("/got/anything"), [true, true]);
    let outcome = get(&lab, "", "/leak/ssn?digest");
    let head = outcome.stdout.to_ascii_lowercase();
    assert!(outcome.ok() && head.contains("[ssn]"), "{outcome:?}");
    for name in ["content-digest", "content-md5", "accept-ranges"] {
        assert!(!head.contains(name), "{outcome:?}");
    }
}

#[test]
fn an_answer_of_which_nothing_is_left_has_come_whole() {
    let lab = Lab::new().unwrap();
    let (daemon, _origin) = start(&lab);
    for (path, version) in [("/leak/nothing/gzip", "--http1.1"), ("/leak/nothing", "--http2")] {
        let outcome = get(&lab, version, path);
        assert!(outcome.ok() && outcome.stdout.contains(" 200") && outcome.stdout.ends_with("\r\n\r\n"), "{outcome:?}");
        let record = daemon.record(|record| record["path"] == path).unwrap();
        assert_eq!((&record["error"], &record["status"]), (&Value::Null, &json!(200)), "{record}");
    }
}

#[test]
fn what_no_rule_asks_about_comes_back_as_it_was_sent() {
    let lab = Lab::new().unwrap();
    let policy =
        POLICY.replace("dlp: {responses: {redact: [pii], deny: [secrets], markers: deny}}", "dlp: {redact: [pii]}");
    let _daemon = Daemon::start(&lab, &Settings::policy(&policy)).unwrap();
    let _origin = Service::start(&lab, "origin").unwrap();
    for path in ["/leak/ssn", "/leak/key", "/leak/key/chunked", "/leak/marker", "/sse/536-22-8741"] {
        let outcome = get(&lab, "", path);
        assert!(outcome.ok() && outcome.stdout.contains(" 200"), "{outcome:?}");
    }
    let outcome = get(&lab, "--compressed", "/leak/key/gzip");
    assert!(outcome.stdout.contains(KEY) && outcome.stdout.to_ascii_lowercase().contains("content-encoding: gzip"));
}

#[test]
fn in_shadow_nothing_is_cut_and_everything_recorded() {
    let lab = Lab::new().unwrap();
    let policy = POLICY.replace("    rules:", "    mode: shadow\n    rules:");
    let daemon = Daemon::start(&lab, &Settings::policy(&policy)).unwrap();
    let _origin = Service::start(&lab, "origin").unwrap();
    let outcome = get(&lab, "", "/leak/key/chunked");
    assert!(outcome.ok() && outcome.stdout.contains(KEY), "{outcome:?}");
    let record = daemon.record(|record| record["path"] == "/leak/key/chunked").unwrap();
    assert_eq!((&record["mode"], &record["findings"][0]["action"]), (&json!("shadow"), &json!("report")), "{record}");
}
