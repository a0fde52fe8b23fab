//! What rules mean, case by case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aegis_dlp::Detector;
use aegis_policy::{DenialKind, Verdict};
use common::{ask, check, line, policy, snapshot};

const TWO: &str = "- {name: first, hosts: [a.test], methods: [GET], decision: deny}
- {name: second, hosts: [a.test], decision: allow}";

#[test]
fn the_first_rule_that_holds_decides_and_no_rule_means_no() {
    check(TWO, ask("GET https://a.test/"), "deny p/first");
    check(TWO, ask("POST https://a.test/"), "allow p/second");
    check(TWO, ask("POST https://b.test/"), "deny");
    check(TWO, ask("POST https://a.test/").by("b"), "deny");
    check(TWO, ask("get https://a.test/"), "allow p/second");
    check(TWO, ask("POST https://a.test:8443/"), "deny");
    check(TWO, ask("POST http://a.test/"), "allow p/second");
}

#[test]
fn priority_comes_before_the_order_of_the_file() {
    let rules =
        format!("{TWO}\n- {{name: third, hosts: [a.test], priority: 1, decision: sanitize, dlp: {{redact: [pii]}}}}");
    check(&rules, ask("GET https://a.test/"), "sanitize p/third");
}

#[test]
fn hosts() {
    let rules = "- {name: exact, hosts: [A.test.], decision: allow}
- {name: below, hosts: ['*.b.test'], decision: allow}
- {name: deeper, hosts: ['*.c.b.test'], priority: 1, methods: [POST], decision: deny}
- {name: net, hosts: [203.0.113.0/24], decision: allow}
- {name: inner, hosts: [203.0.113.128/25], priority: 1, decision: deny}";
    check(rules, ask("GET https://a.TEST./"), "allow p/exact");
    check(rules, ask("GET https://x.a.test/"), "deny");
    check(rules, ask("GET https://b.test/"), "deny");
    check(rules, ask("GET https://x.b.test/"), "allow p/below");
    check(rules, ask("GET https://x.y.b.test/"), "allow p/below");
    check(rules, ask("POST https://x.c.b.test/"), "deny p/deeper");
    check(rules, ask("GET https://x.c.b.test/"), "allow p/below");
    check(rules, ask("GET https://203.0.113.7/"), "allow p/net");
    check(rules, ask("GET https://203.0.113.200/"), "deny p/inner");
    check(rules, ask("GET https://203.0.114.7/"), "deny");
    let any = "- {name: any, hosts: ['*'], decision: allow}";
    check(any, ask("GET https://x.test/"), "allow p/any");
    check(any, ask("GET https://203.0.113.7/"), "deny");
    check(any, ask("GET https://3405803783/"), "deny");
}

#[test]
fn a_path_with_two_readings_never_helps() {
    let rules = "- {name: admin, hosts: [a.test], paths: ['/admin/**'], decision: deny}
- {name: some, hosts: [a.test], paths: ['/public/**'], decision: allow}";
    check(rules, ask("GET https://a.test/public/x"), "allow p/some");
    check(rules, ask("GET https://a.test/%70ublic/x"), "allow p/some");
    check(rules, ask("GET https://a.test/admin/x"), "deny p/admin");
    for path in [
        "/public/../admin/x",
        "/public/%2e%2e/x",
        "/public//x",
        "/public/%2fx",
        "/public/..;/x",
        "/public/%",
        "/public/%00",
    ] {
        check(rules, ask(&format!("GET https://a.test{path}")), "deny p/admin");
    }
    let open = "- {name: admin, hosts: [a.test], paths: ['/admin/**'], decision: deny}
- {name: rest, hosts: [a.test], decision: allow}";
    check(open, ask("GET https://a.test/x/../admin/y"), "deny p/admin");
    let only = "- {name: some, hosts: [a.test], paths: ['/**'], decision: allow}";
    check(only, ask("GET https://a.test/x/../y"), "deny");
}

