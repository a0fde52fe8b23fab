//! Raw Rego as a condition of rules: what it can say, what it can't, and what becomes of doubt, mistakes and attacks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aegis_policy::{DenialKind, Snapshot, Source, Verdict, compile};
use common::{Ask, ask, line, policy, source};
use proptest::prelude::*;
use serde_json::{Value, json};

const MODULE: &str = r#"package acme.payments

import rego.v1

limits := {"usd": 5000, "eur": 4000}

default within_limit := false

within_limit if input.body.amount <= limits[input.body.currency]

total := sum([item.price | some item in input.body.items])

above(limit) if total > limit

large if above(100)
"#;

fn rule(decision: &str, rego: &str) -> Value {
    json!({"name": "r", "hosts": ["a.test"], "decision": decision, "rego": rego})
}

fn sources(rules: &[Value], modules: &[(&str, &str)]) -> Vec<Source> {
    let text = json!({"version": "v1", "policies": [{"name": "p", "agents": ["a"], "rules": rules}]}).to_string();
    let mut all = vec![source("p.yaml", &text)];
    all.extend(modules.iter().map(|(name, text)| source(name, text)));
    all
}

fn build(rules: &[Value], modules: &[(&str, &str)]) -> Result<Snapshot, Vec<String>> {
    let problems = |problems: aegis_policy::Diagnostics| problems.problems().iter().map(ToString::to_string).collect();
    compile(&sources(rules, modules)).map_err(problems)
}

