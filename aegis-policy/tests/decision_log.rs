//! What is in an event of the decision log, and what never is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod events;

use aegis_dlp::{DetectorSet, Format, Place, Profile, Scanner, scan_text};
use common::{ask, policy, snapshot};
use events::event;
use proptest::prelude::*;
use serde_json::{Value, json};

const READS: &str = "\
- {name: env, hosts: [api.test], headers: {x-env: prod}, query: {page: '1'}, decision: deny}
- {name: pay, hosts: [api.test], body: [{path: amount, op: '<=', value: 10}, {path: note, op: matches, value: '^a'}], decision: allow}
- {name: key, hosts: [api.test], headers: {authorization: x, x-api-key: y}, body: [{path: user.password, op: exists}], decision: deny}";

#[test]
fn an_event_holds_what_rules_read_and_names_the_rest() {
    let snapshot = snapshot(&policy(READS));
    let request = ask("POST https://api.test/v1/%70ay?page=2&secret-plan=yes")
        .header("x-env", "dev")
        .header("x-other", "not for the log")
        .header("authorization", "Bearer abc")
        .body(r#"{"amount": 7, "note": "n", "other": "not for the log", "user": {"password": "hunter2"}}"#);
    let event = event(&snapshot, &request, "0198");
    let line = serde_json::to_string(&event).unwrap();
    for absent in ["not for the log", "secret-plan=yes", "Bearer", "hunter2", "yes"] {
        assert!(!line.contains(absent), "{absent} in {line}");
    }
    assert_eq!(event.input["path"], "/v1/pay");
    assert_eq!(event.input["headers"], json!({"x-env": ["dev"]}));
    assert_eq!(event.input["query"], json!({"page": ["2"]}));
    assert_eq!(event.input["body"], json!({"amount": 7, "note": "n", "user": {}}));
    assert_eq!(event.input["agent"]["name"], "a");
    assert_eq!(event.erased, ["/input/body/user/password", "/input/headers/authorization"]);
    assert!(event.masked.is_empty());
    assert_eq!(event.custom.header_names, ["x-env", "x-other", "authorization"]);
    assert_eq!(event.custom.query_names, ["page", "secret-plan"]);
    assert_eq!((event.path.as_str(), event.bundles["aegis"].revision.as_str()), ("aegis/policy/decision", "v1"));
    assert!(!event.result.allow && event.result.rule.is_none() && event.timestamp == "1970-01-01T00:00:00.000000Z");
}

#[test]
fn a_body_that_no_rule_asks_for_is_not_read_and_one_in_doubt_says_so() {
    let snapshot = snapshot(&policy(
        "- {name: r, hosts: [api.test], methods: [GET], body: [{path: a, op: exists}], decision: allow}",
    ));
    let unread = event(&snapshot, &ask("POST https://api.test/").body("{}"), "1");
    assert_eq!(serde_json::to_value(unread.custom.body).unwrap(), "unread");
    let invalid = event(&snapshot, &ask("GET https://api.test//x").body("no json"), "1");
    assert_eq!(serde_json::to_value(invalid.custom.body).unwrap(), "invalid");
    assert_eq!(invalid.input["ambiguous"], json!({"body": true, "path": true}));
    assert!(!invalid.input.contains_key("path") && !invalid.input.contains_key("body"));
}

#[test]
fn raw_rego_reads_all_and_the_log_holds_no_more_for_it() {
    let snapshot = snapshot(&policy(
        "- {name: raw, hosts: [api.test], rego: 'input.body.secret_plan == 1', decision: allow}
- {name: yaml, hosts: [api.test], body: [{path: kind, op: '==', value: x}], decision: allow}",
    ));
    let request = ask("POST https://api.test/?q=1").header("x-a", "b").body(r#"{"kind": "x", "secret_plan": 2}"#);
    let event = event(&snapshot, &request, "1");
    assert_eq!(event.input["body"], json!({"kind": "x"}));
    assert_eq!((event.input["headers"].clone(), event.input["query"].clone()), (json!({}), json!({})));
}

#[test]
fn a_made_up_method_is_content() {
    let snapshot = snapshot(&policy(READS));
    let event = event(&snapshot, &ask("HUNTER https://api.test/"), "1");
    assert_eq!(
        (event.input["method"].as_str(), event.masked.as_slice()),
        (Some("OTHER"), &["/input/method".to_owned()][..])
    );
}

/// Things that must never be in the log, as they are sent, and what of them must not be found in it.
const PLANTS: [(&str, &str); 9] = [
    ("536-22-8741", "8741"),
    ("jane.doe@corp.example", "jane.doe"),
    ("4111 1111 1111 1111", "4111 1111"),
    ("AKIAQ3EGRTZYXNMB2LKJ", "Q3EGRTZ"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "292c6912"),
    (
        "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrAA",
        "GhIjKl",
    ),
    ("xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx", "GhIjKl"),
    ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "HqLyjW"),
    ("born 1990-02-03", "1990-02"),
];

const PLANTED: &str = "\
- {name: r, hosts: ['*'], paths: ['/x/**'], headers: {x-a: {matches: zzz}}, query: {q: {matches: zzz}}, body: [{path: a.b, op: matches, value: zzz}, {path: 'list.*', op: matches, value: zzz}], decision: deny}";

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Everything that a detector finds in the parts that came from the request.
fn findings(event: &aegis_policy::decision_log::Event) -> usize {
    let all = Profile { redact: DetectorSet::ALL, ..Profile::default() };
    let parts = json!({"input": event.input, "headers": event.custom.header_names, "query": event.custom.query_names});
    let mut scanner = Scanner::new(all.clone(), Format::Json);
    let mut out = Vec::new();
    let _ = scanner.push(parts.to_string().as_bytes(), &mut out);
    let _ = scanner.finish(&mut out);
    scanner.findings().len() + scan_text(&all, Place::Url, &event.result.reason).findings.len()
}

#[test]
fn what_is_planted_is_found_without_the_log_s_redaction() {
    // The other test would prove nothing with plants that no detector knows.
    let all = Profile { redact: DetectorSet::ALL, ..Profile::default() };
    for (plant, _) in PLANTS {
        assert!(!scan_text(&all, Place::Url, plant).findings.is_empty(), "{plant}");
    }
}

proptest! {
    #[test]
    fn no_event_holds_anything_that_a_detector_finds(
        plant in prop::sample::select(&PLANTS[..]),
        places in prop::collection::vec(any::<bool>(), 7),
        around in "[a-z ]{0,12}",
        long in 0usize..600,
    ) {
        let (plant, trace) = plant;
        let value = format!("{around} {plant} {}", "y ".repeat(long));
        let at = |number: usize, clean: &str| if places[number] { value.clone() } else { clean.to_owned() };
        let path = percent(at(0, "p").trim());
        let query = format!("q={}&{}=1", percent(&at(1, "v")), percent(&at(2, "name")));
        let body = json!({"a": {"b": at(3, "v")}, "list": ["x", at(4, "v")], "dob": at(5, "v")});
        let mut request = ask(&format!("POST https://api.test/x/{path}?{query}"))
            .header("x-a", &at(6, "v"))
            .body(&body.to_string());
        request.agent.labels.insert("note".into(), at(5, "v"));
        let snapshot = snapshot(&policy(PLANTED));
        let event = event(&snapshot, &request, "id");
        let line = serde_json::to_string(&event).unwrap();
        prop_assert!(!line.contains(trace), "{line}");
        prop_assert_eq!(findings(&event), 0, "{}", line);
        prop_assert!(line.len() < 64 * 1024);
        // What was altered is told: whoever reads it knows that the value was another one.
        let planted = places.iter().take(7).enumerate().any(|(number, yes)| *yes && number != 2);
        prop_assert!(!(planted && event.masked.is_empty() && event.erased.is_empty()), "{}", line);
        let back: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(serde_json::to_value(&event).unwrap(), back);
    }
}
