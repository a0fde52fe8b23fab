//! Cases say what was expected and what became of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aegis_policy::Snapshot;
use aegis_policy::cases::{self, Coverage, Outcome};

const POLICY: &str = "
version: v1
policies:
  - name: pay
    agents: [a]
    dlp: {deny: [aws_key]}
    rules:
      - {name: small, hosts: [pay.test], methods: [POST], body: [{path: amount, op: '<=', value: 10}], decision: allow}
      - {name: large, hosts: [pay.test], decision: approval_needed}
      - {name: never, hosts: [pay.test], decision: deny}
      - {name: read, hosts: [api.test], decision: allow}
      - {name: raw, hosts: [10.0.0.0/8], ports: [5432], tcp: true, private: true, decision: allow}
      - {name: unread, hosts: [tls.test], tls: passthrough, decision: allow}
  - name: trial
    agents: [t]
    tenants: [acme]
    mode: shadow
    rules: [{name: read, hosts: [api.test], decision: deny}]
";

fn run(snapshot: &Snapshot, case: &str) -> Outcome {
    let cases = cases::read(&format!("- {{{case}}}")).unwrap();
    cases::run(snapshot, &cases[0]).unwrap()
}

#[test]
fn every_kind_of_question_is_answered() {
    let snapshot = common::snapshot(POLICY);
    for case in [
        "agent: a, ask: POST https://pay.test/, body: {amount: 10}, expect: allow pay/small",
        "agent: a, ask: POST https://pay.test/, body: {amount: 11}, expect: approval_needed pay/large",
        "agent: a, ask: POST https://api.test/, body: AKIAQ3EGRTZYXNMB2LKJ, expect: deny pay/read",
        "agent: a, policies: [trial], ask: GET https://api.test/, expect: deny",
        "agent: a, mode: shadow, ask: GET https://other.test/, expect: shadow deny",
        "agent: t, tenant: acme, ask: GET https://api.test/, expect: shadow deny trial/read",
        "agent: t, ask: GET https://api.test/, expect: deny",
        "agent: a, ask: TCP 10.1.2.3:5432, expect: allow pay/raw",
        "agent: a, ask: TCP 10.1.2.3:5433, expect: deny",
        "agent: a, ask: TLS tls.test, expect: allow pay/unread",
        "agent: a, ask: TLS api.test, expect: inspect",
        "agent: a, ask: NAME api.test, expect: resolve",
        "agent: a, ask: NAME other.test, expect: deny",
    ] {
        let outcome = run(&snapshot, case);
        assert!(outcome.passed, "{case}: {outcome:?}");
        assert!(outcome.why.is_empty());
    }
}

#[test]
fn a_case_that_fails_says_what_decided_and_why_the_expected_rule_did_not() {
    let snapshot = common::snapshot(POLICY);
    let why = |case: &str| {
        let outcome = run(&snapshot, case);
        assert!(!outcome.passed, "{case}");
        outcome.why.join("\n")
    };
    let told = why("agent: a, ask: POST https://pay.test/, body: {amount: 11}, expect: allow pay/small");
    assert!(told.starts_with("pay/large decided: "), "{told}");
    assert!(told.contains("pay/small does not hold: body /amount <= 10 (saw 11)"), "{told}");
    assert!(!told.contains("method in"), "only what failed is told: {told}");
    let told = why("agent: a, ask: GET https://pay.test/, expect: deny pay/never");
    assert!(told.contains("pay/never holds too, but is tried later"), "{told}");
    let told = why("agent: b, ask: GET https://pay.test/, expect: allow pay/small");
    assert!(told.contains("no rule decided: ") && told.contains("pay/small was not asked"), "{told}");
    let told = why("agent: a, ask: GET https://api.test/, expect: deny");
    assert!(told.starts_with("pay/read decided: "), "{told}");
}

#[test]
fn rules_that_no_case_reaches_are_told() {
    let snapshot = common::snapshot(POLICY);
    let mut coverage = Coverage::new(&snapshot);
    assert_eq!((coverage.rules().len(), coverage.percent()), (7, 0));
    for case in [
        "agent: a, ask: POST https://pay.test/, body: {amount: 1}, expect: allow pay/small",
        "agent: a, ask: POST https://pay.test/, body: {amount: 2}, expect: wrong",
        "agent: a, ask: TCP 10.1.2.3:5432, expect: allow pay/raw",
        "agent: a, ask: GET https://other.test/, expect: deny",
    ] {
        coverage.count(&run(&snapshot, case));
    }
    assert_eq!(coverage.unreached(), ["pay/large", "pay/never", "pay/read", "pay/unread", "trial/read"]);
    assert_eq!(coverage.percent(), 28);
    let mut other = Coverage::new(&snapshot);
    other.count(&run(&snapshot, "agent: a, ask: GET https://pay.test/, expect: x"));
    coverage.add(other);
    assert_eq!((coverage.rules().len(), coverage.percent()), (7, 42));
    assert_eq!(Coverage::default().percent(), 100, "no rule is left out of none");
}
