//! Conditions on more than the request's own words, in force: use so far, the time, scopes, declared tools and regions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{Daemon, Lab, Settings};
use serde_json::json;

const POLICY: &str = r#"
version: conditions-1
tools:
  - {name: greeting, hosts: [api.allowed.test], paths: [/hello]}
  - {name: ledger, hosts: [api.allowed.test]}
regions:
  eu: [api.allowed.test]
policies:
  - name: counted
    agents: [counted]
    rules:
      - name: five
        hosts: [api.allowed.test]
        usage: [{of: requests, per: hour, op: "<", value: 5}]
        decision: allow
  - name: heavy
    agents: [heavy]
    rules:
      - name: a-little
        hosts: [api.allowed.test]
        usage: [{of: bytes_out, per: day, op: "<", value: 1000}]
        decision: allow
  - name: choosy
    agents: [choosy]
    rules:
      - {name: over, hosts: [api.allowed.test], when: {until: 2001-01-01}, decision: deny}
      - {name: not-yet, hosts: [api.allowed.test], when: {from: 2200-01-01}, decision: deny}
      - {name: greet, hosts: [api.allowed.test], tools: [greeting], scopes: [greet], when: {from: 2001-01-01}, decision: allow}
      - {name: book, hosts: [api.allowed.test], tools: [ledger], scopes: [book], decision: allow}
      - {name: elsewhere, hosts: ["*"], regions: [eu], decision: allow}
"#;

fn settings() -> Settings {
    let agent = |name: &str, scopes: &[&str]| json!({"name": name, "scopes": scopes});
    let agents = json!([agent("counted", &[]), agent("heavy", &[]), agent("choosy", &["greet"])]);
    Settings { config: json!({"agents": agents}), policy: Some(POLICY.to_owned()) }
}

/// Twenty requests at once: exactly as many pass as the rule allows, and those that are refused use nothing up.
#[test]
fn requests_side_by_side_do_not_slip_past_a_limit() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let program = r#"
import concurrent.futures, urllib.request, urllib.error
def one(_):
    try: return urllib.request.urlopen('https://api.allowed.test/hello', timeout=30).status
    except urllib.error.HTTPError as e: return e.code
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    answers = list(pool.map(one, range(20)))
print(answers.count(200), answers.count(403))
"#;
    let outcome = lab.agent("counted").python(program).unwrap();
    assert_eq!(outcome.stdout.trim(), "5 15", "{outcome:?}");
    assert_eq!(lab.internet.requests.all().len(), 5);
    let refused = lab.agent("counted").curl(&["https://api.allowed.test/hello"]).unwrap();
    assert!(refused.is_denial(), "{refused:?}");
    drop(daemon);
}

#[test]
fn bytes_count_when_they_have_been_sent() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let body = "x".repeat(1000);
    let post = || lab.agent("heavy").curl(&["-d", &body, "https://api.allowed.test/sink"]).unwrap();
    assert_eq!(post().status, 200);
    // The exchange may end a moment after its answer has arrived.
    let refused = wait_for(Duration::from_secs(20), || Some(post()).filter(|answer| answer.status == 403));
    assert!(refused.is_some_and(|answer| answer.is_denial()));
    assert!(lab.internet.requests.all().len() < 10);
    drop(daemon);
}

#[test]
fn time_scope_tool_and_region_decide_together() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let rule = |url: &str| {
        let answer = lab.agent("choosy").curl(&[url]).unwrap();
        let path = url.rsplit('/').next().unwrap().to_owned();
        let record = daemon.record(|record| record["path"].as_str().is_some_and(|at| at.ends_with(&path))).unwrap();
        (answer.status, record["rule"].clone(), record["tool"].clone())
    };
    assert_eq!(rule("https://api.allowed.test/hello"), (200, json!("choosy/greet"), json!("greeting")));
    assert_eq!(rule("https://api.allowed.test/sink"), (200, json!("choosy/elsewhere"), json!("ledger")));
    // Nothing was declared of this host, and doubt never helps.
    let refused = lab.agent("choosy").curl(&["https://git.allowed.test/x"]).unwrap();
    assert!(refused.is_denial(), "{refused:?}");
    drop(daemon);
}
