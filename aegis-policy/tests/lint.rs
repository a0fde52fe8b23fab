//! What `lint` finds, and what it does not call unreachable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, SystemTime};

use aegis_policy::{Lint, Severity, Source, lint};
use common::{ask, line, policy, source};
use proptest::prelude::*;
use serde_json::{Value, json};

/// 2026-11-23.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_392_000)
}

fn found(sources: &[Source]) -> Vec<Lint> {
    lint(sources, now()).unwrap_or_else(|problems| panic!("{:#?}", problems.problems()))
}

/// `CODE line:column subject`, without the codes that every short example has.
fn told(text: &str) -> Vec<String> {
    let noise = ["AEG020", "AEG021", "AEG031"];
    let all = found(&[source("p.yaml", text)]).into_iter().filter(|one| !noise.contains(&one.code));
    all.map(|one| format!("{} {}:{} {}", one.code, one.line, one.column, one.subject)).collect()
}

fn of_rules(rules: &str) -> Vec<String> {
    told(&policy(rules))
}

#[test]
fn a_rule_that_another_one_hides() {
    for (rules, expected) in [
        // The same again; narrower ones.
        (
            "- {name: a, hosts: [a.test], decision: deny}\n- {name: b, hosts: [a.test], decision: allow}",
            "AEG001 7:16 p/b",
        ),
        (
            "- {name: a, hosts: ['*.a.test'], decision: deny}\n- {name: b, hosts: [x.a.test, '*.y.a.test'], decision: allow}",
            "AEG001 7:16 p/b",
        ),
        (
            "- {name: a, hosts: [a.test], methods: [GET, PUT], decision: deny}\n- {name: b, hosts: [a.test], methods: [GET], decision: allow}",
            "AEG001 7:16 p/b",
        ),
        (
            "- {name: a, hosts: [a.test], paths: ['/x/**'], decision: deny}\n- {name: b, hosts: [a.test], paths: [/x/y, '/x/*/z'], decision: allow}",
            "AEG001 7:16 p/b",
        ),
        (
            "- {name: a, hosts: [a.test], body: [{path: v, op: '<=', value: 10}], decision: deny}\n- {name: b, hosts: [a.test], body: [{path: v, op: '<', value: 5}], decision: allow}",
            "AEG001 7:16 p/b",
        ),
        (
            "- {name: a, hosts: [a.test], rego: input.port == 443, decision: deny}\n- {name: b, hosts: [a.test], rego: input.port == 443, decision: allow}",
            "AEG001 7:16 p/b",
        ),
        (
            "- {name: a, hosts: ['203.0.113.0/24'], decision: deny}\n- {name: b, hosts: [203.0.113.7], decision: allow}",
            "AEG001 7:16 p/b",
        ),
        // By priority; a refusal.
        (
            "- {name: b, hosts: [a.test], decision: allow}\n- {name: a, hosts: [a.test], priority: 5, decision: deny}",
            "AEG002 6:16 p/b",
        ),
        (
            "- {name: a, hosts: [a.test], decision: allow}\n- {name: b, hosts: [a.test], paths: ['/x'], decision: approval_needed}",
            "",
        ),
        (
            "- {name: a, hosts: [a.test], decision: allow}\n- {name: b, hosts: [a.test], decision: deny}",
            "AEG003 7:16 p/b",
        ),
        (
            "- {name: b, hosts: [a.test], methods: [PUT], decision: deny}\n- {name: a, hosts: [a.test], priority: 5, decision: allow}",
            "AEG003 6:16 p/b",
        ),
    ] {
        let found = of_rules(rules);
        if expected.is_empty() {
            // The first rule takes everything: the second is never asked, whatever its path.
            assert_eq!(found, ["AEG001 7:16 p/b"], "{rules}");
        } else {
            assert_eq!(found, [expected], "{rules}");
        }
    }
}

