//! A suggested policy permits what passed and nothing that was refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod events;

use aegis_dlp::Detector;
use aegis_policy::replay::{Past, Replayed, Replayer};
use aegis_policy::suggest::{Observations, Suggestion};
use aegis_policy::{Mode, Snapshot};
use common::{Ask, ask, policy, snapshot};
use events::past;
use proptest::prelude::*;

fn suggested(live: &Snapshot, requests: &[Ask]) -> (Suggestion, Vec<Past>) {
    let pasts: Vec<Past> = requests.iter().map(|request| past(live, request)).collect();
    let mut observations = Observations::default();
    pasts.iter().for_each(|past| observations.observe(past));
    (observations.suggest("suggested-1"), pasts)
}

/// A policy under which the agent has no rule, in shadow: everything passes and is recorded.
fn trial() -> Snapshot {
    snapshot(
        "policies: [{name: trial, agents: ['*'], mode: shadow, rules: [{name: never, hosts: [never.test], decision: allow}]}]",
    )
}

#[test]
fn traffic_becomes_rules_with_counts() {
    let requests = [
        "GET https://api.test/v1/users/17",
        "GET https://api.test/v1/users/18",
        "GET https://api.test/v1/users/18/orders/0190f3c2-7d5e-7c3a-9a3e-1b2c3d4e5f60",
        "POST https://api.test/v1/orders",
        "GET https://cdn.test/a.js",
        "GET https://cdn2.test/a.js",
        "GET http://api.test:8080/v1/health",
        "GET https://203.0.113.9/x",
        "GET https://10.1.2.3/x",
    ]
    .map(ask);
    let (suggestion, _) = suggested(&trial(), &requests);
    let expected = r#"    agents: ["a"]
    rules:
      # 1 passed
      - name: "10.1.2.3-1"
        hosts: ["10.1.2.3"]
        ports: [443]
        methods: [GET]
        paths: ["/x"]
        private: true
        decision: allow
      # 1 passed
      - name: "203.0.113.9-2"
        hosts: ["203.0.113.9"]
        ports: [443]
        methods: [GET]
        paths: ["/x"]
        decision: allow
      # 3 passed
      - name: "api.test-3"
        hosts: ["api.test"]
        ports: [443]
        methods: [GET]
        paths: ["/v1/users/*", "/v1/users/*/orders/*"]
        decision: allow
      # 1 passed
      - name: "api.test-4"
        hosts: ["api.test"]
        ports: [8080]
        methods: [GET]
        paths: ["/v1/health"]
        decision: allow
      # 1 passed
      - name: "api.test-5"
        hosts: ["api.test"]
        ports: [443]
        methods: [POST]
        paths: ["/v1/orders"]
        decision: allow
      # 2 passed
      - name: "cdn.test-6"
        hosts: ["cdn.test", "cdn2.test"]
        ports: [443]
        methods: [GET]
        paths: ["/a.js"]
        decision: allow
"#;
    assert!(suggestion.yaml.ends_with(expected), "{}", suggestion.yaml);
    assert!(suggestion.yaml.contains("To be reviewed"));
    assert_eq!((suggestion.rules, suggestion.left_out), (6, 0));
    snapshot(&suggestion.yaml);
}