#[test]
fn path_globs() {
    let rules = "- {name: r, hosts: [a.test], paths: ['/u/*/x.json', '/exact', '/d/**'], decision: allow}";
    for (path, expected) in [
        ("/u/7/x.json", "allow p/r"),
        ("/u/7/8/x.json", "deny"),
        ("/u/7/xxjson", "deny"),
        ("/exact", "allow p/r"),
        ("/exact/", "deny"),
        ("/Exact", "deny"),
        ("/d/", "allow p/r"),
        ("/d/e/f", "allow p/r"),
        ("/d", "deny"),
    ] {
        check(rules, ask(&format!("GET https://a.test{path}")), expected);
    }
}

#[test]
fn headers_hold_once_for_permits_and_anywhere_for_refusals() {
    let permit = "- {name: r, hosts: [a.test], headers: {X-Env: prod, x-id: {matches: '^[0-9]+$'}}, decision: allow}";
    let good = || ask("GET https://a.test/").header("x-env", "prod").header("x-id", "12");
    check(permit, good(), "allow p/r");
    check(permit, ask("GET https://a.test/").header("x-env", "prod"), "deny");
    check(permit, good().header("x-env", "test"), "deny");
    check(permit, good().header("x-id", "12"), "deny");
    check(permit, ask("GET https://a.test/").header("x-env", "Prod").header("x-id", "12"), "deny");
    let refuse = "- {name: r, hosts: [a.test], headers: {x-env: {matches: test}}, decision: deny}
- {name: s, hosts: [a.test], decision: allow}";
    check(refuse, ask("GET https://a.test/").header("x-env", "prod").header("x-env", "testing"), "deny p/r");
    check(refuse, ask("GET https://a.test/").header("x-env", "prod"), "allow p/s");
    check(refuse, ask("GET https://a.test/"), "allow p/s");
}

#[test]
fn query_parameters() {
    let permit = "- {name: r, hosts: [a.test], query: {mode: read only}, decision: allow}";
    check(permit, ask("GET https://a.test/?x=1&mode=read+only"), "allow p/r");
    check(permit, ask("GET https://a.test/?m%6fde=read%20only"), "allow p/r");
    check(permit, ask("GET https://a.test/?mode=read+only&mode=write"), "deny");
    check(permit, ask("GET https://a.test/?mode=read+only;mode=write"), "deny");
    check(permit, ask("GET https://a.test/?mode=read%ZZonly"), "deny");
    check(permit, ask("GET https://a.test/"), "deny");
    let refuse = "- {name: r, hosts: [a.test], query: {mode: write}, decision: deny}
- {name: s, hosts: [a.test], decision: allow}";
    check(refuse, ask("GET https://a.test/?mode=read&mode=write"), "deny p/r");
    check(refuse, ask("GET https://a.test/?a=b;mode=write"), "deny p/r");
    check(refuse, ask("GET https://a.test/?mode=read"), "allow p/s");
}