fn snapshot(rules: &[Value]) -> Snapshot {
    build(rules, &[("payments.rego", MODULE)]).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn post(body: Value) -> Ask {
    ask("POST https://a.test/x").body(&body.to_string())
}

/// All that decides: the index's bucket, `explain`, and the complete module evaluated alone.
fn decided(snapshot: &Snapshot, request: &Ask) -> String {
    let got = line(&request.decide(snapshot));
    let told = request.with(|intent, content| snapshot.explain(intent, content));
    let first = told.candidates.iter().find(|one| one.matches).map(|one| one.rule.clone());
    let mut engine = regorus::Engine::new();
    for (package, text) in snapshot.rego().filter(|(package, _)| !package.starts_with("aegis.bucket_")) {
        engine.add_policy(format!("{package}.rego"), text.to_owned()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    engine
        .set_input_json(&request.with(|intent, content| snapshot.input_document(intent, content)).to_string())
        .unwrap();
    let complete = match engine.eval_rule("data.aegis.policy.decision".into()) {
        Ok(regorus::Value::String(id)) => Some(id.to_string()),
        _ => None,
    };
    assert_eq!(first, complete, "{told:#?}");
    assert_eq!(got.split_once(' ').map(|(_, rule)| rule.to_owned()), first, "{told:#?}");
    got
}

#[test]
fn a_condition_says_what_yaml_cannot() {
    let both = [
        rule("allow", "input.body.amount * input.body.count <= 100\ncount(input.body.items) < 3"),
        json!({"name": "named", "hosts": ["b.test"], "decision": "allow", "rego": "data.acme.payments.within_limit"}),
    ];
    let snapshot = snapshot(&both);
    for (body, expected) in [
        (json!({"amount": 10, "count": 10, "items": [1]}), "allow p/r"),
        (json!({"amount": 10, "count": 11, "items": [1]}), "deny"),
        (json!({"amount": 10, "count": 10, "items": [1, 2, 3]}), "deny"),
        (json!({"amount": 10, "items": []}), "deny"),
    ] {
        assert_eq!(decided(&snapshot, &post(body.clone())), expected, "{body}");
    }
    for (body, expected) in [
        (json!({"amount": 5000, "currency": "usd"}), "allow p/named"),
        (json!({"amount": 5000, "currency": "eur"}), "deny"),
        (json!({"amount": 1, "currency": "gbp"}), "deny"),
    ] {
        let request = ask("POST https://b.test/x").body(&body.to_string());
        assert_eq!(decided(&snapshot, &request), expected, "{body}");
    }
}

#[test]
fn it_reads_the_whole_input() {
    for (rego, request) in [
        ("input.method == \"POST\"", post(json!({}))),
        ("input.path == \"/x\"", post(json!({}))),
        ("input.agent.name == \"a\"\ninput.method == \"POST\"", post(json!({}))),
        ("input.headers[\"x-team\"] == [\"red\"]", post(json!({})).header("X-Team", "red")),
        ("input.host == \"a.test\"\ninput.port == 443\ninput.scheme == \"https\"", post(json!({}))),
        ("input.query.view == [\"full\"]", ask("GET https://a.test/x?view=full")),
        ("some item in input.body.items\nitem.name == \"x\"", post(json!({"items": [{"name": "y"}, {"name": "x"}]}))),
        ("every item in input.body.items { item.price < 10 }", post(json!({"items": [{"price": 1}, {"price": 2}]}))),
    ] {
        let snapshot = snapshot(&[rule("allow", rego)]);
        assert_eq!(decided(&snapshot, &request), "allow p/r", "{rego}");
        assert_eq!(decided(&snapshot, &ask("PUT http://a.test/y")), "deny", "{rego}");
    }
}

/// For a rule that permits, what is not certain is not met; for one that refuses, what is not certainly false is met.
#[test]
fn doubt_never_helps_the_agent() {
    let open = json!({"name": "open", "hosts": ["a.test"], "decision": "allow"});
    let allow = snapshot(&[rule("allow", "input.body.amount < 100")]);
    let deny = snapshot(&[rule("deny", "input.body.amount >= 100"), open.clone()]);
    let not = snapshot(&[rule("deny", "not input.body.amount < 100"), open.clone()]);
    let named = snapshot(&[rule("deny", "data.acme.payments.large"), open.clone()]);
    for (request, allowed, refused) in [
        (post(json!({"amount": 99})), true, false),
        (post(json!({"amount": 100})), false, true),
        (post(json!({})), false, true),
        (post(json!([])), false, true),
        (ask("POST https://a.test/x").body("no json"), false, true),
        (ask("POST https://a.test/x"), false, true),
    ] {
        let word = |yes: bool, a: &str, b: &str| if yes { a.to_owned() } else { b.to_owned() };
        let got = |snapshot: &Snapshot| line(&request.decide(snapshot));
        let refusals = |text: String| text == "deny p/r" || text == "deny";
        assert_eq!(got(&allow), word(allowed, "allow p/r", "deny"), "{request:?}");
        assert_eq!(refusals(got(&deny)), refused, "{request:?} {}", got(&deny));
        assert_eq!(refusals(got(&not)), refused, "{request:?} {}", got(&not));
    }
    // Rego orders values of different types: what may be of another one is asked for its type first.
    let typed = snapshot(&[rule("allow", "is_number(input.body.amount)\ninput.body.amount < 100")]);
    assert_eq!(decided(&typed, &post(json!({"amount": null}))), "deny");
    assert_eq!(decided(&typed, &post(json!({"amount": 99}))), "allow p/r");
    assert_eq!(decided(&named, &post(json!({"items": [{"price": 60}, {"price": 50}]}))), "deny p/r");
    // `large` has no value here, neither true nor false: that is doubt. A default would say what is meant.
    assert_eq!(decided(&named, &post(json!({"items": [{"price": 60}]}))), "deny p/r");
    let defaults = MODULE.replace("\nlarge if", "\ndefault large := false\n\nlarge if");
    let named = build(&[rule("deny", "data.acme.payments.large"), open], &[("payments.rego", &defaults)]).unwrap();
    assert_eq!(decided(&named, &post(json!({"items": [{"price": 60}]}))), "allow p/open");
    assert_eq!(decided(&named, &post(json!({"items": [{"price": 160}]}))), "deny p/r");
}

/// What an author makes of a part that is not there (`not`, a comprehension, a default) must not pass for an answer where it
/// is not there because nobody could read it.
#[test]
fn what_cannot_be_read_is_not_what_is_not_there() {
    let module = "package acme.m\n\nimport input.body as sent\n\ndefault bad := false\n\nbad if input.body.amount > 5\n\n\
        fine if not bad\n\nby_alias if not sent.amount > 5\n\nhours if input.method == \"POST\"\n";
    let other = "package acme.n\n\nposted if input.method == \"POST\"\n";
    let modules = [("m.rego", module), ("n.rego", other)];
    let small = |at: &str| ask(&format!("POST https://a.test{at}")).body(r#"{"amount": 1, "items": [1]}"#);
    let unread = || ask("POST https://a.test/x").body(r#"{"amount": 9, "amount": 1"#);
    for rego in [
        "not input.body.amount > 5",
        "not input[\"body\"].amount > 5",
        "count([x | some x in input.body.items; x > 5]) == 0",
        "every x in [x | some x in input.body.items; x > 5] { x < 0 }",
        "not input.body.amount > 5\ninput.method == \"POST\"",
        "not data.acme.m.bad",
        "data.acme.m.fine",
        "data.acme.m.by_alias",
        "whole := input\nnot whole.body.amount > 5",
        "some part in [\"body\"]\nnot input[part].amount > 5",
    ] {
        let snapshot = build(&[rule("allow", rego)], &modules).unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert_eq!(decided(&snapshot, &small("/x")), "allow p/r", "{rego}");
        assert_eq!(decided(&snapshot, &unread()), "deny", "{rego}");
    }
    for (rego, target) in [
        ("not startswith(input.path, \"/admin\")", "/x/../admin"),
        ("not input.query.admin", "/x?admin=%zz"),
        ("count({k | some k, _ in input.query; k == \"admin\"}) == 0", "/x?a;admin=1"),
    ] {
        let snapshot = build(&[rule("allow", rego)], &modules).unwrap();
        assert_eq!(decided(&snapshot, &small("/x")), "allow p/r", "{rego}");
        assert_eq!(decided(&snapshot, &small(target)), "deny", "{rego}");
    }
    // Nothing is asked of what a condition does not read.
    for rego in ["input.method == \"POST\"", "data.acme.n.posted", "input.ambiguous.body"] {
        let snapshot = build(&[rule("allow", rego)], &modules).unwrap();
        assert_eq!(decided(&snapshot, &unread()), "allow p/r", "{rego}");
    }
    // One that refuses is met by what may be there.
    let open = json!({"name": "open", "hosts": ["a.test"], "decision": "allow"});
    for rego in ["count([x | some x in input.body.items; x > 5]) > 0", "data.acme.m.bad"] {
        let snapshot = build(&[rule("deny", rego), open.clone()], &modules).unwrap();
        assert_eq!(decided(&snapshot, &small("/x")), "allow p/open", "{rego}");
        assert_eq!(decided(&snapshot, &unread()), "deny p/r", "{rego}");
    }
}

/// A mistake with the values is a denial, not "undefined": a default behind it must not turn it into a yes.
#[test]
fn a_mistake_in_a_condition_is_a_denial() {
    let module = "package acme.m\n\ndefault bad := false\n\nbad if count(input.body.amount) > 5\n";
    let open = json!({"name": "open", "hosts": ["a.test"], "decision": "allow"});
    let snapshot = build(&[rule("deny", "data.acme.m.bad"), open], &[("m.rego", module)]).unwrap();
    assert_eq!(line(&post(json!({"amount": [1]})).decide(&snapshot)), "allow p/open");
    assert_eq!(line(&post(json!({"amount": [1, 2, 3, 4, 5, 6]})).decide(&snapshot)), "deny p/r");
    let Verdict::Denial(denial) = post(json!({"amount": 7})).decide(&snapshot) else { panic!("passes") };
    assert_eq!(denial.kind, DenialKind::Unavailable, "{}", denial.reason);
}

/// The agent chooses the size of what a condition goes through; the budget is not for it to choose.
#[test]
fn the_budget_holds() {
    let rego = "some a in input.body.l\nsome b in input.body.l\nsome c in input.body.l\na + b + c < 0";
    let snapshot = snapshot(&[rule("allow", rego)]);
    let list = |count: usize| post(json!({"l": vec![1; count]}));
    assert_eq!(line(&list(3).decide(&snapshot)), "deny");
    let Verdict::Denial(denial) = list(5000).decide(&snapshot) else { panic!("passes") };
    assert_eq!(denial.kind, DenialKind::Unavailable, "{}", denial.reason);
    // And the next request is decided as if nothing had been.
    assert_eq!(line(&list(3).decide(&snapshot)), "deny");
}

#[test]
fn a_condition_never_makes_a_permit() {
    for text in [
        "true\n}\n\ndecision := \"p/r\" if {\n\ttrue",
        "true } else := true if { true",
        "true\n}\nholds := \"x\" if { true",
        "package x\ntrue",
        "import data.acme\ntrue",
    ] {
        let found = build(&[rule("allow", text)], &[]).err().unwrap_or_else(|| panic!("{text}"));
        assert!(found[0].contains("rego"), "{found:?}");
    }
    for package in ["aegis.policy", "aegis", "aegis.bucket_0", "aegis.custom_x", "system.authz", "data.x"] {
        let found = build(&[], &[("x.rego", &format!("package {package}\n\ndecision := \"p/r\"\n"))]).unwrap_err();
        assert!(
            found.iter().any(|one| one.contains("reserved") || one.starts_with("x.rego:1:")),
            "{package}: {found:?}"
        );
    }
    for text in [
        "data.aegis.policy.decision == \"p/r\"",
        "data.acme.nothing",
        "data.acme.payments.withn_limit",
        "data",
        "data[input.method]",
    ] {
        let found =
            build(&[rule("allow", text)], &[("payments.rego", MODULE)]).err().unwrap_or_else(|| panic!("{text}"));
        assert!(found[0].contains("there is no rule `data"), "{found:?}");
    }
}

#[test]
fn only_pure_and_bounded_functions_may_be_called() {
    for call in [
        "http.send({\"method\": \"get\", \"url\": \"http://x\"})",
        "time.now_ns() > 0",
        "rand.intn(\"x\", 5) == 1",
        "opa.runtime()",
        "trace(\"x\")",
        "print(\"x\")",
        "numbers.range(1, 1000000000)",
        "sprintf(\"%999999999d\", [1])",
        "replace(input.path, \"\", input.path) == \"\"",
        "concat(input.path, [\"a\", \"b\"]) == \"\"",
        "walk(input, x)",
        "no_such_function(1)",
        "regex.replace(input.path, \".\", input.path) == \"\"",
    ] {
        let found = build(&[rule("allow", call)], &[]).err().unwrap_or_else(|| panic!("{call}"));
        let name = call.split('(').next().unwrap();
        assert!(found[0].contains(&format!("`{name}` may not be called")), "{found:?}");
        let module = format!("package acme.x\n\nok if {{\n\t{call}\n}}\n");
        let found = build(&[], &[("x.rego", &module)]).unwrap_err();
        assert!(found[0].starts_with("x.rego:4:"), "{found:?}");
    }
    let found = build(&[rule("allow", "input.port == 443 with input.port as 443")], &[]).unwrap_err();
    assert!(found[0].contains("`with` may not be used"), "{found:?}");
}

#[test]
fn what_is_wrong_is_said_at_its_line() {
    let text = policy(
        "- name: r\n  hosts: [a.test]\n  decision: allow\n  rego: |\n    input.port == 443\n    input.path = = 1\n",
    );
    let told = |sources: &[Source]| -> Vec<String> {
        compile(sources).err().map(|all| all.problems().iter().map(ToString::to_string).collect()).unwrap_or_default()
    };
    let found = told(&[source("p.yaml", &text)]);
    assert!(found[0].starts_with("p.yaml:11:"), "{found:?}");
    let text = policy(
        "- name: r\n  hosts: [a.test]\n  decision: allow\n  rego: |\n    input.port == 443\n    sprintf(\"x\", [])\n",
    );
    let found = told(&[source("p.yaml", &text)]);
    assert!(found[0].starts_with("p.yaml:11:11: rego: `sprintf` may not be called"), "{found:?}");
    let text = policy("- {name: r, hosts: [a.test], decision: allow, rego: undefined_name > 1}");
    assert!(told(&[source("p.yaml", &text)])[0].starts_with("p.yaml:6:"), "{:?}", told(&[source("p.yaml", &text)]));
    let good = policy("- {name: r, hosts: [a.test], decision: allow, rego: data.acme.x.ok}");
    for (module, expected) in [
        ("package acme.x\n\nok if {\n\tinput.port == \n}\n", "m.rego:5:1: rego: "),
        ("package acme.x\n\nok if nothing > 1\n", "m.rego:3:7: rego: use of undefined variable `nothing` is unsafe"),
        ("ok := true\n", "m.rego:1:1: rego: "),
        ("package acme.x\n\nok if data.acme.y.z\n", "m.rego:3:7: rego: there is no rule `data.acme.y.z`"),
        ("package acme.x\n\nok if a\n\na if b\n\nb if ok\n", "m.rego:3:1: rego: rule `ok` needs its own value"),
        ("package acme.x\n\nok if f(1)\n\nf(x) if f(x + 1)\n", "m.rego:5:1: rego: rule `f` needs its own value"),
        ("package acme.x\n\nok if data.acme.x.ok\n", "m.rego:3:1: rego: rule `ok` needs its own value"),
        ("package acme.x\n\nimport aegis.policy\n\nok := true\n", "m.rego:3:8: rego: "),
    ] {
        let found = told(&[source("p.yaml", &good), source("m.rego", module)]);
        assert!(found.iter().any(|one| one.starts_with(expected)), "{module}: {found:?}");
    }
    let twice =
        told(&[source("a.rego", "package acme.x\n\nok := true\n"), source("b.rego", "package acme.x\n\nno := true\n")]);
    assert!(twice[0].starts_with("b.rego:1:1: rego: a second module of package `acme.x`"), "{twice:?}");
}

/// What could be true and false at once can't be certainly false: a rule that refuses does not take it.
#[test]
fn a_refusal_wants_one_expression_with_one_value() {
    for text in [
        "input.port == 443\ninput.method == \"GET\"",
        "some x in input.body.l\nx > 1",
        "x := input.port",
        "input.body.l[_] > 1",
        "input.body.l[i] > 1",
    ] {
        let found = build(&[rule("deny", text)], &[]).err().unwrap_or_else(|| panic!("{text}"));
        assert!(found[0].contains("in a rule that refuses"), "{found:?}");
        assert!(build(&[rule("allow", text)], &[]).is_ok(), "{text}");
    }
    for text in [
        "input.port == 443",
        "not input.port == 443",
        "count([x | some x in input.body.l; x > 1]) > 0",
        "data.acme.payments.large",
        "input.method in {\"PUT\", \"POST\"}",
    ] {
        assert!(build(&[rule("deny", text)], &[("payments.rego", MODULE)]).is_ok(), "{text}");
    }
}

#[test]
fn it_is_for_requests_that_are_read() {
    for more in [json!({"tls": "passthrough"}), json!({"tcp": true, "ports": [25]})] {
        let mut with = rule("allow", "input.port == 443");
        more.as_object().unwrap().iter().for_each(|(key, value)| with[key] = value.clone());
        assert!(build(&[with], &[]).unwrap_err()[0].contains("`rego` can't be checked beside"));
    }
}

#[test]
fn a_body_is_asked_for_where_a_condition_may_read_it() {
    let snapshot = snapshot(&[rule("allow", "input.port == 443")]);
    assert!(post(json!({})).with(|intent, _| snapshot.needs(intent).json && snapshot.needs(intent).usage));
    // And time is given to it, as to what goes through a list that is as long as the agent makes it.
    let heavy = |rule: Value| {
        let snapshot = build(&[rule], &[]).unwrap();
        post(json!({})).with(|intent, _| snapshot.needs(intent).heavy)
    };
    let body = |path: &str| {
        json!({"name": "r", "hosts": ["a.test"], "decision": "allow",
        "body": [{"path": path, "op": "==", "value": 1}]})
    };
    assert!(heavy(rule("allow", "input.port == 443")) && heavy(body("l.*")));
    assert!(!heavy(body("l.0")) && !heavy(json!({"name": "r", "hosts": ["a.test"], "decision": "allow"})));
}

/// What an expression is worth for a body; `None` where it has no value.
type Worth = fn(&Value) -> Option<bool>;

fn expression() -> impl Strategy<Value = (String, Worth)> {
    fn number(body: &Value) -> Option<i64> {
        body.get("n")?.as_i64()
    }
    let list: Vec<(&str, Worth)> = vec![
        ("input.body.n > 3", |body| number(body).map(|n| n > 3)),
        ("input.body.n + 1 == 4", |body| number(body).map(|n| n + 1 == 4)),
        ("input.body.s == \"x\"", |body| body.get("s").map(|s| s == "x")),
        ("count(input.body.l) > 1", |body| body.get("l").map(|l| l.as_array().unwrap().len() > 1)),
        ("input.method == \"POST\"", |_| Some(true)),
        ("input.method != \"POST\"", |_| Some(false)),
    ];
    prop::sample::select(list).prop_map(|(text, value)| (text.to_owned(), value))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rules that permit and refuse by raw Rego are decided as their text reads, three-valued.
    #[test]
    fn raw_conditions_decide_as_they_read(
        rules in prop::collection::vec((expression(), prop::sample::select(vec!["allow", "deny"])), 1..4),
        n in prop::option::of(1i64..6), s in prop::option::of(prop::sample::select(vec!["x", "y"])), l in prop::option::of(0usize..4),
    ) {
        let mut body = json!({});
        n.into_iter().for_each(|n| body["n"] = json!(n));
        s.into_iter().for_each(|s| body["s"] = json!(s));
        l.into_iter().for_each(|l| body["l"] = json!(vec![0; l]));
        let written: Vec<Value> = rules.iter().enumerate().map(|(at, ((text, _), decision))| {
            json!({"name": format!("r{at}"), "hosts": ["a.test"], "decision": decision, "rego": text})
        }).collect();
        let snapshot = build(&written, &[]).unwrap();
        let first = rules.iter().enumerate().find(|(_, ((_, value), decision))| {
            value(&body) == Some(true) || (*decision == "deny" && value(&body).is_none())
        });
        let expected = first.map_or("deny".to_owned(), |(at, (_, decision))| format!("{decision} p/r{at}"));
        prop_assert_eq!(decided(&snapshot, &post(body.clone())), expected, "{} {}", body, json!(written));
    }

    #[test]
    fn no_rego_crashes_the_compiler(text in "[ -~\\n]{0,120}", call in "[a-z.]{1,12}\\([a-z0-9.,\\[\\]{} ]{0,30}\\)?") {
        for text in [text, call] {
            let _ = build(&[rule("allow", &text), rule("deny", &text)], &[("x.rego", &format!("package acme.x\n\n{text}\n"))]);
        }
    }
}