#[test]
fn what_may_still_hold_is_not_called_unreachable() {
    for rules in [
        // Another host, method, port, path, transport; a narrower first rule.
        "- {name: a, hosts: [a.test], decision: deny}\n- {name: b, hosts: [a.test, b.test], decision: allow}",
        "- {name: a, hosts: ['*.a.test'], decision: deny}\n- {name: b, hosts: [a.test], decision: allow}",
        "- {name: a, hosts: [a.test], methods: [GET], decision: deny}\n- {name: b, hosts: [a.test], decision: allow}",
        "- {name: a, hosts: [a.test], ports: [443], decision: deny}\n- {name: b, hosts: [a.test], decision: allow}",
        "- {name: a, hosts: [a.test], paths: ['/x/*'], decision: deny}\n- {name: b, hosts: [a.test], paths: ['/x/**'], decision: allow}",
        "- {name: a, hosts: [a.test], headers: {x: a}, decision: deny}\n- {name: b, hosts: [a.test], decision: allow}",
        "- {name: a, hosts: [a.test], body: [{path: v, op: '<', value: 5}], decision: deny}\n- {name: b, hosts: [a.test], body: [{path: v, op: '<=', value: 5}], decision: allow}",
        "- {name: a, hosts: [a.test], rego: input.port == 80, decision: deny}\n- {name: b, hosts: [a.test], rego: input.port == 443, decision: allow}",
        "- {name: a, hosts: [a.test], scopes: [x], decision: deny}\n- {name: b, hosts: [a.test], scopes: [y], decision: allow}",
        "- {name: a, hosts: [a.test], agents: [x], decision: deny}\n- {name: b, hosts: [a.test], decision: allow}",
        // A path in doubt is met by the refusal alone.
        "- {name: a, hosts: [a.test], paths: ['/x/**'], decision: allow}\n- {name: b, hosts: [a.test], paths: ['/x/y'], decision: deny}",
        // What is in shadow hides nothing (and is told of for itself).
    ] {
        assert_eq!(of_rules(rules), [] as [&str; 0], "{rules}");
    }
    let shadow =
        "- {name: a, hosts: [a.test], mode: shadow, decision: deny}\n- {name: b, hosts: [a.test], decision: allow}";
    assert_eq!(of_rules(shadow), ["AEG032 6:42 p/a"]);
}

#[test]
fn policies_hide_each_other_only_for_agents_of_both() {
    let two = |first: &str, second: &str| {
        let rules = "rules: [{name: r, hosts: [a.test], methods: [GET], decision: allow}]";
        told(&format!("policies:\n  - {{name: p, {first}, {rules}}}\n  - {{name: q, {second}, {rules}}}\n"))
    };
    for (first, second, hidden) in [
        ("agents: ['a-*']", "agents: [a-1, a-2]", true),
        ("agents: [a-1]", "agents: ['a-*']", false),
        ("agents: [a, b]", "agents: [b, c]", false),
        ("agents: [a], tenants: [t]", "agents: [a]", false),
        ("agents: [a]", "agents: [a], tenants: [t]", true),
        ("agents: [a], tenants: ['t*']", "agents: [a], tenants: [t1]", true),
        ("agents: [a], labels: {k: v}", "agents: [a]", false),
        ("agents: [a], labels: {k: '*'}", "agents: [a], labels: {k: v}", true),
    ] {
        assert_eq!(two(first, second).iter().any(|one| one.starts_with("AEG001")), hidden, "{first} / {second}");
    }
}

