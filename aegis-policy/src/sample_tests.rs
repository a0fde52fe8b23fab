#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::{Mode, Source, compile};

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";
const POLICY: &str = "
version: v1
policies:
  - name: p
    agents: [a]
    rules:
      - {name: pay, hosts: [pay.test], body: [{path: amount, op: '<=', value: 10}], decision: allow}
      - {name: empty, hosts: [pay.test], body: [{path: amount, op: exists, value: false}], decision: allow}
      - {name: guarded, hosts: [api.test], decision: allow, dlp: {deny: [secrets], redact: [pii]}}
";

fn sample<'a>(url: &'a str, headers: &'a BTreeMap<String, String>, body: &'a str) -> Sample<'a> {
    let now = SystemTime::UNIX_EPOCH;
    Sample { method: "POST", url, headers, body, tool: None, now, usage: Usage::default() }
}

fn explained(sample: &Sample<'_>, mode: Mode) -> Result<Explained, SampleError> {
    let source = Source { name: "p.yaml".into(), text: POLICY.into() };
    let snapshot = compile(&[source]).unwrap_or_else(|problems| panic!("{:#?}", problems.problems()));
    explain_sample(&snapshot, &Agent { name: "a".into(), mode, ..Agent::default() }, sample)
}

fn post(url: &str, fields: &[(&str, &str)], body: &str) -> Result<Explained, SampleError> {
    let headers = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    explained(&sample(url, &headers, body), Mode::Enforce)
}

#[test]
fn data_that_must_not_leave_denies_and_shows() {
    for told in [
        post("https://api.test/", &[], &format!("key {KEY}")).unwrap(),
        post(&format!("https://api.test/?k={KEY}"), &[], "").unwrap(),
        post("https://api.test/", &[("x-note", KEY)], "").unwrap(),
    ] {
        assert_eq!((told.decision, told.explanation.rule.as_deref()), (Decision::Deny, Some("p/guarded")));
        assert!(told.text.starts_with("deny (enforce): ") && told.text.contains("found aws_key in "), "{}", told.text);
        assert!(!told.text.contains(KEY), "{}", told.text);
    }
}

#[test]
fn a_credential_where_it_belongs_does_not() {
    let told = post("https://api.test/", &[("Authorization", KEY)], "").unwrap();
    assert!(told.decision.permits() && !told.text.contains("found"), "{}", told.text);
    let told = post("https://api.test/", &[("Authorization", "jane.doe@corp.example")], "").unwrap();
    assert!(told.text.contains("found email in header authorization, 1 time(s)"), "{}", told.text);
}

