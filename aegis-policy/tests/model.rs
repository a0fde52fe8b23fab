//! Random policies and requests: what the index and the compiled Rego decide is what a plain reading of the YAML decides, and
//! what the complete Rego module decides, evaluated alone from the documented input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/world.rs"]
mod world;

use aegis_policy::{JsonBody, Snapshot, Verdict};
use common::{Ask, ask, line, snapshot, yaml_safe};
use proptest::prelude::*;
use reference::reference;
use serde_json::{Value, json};
use world::{Model, request, rule, yaml};

/// The verdict that the ids of the complete module's two chains stand for.
fn verdict(rules: &[Model], first: Option<&str>, enforced: Option<&str>) -> String {
    let rule = |id: &str| &rules[id.trim_start_matches('p').trim_end_matches("/r").parse::<usize>().unwrap()];
    match (first, enforced) {
        (None, _) => "deny".into(),
        (Some(id), _) if !rule(id).shadow => format!("{} {id}", rule(id).decision),
        (Some(_), Some(id)) if rule(id).decision != "allow" => {
            format!("{} {id}", rule(id).decision)
        }
        (Some(id), _) => format!("shadow {} {id}", rule(id).decision),
    }
}

/// What the complete module says by itself: the first rule, and the first enforced one.
fn complete(snapshot: &Snapshot, request: &Ask) -> (Option<String>, Option<String>) {
    let (_, text) = snapshot.rego().next().unwrap();
    let mut engine = regorus::Engine::new();
    engine.add_policy("aegis.rego".into(), text.into()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let input = request.with(|intent, content| snapshot.input_document(intent, content));
    engine.set_input_json(&input.to_string()).unwrap();
    let mut rule = |name: &str| match engine.eval_rule(format!("data.aegis.policy.{name}")) {
        Ok(regorus::Value::String(id)) => Some(id.to_string()),
        _ => None,
    };
    (rule("decision"), rule("enforced"))
}

/// `PROPTEST_CASES` for a long run.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_compiled_policy_decides_as_the_yaml_reads(
        rules in prop::collection::vec(rule(), 1..7),
        requests in prop::collection::vec(request(), 8),
    ) {
        let text = yaml(&rules);
        let snapshot = snapshot(&text);
        for request in &requests {
            let got = line(&request.decide(&snapshot));
            prop_assert_eq!(&got, &reference(&rules, request), "{:?}\n{}", request, text);
            if let Verdict::Permit(permit) = request.decide(&snapshot) {
                prop_assert_eq!(permit.region(), reference::region_of(&request.host));
            }

            // `needs` and the pruned input lose nothing against the whole body.
            let whole = request.with(|intent, content| line(&snapshot.decide(intent, content)));
            prop_assert_eq!(&got, &whole);

            let (first, enforced) = complete(&snapshot, request);
            let told = request.with(|intent, content| snapshot.explain(intent, content));
            let holding: Vec<&str> = told.candidates.iter().filter(|one| one.matches).map(|one| one.rule.as_str()).collect();
            prop_assert_eq!(holding.first().copied(), first.as_deref(), "explain and Rego differ\n{}", text);
            prop_assert_eq!(&got, &verdict(&rules, first.as_deref(), enforced.as_deref()));
        }
    }

    /// Whatever a policy's strings hold, they stay strings: the module compiles and only equal values match.
    #[test]
    fn no_string_becomes_code(
        text in any::<String>(),
        weird in "[\"\\\\`{}()#\\n\\r\\t$%:=. a-z\u{0}\u{7f}\u{2028}é]{1,24}",
    ) {
        for string in [text, weird] {
            if string.is_empty() {
                continue;
            }
            let document = json!({"version": "v1", "policies": [{"name": "p", "agents": ["a"], "rules": [{
                "name": "r", "hosts": ["a.test"], "decision": "allow",
                "query": {"q": "plain"},
                "body": [{"path": "v", "op": "==", "value": string}, {"path": "/k/x", "op": "not_in", "value": [string]}],
            }]}]});
            let snapshot = snapshot(&yaml_safe(&document));
            let decide = |body: Value| {
                let request = ask("POST https://a.test/?q=plain").body(&body.to_string());
                line(&request.decide(&snapshot))
            };
            prop_assert_eq!(decide(json!({"v": string, "k": {"x": "other than that, surely"}})), "allow p/r");
            prop_assert_eq!(decide(json!({"v": string, "k": {"x": string}})), "deny");
            prop_assert_eq!(decide(json!({"v": format!("{string}!"), "k": {"x": ""}})), "deny");
        }
    }

    /// Names, reasons and tools too.
    #[test]
    fn no_name_becomes_code(name in "[^/\\pC]{1,20}", reason in "[^\\pC]{1,40}") {
        let document = json!({"policies": [{"name": name.trim(), "agents": ["a"], "rules": [{
            "name": name.trim(), "tool": name.trim(), "reason": reason, "hosts": ["a.test"], "decision": "allow"}]}]});
        if !name.trim().is_empty() {
            let snapshot = snapshot(&yaml_safe(&document));
            prop_assert_eq!(line(&ask("GET https://a.test/").decide(&snapshot)), format!("allow {0}/{0}", name.trim()));
            prop_assert_eq!(complete(&snapshot, &ask("GET https://a.test/")).0, Some(format!("{0}/{0}", name.trim())));
        }
    }

    #[test]
    fn no_text_crashes_the_compiler(text in "[ \\-a-z:{}\\[\\],\"'&*!|>#\\n0-9./]{0,200}") {
        let _ = aegis_policy::compile(&[common::source("x.yaml", &text)]);
        let inside = common::policy(&text.replace('\n', " "));
        let _ = aegis_policy::compile(&[common::source("x.yaml", &inside)]);
    }

    #[test]
    fn no_request_crashes_a_decision(path in any::<String>(), host in any::<String>(), method in any::<String>(), query in any::<String>()) {
        let snapshot = snapshot(&common::policy(
            "- {name: r, hosts: ['*'], paths: ['/a/*/b', '/**'], query: {q: {matches: x}}, decision: allow}"));
        let mut request = ask("GET https://a.test/");
        (request.path, request.host, request.method, request.query) = (path, host, method, Some(query));
        request.with(|intent, content| {
            let _ = snapshot.decide(intent, content);
            let _ = snapshot.explain(intent, &aegis_policy::Content { json: JsonBody::Invalid, ..*content });
            let _ = snapshot.name(intent.agent, intent.host);
        });
    }
}