#[test]
fn an_identifier_that_was_refused_is_not_generalised_over() {
    let live = snapshot(&policy(
        "- {name: no, hosts: [api.test], paths: ['/u/2'], decision: deny}
- {name: yes, hosts: [api.test], decision: allow}",
    ));
    let requests = ["GET https://api.test/u/1", "GET https://api.test/u/2", "GET https://api.test/u/3"].map(ask);
    let (suggestion, _) = suggested(&live, &requests);
    assert!(suggestion.yaml.contains(r#"paths: ["/u/1", "/u/3"]"#), "{}", suggestion.yaml);
}

#[test]
fn what_passed_and_was_refused_is_left_out_and_told() {
    let live = snapshot(&policy(
        "- {name: no, hosts: [api.test], body: [{path: n, op: '>', value: 5}], decision: deny}
- {name: yes, hosts: [api.test], decision: allow}",
    ));
    let request = |n: u8| ask("POST https://api.test/pay").body(&format!("{{\"n\": {n}}}"));
    let (suggestion, _) = suggested(&live, &[request(1), request(9)]);
    assert_eq!((suggestion.rules, suggestion.left_out), (0, 1));
    assert!(suggestion.yaml.contains("1 time(s): POST api.test:443/pay was refused, too"), "{}", suggestion.yaml);
}

#[test]
fn data_that_was_seen_is_redacted_and_data_that_was_refused_denied() {
    let live =
        snapshot(&policy("- {name: r, hosts: [api.test], decision: allow, dlp: {deny: [ssn], report: [email]}}"));
    let get = ask("GET https://api.test/x");
    let (suggestion, pasts) =
        suggested(&live, &[get.clone(), get.clone().found(Detector::Email), get.found(Detector::Ssn)]);
    assert!(suggestion.yaml.contains("dlp: {deny: [ssn], redact: [email]}"), "{}", suggestion.yaml);
    assert!(suggestion.yaml.contains("1 were refused for the data in them: review"), "{}", suggestion.yaml);
    let compiled = snapshot(&suggestion.yaml);
    let said: Vec<String> = pasts.iter().map(|past| events::replayed(&compiled, past)).collect();
    let rule = "suggested-a/api.test-1";
    assert_eq!(said, [format!("sanitize {rule}"), format!("sanitize {rule}"), format!("deny {rule}")]);
}

#[test]
fn what_a_human_was_asked_about_stays_a_question() {
    let live = snapshot(&policy(
        "- {name: r, hosts: [api.test], decision: allow, dlp: {approve: [ssn, aws_key], deny: [aws_key]}}",
    ));
    let get = ask("GET https://api.test/x");
    let (suggestion, pasts) =
        suggested(&live, &[get.clone(), get.clone().found(Detector::Ssn), get.found(Detector::AwsKey)]);
    assert!(suggestion.yaml.contains("dlp: {deny: [aws_key], approve: [ssn]}"), "{}", suggestion.yaml);
    let compiled = snapshot(&suggestion.yaml);
    let said: Vec<String> = pasts.iter().map(|past| events::replayed(&compiled, past)).collect();
    let rule = "suggested-a/api.test-1";
    assert_eq!(said, [format!("allow {rule}"), format!("approval_needed {rule}"), format!("deny {rule}")]);
}

#[test]
fn a_rule_that_says_no_in_shadow_was_meant() {
    let live = snapshot(
        "policies: [{name: p, agents: [a], mode: shadow, rules: [{name: no, hosts: [bad.test], decision: deny}]}]",
    );
    let (suggestion, _) = suggested(&live, &[ask("GET https://bad.test/"), ask("GET https://good.test/")]);
    assert!(suggestion.yaml.contains("good.test") && !suggestion.yaml.contains("bad.test"), "{}", suggestion.yaml);
    assert!(suggestion.yaml.contains("1 time(s): in shadow a rule would have refused it"), "{}", suggestion.yaml);
}

#[test]
fn what_a_rule_in_shadow_refuses_is_in_no_pattern() {
    let live = snapshot(
        "policies: [{name: p, agents: [a], mode: shadow, rules: [
          {name: no, hosts: [api.test], paths: ['/u/2'], decision: deny},
          {name: big, hosts: [api.test], paths: ['/pay'], body: [{path: n, op: '>', value: 5}], decision: deny}]}]",
    );
    let get = |n: u8| ask(&format!("GET https://api.test/u/{n}"));
    let pay = |n: u8| ask("POST https://api.test/pay").body(&format!("{{\"n\": {n}}}"));
    let (suggestion, pasts) = suggested(&live, &[get(1), get(2), get(3), pay(1), pay(9)]);
    assert!(suggestion.yaml.contains(r#"paths: ["/u/1", "/u/3"]"#), "{}", suggestion.yaml);
    assert!(!suggestion.yaml.contains("\"/pay\"") && !suggestion.yaml.contains("/u/*"), "{}", suggestion.yaml);
    assert!(suggestion.yaml.contains("1 time(s): POST api.test:443/pay was refused, too"), "{}", suggestion.yaml);
    let refused: Vec<bool> = pasts.iter().map(|past| past.live.refuses()).collect();
    assert_eq!(refused, [false, true, false, false, true]);
}

#[test]
fn a_wildcard_of_the_agents_own_is_none_of_the_policys() {
    let requests = ["GET https://api.test/**", "GET https://api.test/u/*", "GET https://api.test/ok"].map(ask);
    let (suggestion, _) = suggested(&trial(), &requests);
    assert!(suggestion.yaml.contains(r#"paths: ["/ok"]"#) && !suggestion.yaml.contains("\"/**"), "{}", suggestion.yaml);
    assert!(!suggestion.yaml.contains("/u/*"), "{}", suggestion.yaml);
    assert_eq!((suggestion.rules, suggestion.left_out), (1, 2));
    // Nor does one stand in for a host or a method, whoever wrote the log.
    let mut observations = Observations::default();
    let line = serde_json::to_string(&events::event(&trial(), &ask("GET https://api.test/"), "id")).unwrap();
    for (word, other) in [("api.test", "*"), ("api.test", "*.test"), ("api.test", "203.0.113.0/24"), ("GET", "*")] {
        let line = line.replace(&format!("\"{word}\""), &format!("\"{other}\""));
        observations.observe(&Past::of_line(&line).unwrap().unwrap());
    }
    let suggestion = observations.suggest("v");
    assert_eq!((suggestion.rules, suggestion.left_out), (0, 4), "{}", suggestion.yaml);
}

#[test]
fn where_something_unknown_was_refused_only_what_passed_is_permitted() {
    let live = snapshot(&policy(
        "- {name: no, hosts: [api.test], paths: ['/u/536-22-8741'], decision: deny}
- {name: yes, hosts: [api.test, other.test], decision: allow}",
    ));
    let requests = [
        "GET https://api.test/u/17",
        "GET https://api.test/u/536-22-8741",
        "POST https://api.test/u/17",
        "GET https://other.test/u/17",
    ]
    .map(ask);
    let (suggestion, pasts) = suggested(&live, &requests);
    assert!(pasts[1].live.refuses() && !pasts[1].target().contains("536"), "{}", pasts[1].target());
    // Whether `/u/*` would take it in cannot be told; of another method and another host nothing was refused.
    assert_eq!(suggestion.yaml.matches(r#"paths: ["/u/17"]"#).count(), 1, "{}", suggestion.yaml);
    assert_eq!(suggestion.yaml.matches(r#"paths: ["/u/*"]"#).count(), 2, "{}", suggestion.yaml);
}

#[test]
fn nothing_seen_is_an_empty_policy_that_compiles() {
    let suggestion = Observations::default().suggest("v");
    assert_eq!(suggestion.rules, 0);
}

fn request() -> impl Strategy<Value = Ask> {
    let path = prop::sample::select(vec![
        "/",
        "/u/1",
        "/u/2",
        "/u/33",
        "/u/x",
        "/u/1/p/2",
        "/u/*",
        "/a%20b",
        "/u/..",
        "/U/1",
        "/deadbeefdeadbeef00",
        "/u/1?q=3",
    ]);
    (
        prop::sample::select(vec!["a", "b"]),
        prop::sample::select(vec!["GET", "POST", "HUNTER"]),
        prop::sample::select(vec!["https://a.test", "https://b.test", "http://a.test:8080", "https://203.0.113.5"]),
        path,
        prop::option::of(prop::sample::select(vec![Detector::Ssn, Detector::Email])),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(agent, method, host, path, found, shadow)| {
            let mut request = ask(&format!("{method} {host}{path}")).by(agent);
            request = if shadow { request.in_shadow() } else { request };
            found.into_iter().fold(request, Ask::found)
        })
}

fn live_rule() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec!["a.test", "b.test", "'*'", "203.0.113.0/24"]),
        prop::sample::select(vec!["", "methods: [GET], ", "paths: ['/u/*'], ", "paths: ['/u/1'], "]),
        prop::sample::select(vec![
            "decision: allow",
            "decision: deny",
            "mode: shadow, decision: allow",
            "decision: allow, dlp: {deny: [ssn], report: [email]}",
        ]),
    )
        .prop_map(|(host, condition, decision)| format!("hosts: [{host}], ports: [443, 8080], {condition}{decision}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn the_suggestion_permits_what_passed_and_nothing_that_was_refused(
        rules in prop::collection::vec(live_rule(), 1..5),
        requests in prop::collection::vec(request(), 1..30),
    ) {
        let rules: String = rules.iter().enumerate().map(|(n, rule)| format!("      - {{name: r{n}, {rule}}}\n")).collect();
        let live = snapshot(&format!("policies:\n  - name: p\n    agents: ['*']\n    rules:\n{rules}"));
        let (suggestion, pasts) = suggested(&live, &requests);
        if suggestion.rules == 0 {
            return Ok(());
        }
        let compiled = snapshot(&suggestion.yaml);
        let mut replayer = Replayer::new(&compiled);
        let mut missed = 0;
        for past in &pasts {
            // As an agent that is not in shadow any more.
            let mut enforced = past.clone();
            enforced.enforce();
            let permits = match replayer.decide(&enforced) {
                Replayed::Decided(answer) => answer.decision.permits(),
                // Only what was redacted in the log, or what nobody looked for.
                Replayed::Undecidable(because) => {
                    let known = |what: &String| what.starts_with("dlp ") || what == "method" || what == "path";
                    prop_assert!(because.iter().all(known), "{because:?}");
                    continue;
                }
                Replayed::NotAsked => continue,
            };
            let live = &past.live;
            let refused = live.mode == Mode::Enforce && !live.decision.permits();
            let refused = refused || (!live.decision.permits() && live.rule.is_some());
            let passed = live.decision.permits() || (live.mode == Mode::Shadow && live.rule.is_none());
            prop_assert!(!(refused && permits), "{}\n{}", past.target(), suggestion.yaml);
            missed += u64::from(passed && !permits);
        }
        // Nothing but what the file itself says is missing, or what another request to the same place was refused for.
        let by_data = suggestion.yaml.contains("refused for the data");
        prop_assert!(missed <= suggestion.left_out || by_data, "{missed} missed\n{}", suggestion.yaml);
    }
}