#[test]
fn what_is_too_wide() {
    let host = |host: &str, more: &str| {
        let text = policy(&format!("- {{name: r, hosts: ['{host}'], methods: [GET], {more}}}"));
        told(&text).iter().map(|one| one.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    for (name, expected) in [
        ("*", "AEG010"),
        ("*.com", "AEG011"),
        ("*.co.uk", "AEG011"),
        ("*.amazonaws.com", "AEG012"),
        ("*.s3.eu-west-1.amazonaws.com", "AEG012"),
        ("*.github.io", "AEG012"),
        ("8.0.0.0/8", "AEG013"),
        ("2000::/3", "AEG013"),
    ] {
        assert_eq!(host(name, "decision: allow"), [expected], "{name}");
        assert_eq!(host(name, "decision: deny"), none, "{name}");
    }
    for name in ["*.example.com", "*.example.co.uk", "bucket.s3.amazonaws.com", "203.0.113.0/24", "*.notgithub.io"] {
        assert_eq!(host(name, "decision: allow"), none, "{name}");
    }
    assert_eq!(of_rules("- {name: r, hosts: [a.test], tls: passthrough, decision: allow}"), ["AEG022 6:41 p/r"]);
    assert_eq!(
        of_rules("- {name: r, hosts: [10.0.0.1], ports: [5432], tcp: true, private: true, decision: allow}"),
        ["AEG023 6:58 p/r"]
    );
    assert_eq!(
        of_rules("- {name: r, hosts: [a.test], private: true, methods: [GET], decision: allow}"),
        ["AEG024 6:45 p/r"]
    );
}

#[test]
fn what_is_left_on_or_out() {
    let all = |text: &str, code: &str| -> Vec<(Severity, String, usize)> {
        let all = found(&[source("p.yaml", text)]).into_iter().filter(|one| one.code == code);
        all.map(|one| (one.severity, one.subject, one.line)).collect()
    };
    let rules = policy(
        "- {name: a, hosts: [a.test], decision: allow}\n- {name: b, hosts: [b.test], methods: [GET], dlp: {deny: [secrets]}, decision: allow}",
    );
    assert_eq!(all(&rules, "AEG020"), [(Severity::Warning, "p/a".to_owned(), 6)]);
    assert_eq!(all(&rules, "AEG021"), [(Severity::Warning, "p/a".to_owned(), 6)]);
    let regex = |regex: &str, decision: &str| {
        of_rules(&format!(
            "- {{name: r, hosts: [a.test], headers: {{x: {{matches: '{regex}'}}}}, decision: {decision}}}"
        ))
    };
    let none: [&str; 0] = [];
    for open in ["abc", "^abc", "abc$", "^a|b$", r"^abc\$"] {
        assert_eq!(regex(open, "allow"), ["AEG030 6:45 p/r"], "{open}");
        assert_eq!(regex(open, "deny"), none, "{open}");
    }
    for closed in ["^abc$", "^(a|b)$", "^[a|b]$", r"\Aabc\z", r"^a\|b$"] {
        assert_eq!(regex(closed, "allow"), none, "{closed}");
    }
    let text = "policies:\n  - name: p\n    agents: ['*']\n    mode: shadow\n    rules: [{name: r, hosts: [a.test], decision: allow}]\n";
    assert_eq!(all(text, "AEG031"), [(Severity::Note, "p".to_owned(), 3)]);
    assert_eq!(all(text, "AEG032"), [(Severity::Warning, "p".to_owned(), 4)]);
    let when = |until: &str| {
        all(&policy(&format!("- {{name: r, hosts: [a.test], when: {{until: {until}}}, decision: allow}}")), "AEG033")
    };
    assert_eq!(when("2026-11-21"), [(Severity::Warning, "p/r".to_owned(), 6)]);
    assert_eq!(when("2026-11-23"), []);
    let reasons = policy(
        "- {name: a, hosts: [a.test], decision: deny, reason: no}\n- {name: b, hosts: [b.test], decision: deny, reason: no}\n- {name: c, hosts: [c.test], decision: deny, reason: other}",
    );
    assert_eq!(all(&reasons, "AEG035"), [(Severity::Note, "p/b".to_owned(), 7)]);
}

#[test]
fn conditions_that_cannot_both_hold() {
    let body = |tests: &str| of_rules(&format!("- {{name: r, hosts: [a.test], body: [{tests}], decision: allow}}"));
    let none: [&str; 0] = [];
    for tests in [
        "{path: v, op: '<', value: 5}, {path: v, op: '>', value: 5}",
        "{path: v, op: '<=', value: 4}, {path: v, op: '>=', value: 4.5}",
        "{path: v, op: '==', value: 5}, {path: v, op: '>', value: 5}",
        "{path: v, op: '==', value: x}, {path: v, op: '==', value: y}",
        "{path: v, op: in, value: [x, y]}, {path: v, op: not_in, value: [x, y, z]}",
        "{path: v, op: exists, value: false}, {path: v, op: '==', value: 1}",
    ] {
        assert_eq!(body(tests), ["AEG036 6:42 p/r"], "{tests}");
    }
    for tests in [
        "{path: v, op: '<=', value: 5}, {path: v, op: '>=', value: 5}",
        "{path: v, op: '==', value: 5}, {path: w, op: '>', value: 5}",
        "{path: v, op: '==', value: 5}, {path: v, op: '<=', value: 5.0}",
        "{path: v, op: in, value: [x, y]}, {path: v, op: not_in, value: [x]}",
        "{path: v, op: exists, value: false}, {path: v, op: exists, value: false}",
    ] {
        assert_eq!(body(tests), none, "{tests}");
    }
    let usage = "- {name: r, hosts: [a.test], usage: [{of: requests, per: day, op: '<', value: 5}, {of: requests, per: day, op: '>', value: 9}], decision: allow}";
    assert_eq!(of_rules(usage), ["AEG036 6:43 p/r"]);
}

#[test]
fn templates_and_their_uses() {
    let template = "templates:\n  - name: t\n    teams: [red]\n    agents: ['*']\n    parameters: {h: {type: host, within: ['*.test']}}\n    rules: [{name: r, hosts: ['${h}'], methods: [GET], decision: allow}]\n";
    assert_eq!(told(template), ["AEG034 2:5 t"]);
    let used = "use:\n  - {template: t, name: one, agents: [a], with: {h: a.test}}\n  - {template: t, name: two, agents: [a], with: {h: a.test}}\n";
    let found = found(&[source("s.yaml", template), source("delegated/red/u.yaml", used)]);
    let told: Vec<String> =
        found.iter().map(|one| format!("{} {}:{} {}", one.code, one.file, one.line, one.subject)).collect();
    assert_eq!(told, ["AEG001 delegated/red/u.yaml:3 two/r"]);
}

fn small_rule() -> impl Strategy<Value = Value> {
    let body = prop_oneof![
        Just(json!({"path": "v", "op": "<=", "value": 5})),
        Just(json!({"path": "v", "op": "<", "value": 3})),
        Just(json!({"path": "v", "op": "==", "value": 2})),
        Just(json!({"path": "v", "op": "in", "value": [2, 4]})),
    ];
    (
        prop::collection::vec(prop::sample::select(vec!["a.test", "*.test", "x.a.test", "*"]), 1..3),
        prop::collection::vec(prop::sample::select(vec!["GET", "POST"]), 0..2),
        prop::collection::vec(prop::sample::select(vec!["/x", "/x/*", "/x/**", "/**", "/*/y"]), 0..2),
        prop::option::of(body),
        prop::option::weighted(0.3, Just("input.body.v > 1")),
        0i64..3,
        prop::sample::select(vec!["allow", "deny", "approval_needed"]),
        prop::bool::weighted(0.15),
    )
        .prop_map(|(hosts, methods, paths, body, rego, priority, decision, shadow)| {
            let mut rule = json!({"hosts": hosts, "priority": priority, "decision": decision, "mode": if shadow { "shadow" } else { "enforce" }});
            let mut set = |key: &str, value: Value| rule[key] = value;
            if !methods.is_empty() {
                set("methods", json!(methods));
            }
            if !paths.is_empty() {
                set("paths", json!(paths));
            }
            body.into_iter().for_each(|body| set("body", json!([body])));
            rego.into_iter().for_each(|rego| set("rego", json!(rego)));
            rule
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// No false alarm: what is called unreachable decides no request.
    #[test]
    fn what_is_called_unreachable_never_decides(rules in prop::collection::vec(small_rule(), 2..6)) {
        let written: Vec<Value> = rules.iter().enumerate().map(|(at, rule)| {
            let mut rule = rule.clone();
            rule["name"] = json!(format!("r{at}"));
            rule
        }).collect();
        let text = json!({"version": "v1", "policies": [{"name": "p", "agents": ["a"], "rules": written}]}).to_string();
        let hidden: Vec<String> = found(&[source("p.yaml", &text)]).into_iter()
            .filter(|one| ["AEG001", "AEG002", "AEG003"].contains(&one.code)).map(|one| one.subject).collect();
        if hidden.is_empty() {
            return Ok(());
        }
        let snapshot = common::snapshot(&text);
        for host in ["a.test", "x.a.test", "other.example"] {
            for method in ["GET", "POST"] {
                for path in ["/", "/x", "/x/y", "/x/y/z", "/x/../y"] {
                    for body in [None, Some("{}"), Some("{\"v\": 2}"), Some("{\"v\": 4}"), Some("{\"v\": \"4\"}"), Some("no")] {
                        let request = ask(&format!("{method} https://{host}{path}"));
                        let request = match body { Some(body) => request.body(body), None => request };
                        let told = line(&request.decide(&snapshot));
                        prop_assert!(!hidden.iter().any(|rule| told.ends_with(rule.as_str())), "{}: {} {:?}\n{}", told, host, body, text);
                    }
                }
            }
        }
    }
}

/// Traps of a tenant's own detectors: what costs too much, finds too much, or is asked by nobody.
#[test]
fn own_detectors_that_are_slow_wide_or_idle() {
    let with = |detector: &str, dlp: &str| {
        let rules = format!("- {{name: r, hosts: [a.test], methods: [GET], decision: allow, dlp: {dlp}}}");
        let codes = |text: String| -> Vec<String> {
            let all = told(&text);
            all.into_iter().filter(|one| one.starts_with("AEG04")).collect()
        };
        codes(format!("detectors:\n  - {detector}\n{}", policy(&rules)))
    };
    let regex = |name: &str, regex: &str, example: &str| {
        format!("{{name: {name}, regex: '{regex}', examples: {{match: ['{example}']}}}}")
    };
    let none: &[&str] = &[];
    for (detector, dlp, wanted) in [
        (regex("lint_good", "CUST-[0-9]{6}", "CUST-123456"), "{deny: [own]}", none),
        (regex("lint_slow", "[0-9]{7}-CUST", "1234567-CUST"), "{deny: [lint_slow]}", &["AEG040 2:5 lint_slow"]),
        (
            regex("lint_wide", "v[0-9][.][0-9][.][0-9]", "v1.0.0"),
            "{deny: [lint_wide]}",
            &["AEG040 2:5 lint_wide", "AEG041 2:5 lint_wide"],
        ),
        (regex("lint_idle", "CUST-[0-9]{6}", "CUST-123456"), "{deny: [ssn]}", &["AEG043 2:5 lint_idle"]),
        (regex("lint_back", "CUST-[0-9]{6}", "CUST-123456"), "{responses: {deny: [lint_back]}}", none),
        ("{name: lint_list, values: [acme-0012, Admin]}".to_owned(), "{deny: [own]}", &["AEG042 2:5 lint_list"]),
        ("{name: lint_fine, values: [acme-0012, bluebird]}".to_owned(), "{deny: [own]}", none),
    ] {
        assert_eq!(with(&detector, dlp), wanted, "{detector}");
    }
}

#[test]
fn values_in_clear_text_beside_a_policy() {
    let text = format!(
        "detectors: [{{name: lint_file, dictionary: values.dict}}]\n{}",
        policy("- {name: r, hosts: [a.test], methods: [GET], decision: allow, dlp: {deny: [own]}}")
    );
    let with = |list: &str| -> Vec<Lint> {
        let all = found(&[source("p.yaml", &text), source("values.dict", list)]);
        all.into_iter().filter(|one| one.code == "AEG044").collect()
    };
    let plain = with("acme-0012\n");
    assert_eq!((plain.len(), plain[0].file.as_str(), plain[0].severity), (1, "values.dict", Severity::Note));
    let hashed = aegis_dlp::Dictionary::read("acme-0012\n").unwrap().write();
    assert!(with(&hashed).is_empty());
}