#[test]
fn body_conditions_of_a_permit_want_the_value_beyond_doubt() {
    let within = |condition: &str| format!("- {{name: r, hosts: [a.test], body: [{condition}], decision: allow}}");
    for (condition, body, holds) in [
        ("{path: amount, op: '<=', value: 5000}", r#"{"amount":5000}"#, true),
        ("{path: amount, op: '<=', value: 5000}", r#"{"amount":5000.0}"#, true),
        ("{path: amount, op: '<=', value: 5000}", r#"{"amount":5000.0000001}"#, false),
        ("{path: amount, op: '<=', value: 5000}", r#"{"amount":"5000"}"#, false),
        ("{path: amount, op: '<=', value: 5000}", r#"{"amount":null}"#, false),
        ("{path: amount, op: '<=', value: 5000}", r#"{"amount":[1]}"#, false),
        ("{path: amount, op: '<=', value: 5000}", r#"{"Amount":1}"#, false),
        ("{path: amount, op: '<=', value: 5000}", r#"{"amount":1,"amount":9999}"#, false),
        ("{path: amount, op: '<=', value: 5000}", r#"{"amount":1"#, false),
        ("{path: amount, op: '<=', value: 5000}", r#"amount=1"#, false),
        ("{path: n, op: '==', value: 9007199254740993}", r#"{"n":9007199254740993}"#, true),
        ("{path: n, op: '==', value: 9007199254740993}", r#"{"n":9007199254740992}"#, false),
        ("{path: n, op: '<', value: 18446744073709551615}", r#"{"n":18446744073709551614}"#, true),
        ("{path: n, op: '<', value: 18446744073709551615}", r#"{"n":18446744073709551615}"#, false),
        ("{path: n, op: '>', value: -9223372036854775808}", r#"{"n":-9223372036854775807}"#, true),
        ("{path: n, op: '>=', value: 0.1}", r#"{"n":0.1}"#, true),
        ("{path: s, op: '==', value: x}", r#"{"s":"x"}"#, true),
        ("{path: s, op: '!=', value: x}", r#"{"s":"y"}"#, true),
        ("{path: s, op: '!=', value: x}", r#"{"s":["y"]}"#, false),
        ("{path: s, op: '!=', value: x}", r#"{}"#, false),
        ("{path: s, op: in, value: [x, y]}", r#"{"s":"y"}"#, true),
        ("{path: s, op: in, value: [x, y]}", r#"{"s":"z"}"#, false),
        ("{path: s, op: not_in, value: [x, y]}", r#"{"s":"z"}"#, true),
        ("{path: s, op: not_in, value: [x, y]}", r#"{"s":"x"}"#, false),
        ("{path: s, op: not_in, value: [x, y]}", r#"{"s":1}"#, false),
        ("{path: s, op: matches, value: '^x+$'}", r#"{"s":"xx"}"#, true),
        ("{path: s, op: matches, value: '^x+$'}", r#"{"s":7}"#, false),
        ("{path: s, op: '==', value: true}", r#"{"s":true}"#, true),
        ("{path: s, op: '==', value: null}", r#"{"s":null}"#, true),
        ("{path: s, op: '==', value: null}", r#"{}"#, false),
        ("{path: s, op: exists}", r#"{"s":false}"#, true),
        ("{path: s, op: exists}", r#"{"s":null}"#, true),
        ("{path: s, op: exists}", r#"{}"#, false),
        ("{path: s, op: exists, value: false}", r#"{}"#, true),
        ("{path: s, op: exists, value: false}", r#"{"s":null}"#, false),
        ("{path: s, op: exists, value: false}", r#"broken"#, false),
        ("{path: items.1.price, op: '<', value: 10}", r#"{"items":[{"price":99},{"price":9}]}"#, true),
        ("{path: items.1.price, op: '<', value: 10}", r#"{"items":[{"price":9},{"price":99}]}"#, false),
        ("{path: items.1.price, op: '<', value: 10}", r#"{"items":{"1":{"price":9}}}"#, false),
        ("{path: /a~1b/c.d, op: '==', value: 1}", r#"{"a/b":{"c.d":1}}"#, true),
        ("{path: a, op: exists}, {path: a.b, op: '==', value: 1}", r#"{"a":{"b":1}}"#, true),
        ("{path: a.b, op: '==', value: 1}, {path: a.c, op: '==', value: 2}", r#"{"a":{"b":1,"c":2}}"#, true),
    ] {
        let expected = if holds { "allow p/r" } else { "deny" };
        check(&within(condition), ask("POST https://a.test/").body(body), expected);
    }
    check(&within("{path: s, op: exists, value: false}"), ask("GET https://a.test/"), "allow p/r");
}

#[test]
fn body_conditions_of_a_refusal_are_met_by_doubt() {
    let rules = |condition: &str| {
        format!(
            "- {{name: r, hosts: [a.test], body: [{condition}], decision: deny}}\n- {{name: s, hosts: [a.test], decision: allow}}"
        )
    };
    let above = "{path: amount, op: '>', value: 5000}";
    for (condition, body, refused) in [
        (above, r#"{"amount":5001}"#, true),
        (above, r#"{"amount":5000}"#, false),
        (above, r#"{"amount":"9999"}"#, true),
        (above, r#"{"amount":[9999]}"#, true),
        (above, r#"{"amount":1,"amount":9999}"#, true),
        (above, "amount=9999", true),
        (above, r#"{}"#, false),
        ("{path: s, op: '==', value: x}", r#"{"s":["x"]}"#, true),
        ("{path: s, op: '==', value: x}", r#"{"s":"y"}"#, false),
        ("{path: s, op: in, value: [x]}", r#"{"s":{"x":1}}"#, true),
        ("{path: s, op: matches, value: x}", r#"{"s":1}"#, true),
        ("{path: s, op: exists}", r#"{"s":0}"#, true),
        ("{path: s, op: exists}", "?", true),
        ("{path: s, op: exists, value: false}", r#"{"s":0}"#, false),
    ] {
        let expected = if refused { "deny p/r" } else { "allow p/s" };
        check(&rules(condition), ask("POST https://a.test/").body(body), expected);
    }
    check(&rules(above), ask("GET https://a.test/"), "allow p/s");
}

#[test]
fn a_body_is_asked_for_only_where_a_candidate_reads_it() {
    let rules =
        "- {name: pay, hosts: [a.test], methods: [POST], paths: [/pay], body: [{path: n, op: exists}], decision: allow}
- {name: get, hosts: [a.test], methods: [GET], decision: allow}
- {name: put, hosts: [a.test], methods: [PUT], decision: sanitize, dlp: {redact: [ssn]}}
- {name: late, hosts: [a.test], methods: [PUT], body: [{path: n, op: exists}], decision: deny}";
    let snapshot = snapshot(&policy(rules));
    let needs = |line: &str| ask(line).with(|intent, _| snapshot.needs(intent));
    assert!(needs("POST https://a.test/pay").json);
    assert!(!needs("POST https://a.test/upload").json);
    assert!(!needs("GET https://a.test/pay").json);
    assert!(!needs("PUT https://a.test/pay").json);
}

#[test]
fn findings_of_denied_detectors_refuse() {
    let rules = "- {name: r, hosts: [a.test], decision: allow, dlp: {deny: [secrets]}}";
    check(rules, ask("GET https://a.test/").found(Detector::AwsKey), "deny p/r");
    check(rules, ask("GET https://a.test/").found(Detector::Ssn), "allow p/r");
    let Verdict::Denial(denial) = ask("GET https://a.test/").found(Detector::AwsKey).decide(&snapshot(&policy(rules)))
    else {
        panic!("permitted")
    };
    assert!(denial.reason.contains("aws_key") && denial.reason.contains("url"), "{}", denial.reason);
    assert!(!denial.next_steps.is_empty());
}

#[test]
fn an_allow_that_redacts_is_a_sanitize() {
    check(
        "- {name: r, hosts: [a.test], decision: allow, dlp: {redact: [pii]}}",
        ask("GET https://a.test/"),
        "sanitize p/r",
    );
}

#[test]
fn shadow_lets_pass_and_says_what_it_would_have_done() {
    let rules = "- {name: r, hosts: [a.test], decision: deny, mode: shadow}
- {name: s, hosts: [b.test], decision: allow}";
    check(rules, ask("GET https://a.test/"), "shadow deny p/r");
    check(rules, ask("GET https://c.test/"), "deny");
    check(rules, ask("GET https://c.test/").in_shadow(), "shadow deny");
    check(rules, ask("GET https://b.test/").in_shadow(), "shadow allow p/s");
    let sanitize =
        "- {name: r, hosts: [a.test], decision: sanitize, mode: shadow, dlp: {redact: [ssn], deny: [aws_key]}}";
    check(sanitize, ask("GET https://a.test/"), "shadow sanitize p/r");
    check(sanitize, ask("GET https://a.test/").found(Detector::AwsKey), "shadow deny p/r");
    let Verdict::Permit(permit) = ask("GET https://a.test/").decide(&snapshot(&policy(sanitize))) else {
        panic!("denied")
    };
    assert!(permit.profile().redact.is_empty() && permit.profile().deny.is_empty());
    assert!(permit.profile().report.contains(Detector::Ssn));
}

#[test]
fn a_rule_in_shadow_never_opens_what_another_closes() {
    let rules = "- {name: trial, hosts: [a.test], decision: allow, mode: shadow}
- {name: no, hosts: [a.test], methods: [POST], decision: deny}
- {name: yes, hosts: [a.test], methods: [GET], decision: sanitize, dlp: {redact: [ssn]}}";
    check(rules, ask("POST https://a.test/"), "deny p/no");
    check(rules, ask("GET https://a.test/"), "shadow allow p/trial");
    let Verdict::Permit(permit) = ask("GET https://a.test/").decide(&snapshot(&policy(rules))) else {
        panic!("denied")
    };
    assert!(permit.profile().redact.contains(Detector::Ssn), "the enforced rule still redacts");
    check(rules, ask("POST https://a.test/").in_shadow(), "shadow deny p/no");
}

#[test]
fn a_policy_in_shadow_passes_what_it_does_not_name_only_where_no_enforced_policy_is() {
    let shadow = "policies:
  - {name: trial, agents: [a, b], mode: shadow, rules: [{name: r, hosts: [a.test], decision: allow}]}
  - {name: real, agents: [b], rules: [{name: r, hosts: [b.test], decision: allow}]}";
    let snapshot = snapshot(shadow);
    let decide = |agent: &str, host: &str| line(&ask(&format!("GET https://{host}/")).by(agent).decide(&snapshot));
    assert_eq!(decide("a", "x.test"), "shadow deny");
    assert_eq!(decide("a", "a.test"), "shadow allow trial/r");
    assert_eq!(decide("b", "x.test"), "deny");
    assert_eq!(decide("c", "x.test"), "deny");
}

#[test]
fn policies_select_by_agent_tenant_and_label() {
    let text = "policies:
  - {name: t, agents: ['fin-*'], tenants: [acme], labels: {stage: 'prod*'}, rules: [{name: r, hosts: [a.test], decision: allow}]}";
    let snapshot = snapshot(text);
    let decide = |name: &str, tenant: &str, stage: Option<&str>| {
        let mut request = ask("GET https://a.test/").by(name);
        request.agent.tenant = tenant.into();
        request.agent.labels = stage.map(|value| ("stage".to_owned(), value.to_owned())).into_iter().collect();
        line(&request.decide(&snapshot))
    };
    assert_eq!(decide("fin-1", "acme", Some("prod-eu")), "allow t/r");
    assert_eq!(decide("fin-1", "acme", Some("test")), "deny");
    assert_eq!(decide("fin-1", "acme", None), "deny");
    assert_eq!(decide("fin-1", "other", Some("prod-eu")), "deny");
    assert_eq!(decide("fin-1", "acme", Some("prod-eu")), "allow t/r");
    assert_eq!(decide("ops-1", "acme", Some("prod-eu")), "deny");
}

#[test]
fn an_agents_own_list_of_policies_narrows_what_covers_it() {
    let text = "policies:
  - {name: one, agents: ['*'], rules: [{name: r, hosts: [one.test], decision: allow}]}
  - {name: two, agents: [a], mode: shadow, rules: [{name: r, hosts: [two.test], decision: deny}]}
  - {name: other, agents: [b], rules: [{name: r, hosts: [other.test], decision: allow}]}";
    let snapshot = snapshot(text);
    let decide = |host: &str, policies: &[&str]| {
        let mut request = ask(&format!("GET https://{host}/"));
        request.agent.policies = policies.iter().map(|name| (*name).to_owned()).collect();
        line(&request.decide(&snapshot))
    };
    // The same agent, described anew each time: nothing is remembered of the description before.
    for _ in 0..2 {
        assert_eq!(decide("one.test", &[]), "allow one/r");
        assert_eq!(decide("one.test", &["two"]), "shadow deny");
        assert_eq!(decide("two.test", &["one"]), "deny");
        assert_eq!(decide("two.test", &["one", "two"]), "shadow deny two/r");
        assert_eq!(decide("one.test", &["no-such"]), "deny", "a name that no policy has gives nothing");
        assert_eq!(decide("other.test", &["other"]), "deny", "a list never adds a policy that is for others");
    }
    assert!(snapshot.has_policy("two") && !snapshot.has_policy("no-such"));
}

#[test]
fn denials_say_what_to_do() {
    let snapshot = snapshot(&policy(TWO));
    let Verdict::Denial(denial) = ask("GET https://other.test:8443/").decide(&snapshot) else { panic!("permitted") };
    assert_eq!(denial.kind, DenialKind::Policy);
    assert_eq!(denial.reason, "host other.test is not in the policy of agent a");
    assert!(denial.next_steps.iter().any(|step| step.contains("hosts: [\"other.test\"], ports: [8443]")), "{denial:?}");
    let Verdict::Denial(denial) = ask("GET https://bad host/").decide(&snapshot) else { panic!("permitted") };
    assert_eq!(denial.kind, DenialKind::Protocol);
}

#[test]
fn permits_name_where_to_dial() {
    let rules = "- {name: r, tool: t, hosts: [A.test], private: true, decision: allow, reason: because}";
    let Verdict::Permit(permit) = ask("GET https://a.TEST./").decide(&snapshot(&policy(rules))) else {
        panic!("denied")
    };
    assert_eq!((permit.host(), permit.port(), permit.private_ok()), ("a.test", 443, true));
    assert_eq!((permit.tool(), permit.reason(), permit.policy_version()), (Some("t"), "because", "v1"));
    assert_eq!(permit.would_be(), None);
    let denial = permit.consume().denial_for(Detector::AwsKey);
    assert_eq!((denial.rule.as_deref(), denial.tool.as_deref()), (Some("p/r"), Some("t")));
}

#[test]
fn explain_shows_each_condition_and_no_secret() {
    let rules = "- {name: r, hosts: [a.test], methods: [POST], headers: {x-note: {matches: y}}, body: [{path: amount, op: '<=', value: 10}], decision: allow}";
    let request = ask("POST https://a.test/").header("x-note", "my ssn 123-45-6789").body(r#"{"amount":11}"#);
    let told = request.with(|intent, content| snapshot(&policy(rules)).explain(intent, content));
    let candidate = &told.candidates[0];
    let outcomes: Vec<(&str, bool, Option<&str>)> =
        candidate.conditions.iter().map(|one| (one.condition.as_str(), one.holds, one.value.as_deref())).collect();
    assert!(!candidate.matches && told.decision == Some(aegis_policy::Decision::Deny));
    assert_eq!(outcomes[0], ("port in [80,443]", true, Some("443")));
    assert_eq!(outcomes[1], ("method in POST", true, Some("POST")));
    assert!(outcomes[2].1);
    assert!(!outcomes[2].2.unwrap().contains("6789"), "{outcomes:?}");
    assert_eq!(outcomes[3], ("body /amount <= 10", false, Some("11")));
}

#[test]
fn many_threads_decide_on_one_snapshot() {
    let snapshot =
        snapshot(&policy("- {name: r, hosts: ['*'], body: [{path: n, op: '<', value: 500}], decision: allow}"));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let snapshot = &snapshot;
            scope.spawn(move || {
                for n in 0..1_000 {
                    let request = ask("POST https://a.test/").body(&format!("{{\"n\": {n}}}"));
                    let expected = if n < 500 { "allow p/r" } else { "deny" };
                    assert_eq!(line(&request.decide(snapshot)), expected, "{thread} {n}");
                }
            });
        }
    });
}