#[test]
fn an_empty_body_is_none_and_another_must_be_json() {
    assert_eq!(post("https://pay.test/", &[], "").unwrap().explanation.rule.as_deref(), Some("p/empty"));
    assert_eq!(post("https://pay.test/", &[], r#"{"amount": 7}"#).unwrap().decision, Decision::Allow);
    let told = post("https://pay.test/", &[], "amount=7").unwrap();
    assert_eq!((told.decision, told.explanation.rule), (Decision::Deny, None));
    assert!(told.text.contains("can be read in more than one way"), "{}", told.text);
}

#[test]
fn what_would_be_sent_is_redacted_and_what_is_refused_is_not_sent() {
    let told =
        post("https://api.test/?who=jane.doe@corp.example", &[("x-a", "b")], "mail jane.doe@corp.example").unwrap();
    let sent = told.sent.unwrap();
    assert!(!sent.body.contains("jane") && sent.body.starts_with("mail "), "{}", sent.body);
    assert!(!sent.target.contains("jane") && sent.target.starts_with("/?who="), "{}", sent.target);
    assert_eq!(sent.headers, [("x-a".to_owned(), "b".to_owned())]);
    assert_eq!(told.findings.len(), 2);
    for refused in ["https://api.test/", "https://other.test/"] {
        assert_eq!(post(refused, &[], &format!("key {KEY}")).unwrap().sent, None);
    }
}

#[test]
fn in_shadow_it_tells_what_would_have_been() {
    let (headers, body) = (BTreeMap::new(), format!("key {KEY}"));
    let told = explained(&sample("https://api.test/", &headers, &body), Mode::Shadow).unwrap();
    assert_eq!((told.decision, told.explanation.mode), (Decision::Deny, Mode::Shadow), "{}", told.text);
    assert!(told.text.contains("found aws_key in body"), "{}", told.text);
}

#[test]
fn a_sample_has_its_own_time_tool_and_use() {
    let text = "policies:
  - name: p
    agents: [a]
    rules:
      - {name: r, hosts: [a.test], tools: [pay], when: {days: [mon]}, usage: [{of: requests, per: day, op: '<', value: 2}], decision: allow}";
    let snapshot = compile(&[Source { name: "p.yaml".into(), text: text.into() }]).unwrap();
    let agent = Agent { name: "a".into(), ..Agent::default() };
    let headers = BTreeMap::new();
    let monday = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4 * 86_400);
    let good = Sample { tool: Some("pay"), now: monday, ..sample("https://a.test/", &headers, "") };
    let decide = |sample: &Sample<'_>| explain_sample(&snapshot, &agent, sample).unwrap().decision;
    assert_eq!(decide(&good), Decision::Allow);
    assert_eq!(decide(&Sample { tool: None, ..good }), Decision::Deny);
    assert_eq!(decide(&Sample { now: SystemTime::UNIX_EPOCH, ..good }), Decision::Deny);
    let used = Usage { day: crate::Used { requests: 2, ..crate::Used::default() }, ..Usage::default() };
    assert_eq!(decide(&Sample { usage: used, ..good }), Decision::Deny);
}

#[test]
fn what_is_no_request_is_said() {
    for url in ["", "/v1", "api.test", "ftp://api.test/", "https://", "https://api.test:99999/", "https://a b/"] {
        assert!(matches!(post(url, &[], ""), Err(SampleError::Url { .. })), "{url}");
    }
    for (name, value) in [("a b", "x"), ("x-a", "one\ntwo")] {
        let error = post("https://api.test/", &[(name, value)], "").unwrap_err();
        assert!(error.to_string().starts_with(&format!("header {name:?} is not valid: ")), "{error}");
    }
}

#[test]
fn the_port_is_the_schemes_or_the_urls() {
    for (url, port) in [
        ("https://api.test/", 443),
        ("http://api.test", 80),
        ("https://api.test:8443/x", 8443),
        ("https://[2001:db8::1]/", 443),
        ("https://[2001:db8::1]:8443/", 8443),
        ("https://user@api.test/", 443),
    ] {
        assert_eq!(absolute(url).unwrap().1, port, "{url}");
    }
}

/// A body is opened as it is on its way: parts of a form are read by their own types, and what cannot be read is refused.
#[test]
fn a_body_is_looked_through_as_on_its_way() {
    let base64 = "c3NuIDUzNi0yMi04NzQxIGlzIG1pbmU=";
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"note\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{base64}\r\n--b--\r\n"
    );
    let whole = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nssn 536-22-8741\r\n--b--\r\n";
    let told = post("https://api.test/", &[("content-type", "multipart/form-data; boundary=b")], whole).unwrap();
    assert_eq!(told.findings[0].what, "ssn", "{}", told.text);
    assert!(told.findings[0].place.contains("part:note"), "{}", told.findings[0].place);
    let sent = told.sent.unwrap();
    assert!(sent.body.contains("[SSN]") && sent.body.ends_with("--b--\r\n"), "{}", sent.body);
    for (fields, body) in [
        (&[("content-type", "multipart/form-data; boundary=b")][..], form.as_str()),
        (&[("content-encoding", "compress")], "x"),
        (&[("content-encoding", "gzip")], "not gzip"),
    ] {
        let told = post("https://api.test/", fields, body).unwrap();
        assert_eq!((told.decision, told.sent), (Decision::Deny, None), "{}", told.text);
        assert!(told.text.contains("the request cannot be inspected: "), "{}", told.text);
        assert_eq!(told.explanation.rule.as_deref(), Some("p/guarded"));
    }
}

/// What is told of a request is masked with the policy's own detectors, too.
#[test]
fn a_value_of_a_dictionary_is_in_no_explanation() {
    let text = "detectors: [{name: sample_ledger, values: [acme-0012-34]}]
policies:
  - name: p
    agents: [a]
    rules:
      - {name: r, hosts: [a.test], paths: ['/x/**'], headers: {x-env: prod}, query: {q: '1'}, body: [{path: note, op: '==', value: y}], decision: allow}
      - {name: s, hosts: [b.test], decision: allow, dlp: {redact: [ssn]}}";
    let snapshot = compile(&[Source { name: "p.yaml".into(), text: text.into() }]).unwrap();
    let agent = Agent { name: "a".into(), ..Agent::default() };
    let all = |url: &str, body: &str| {
        let fields = BTreeMap::from([("x-env".to_owned(), "acme-0012-34".to_owned())]);
        let told = explain_sample(&snapshot, &agent, &sample(url, &fields, body)).unwrap();
        serde_json::to_string(&Explained { sent: None, ..told }).unwrap()
    };
    let told = all("https://a.test/y/ACME001234?q=acme-0012-34", r#"{"note": "Acme 0012-34"}"#);
    assert!(told.contains("[SAMPLE_LEDGER]"), "{told}");
    for part in ["ACME", "acme", "Acme", "0012"] {
        assert!(!told.contains(part), "{part}: {told}");
    }
    let told = all("https://b.test/", r#"{"acme-0012-34": {"ssn": "536-22-8741"}}"#);
    assert!(told.contains("ssn in body") && !told.contains("0012"), "{told}");
}
