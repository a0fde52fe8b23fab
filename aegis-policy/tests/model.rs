//! Random policies and requests: what the index and the compiled Rego decide is what a plain reading of the YAML decides, and
//! what the complete Rego module decides, evaluated alone from the documented input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aegis_policy::{JsonBody, Snapshot};
use common::{Ask, ask, line, snapshot, yaml_safe};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A rule over a small world, as data that both sides read.
#[derive(Debug, Clone)]
struct Model {
    agent: &'static str,
    hosts: Vec<&'static str>,
    methods: Vec<&'static str>,
    paths: Vec<&'static str>,
    header: Option<(&'static str, bool)>,
    body: Option<(&'static str, Value)>,
    priority: i64,
    decision: &'static str,
    shadow: bool,
}

const HOSTS: [&str; 5] = ["a.test", "*.a.test", "*.b.a.test", "*", "203.0.113.0/24"];
const PATHS: [&str; 5] = ["/", "/x", "/x/*", "/x/**", "/*/y"];
const TARGETS: [&str; 9] = ["/", "/x", "/x/", "/x/y", "/x/y/z", "/%78/y", "/x/../y", "/x//y", "/x%2fy"];

fn rule() -> impl Strategy<Value = Model> {
    let body = prop_oneof![
        Just(("==", json!(5))),
        Just(("!=", json!(5))),
        Just(("<=", json!(5))),
        Just((">", json!(4.5))),
        Just(("==", json!("x"))),
        Just(("in", json!(["x", "y"]))),
        Just(("not_in", json!(["x", "y"]))),
        Just(("matches", json!("^x"))),
        Just(("exists", json!(true))),
        Just(("exists", json!(false))),
    ];
    (
        prop::sample::select(vec!["a", "b", "*"]),
        prop::collection::vec(prop::sample::select(&HOSTS[..]), 1..3),
        prop::collection::vec(prop::sample::select(vec!["GET", "POST"]), 0..2),
        prop::collection::vec(prop::sample::select(&PATHS[..]), 0..3),
        prop::option::of((prop::sample::select(vec!["1", "2"]), any::<bool>())),
        prop::option::of(body),
        0i64..3,
        prop::sample::select(vec!["allow", "deny", "approval_needed"]),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(agent, hosts, methods, paths, header, body, priority, decision, shadow)| Model {
            agent,
            hosts,
            methods,
            paths,
            header,
            body,
            priority,
            decision,
            shadow,
        })
}

fn request() -> impl Strategy<Value = Ask> {
    let host = prop::sample::select(vec!["a.test", "x.a.test", "y.b.a.test", "c.test", "203.0.113.5", "198.51.100.5"]);
    let body = prop::sample::select(vec![
        None,
        Some(r#"{"v":5}"#),
        Some(r#"{"v":5.0}"#),
        Some(r#"{"v":4}"#),
        Some(r#"{"v":"5"}"#),
        Some(r#"{"v":"x"}"#),
        Some(r#"{"v":"z"}"#),
        Some(r#"{"v":null}"#),
        Some(r#"{"v":[5]}"#),
        Some(r#"{"v":false}"#),
        Some(r#"{}"#),
        Some("[]"),
        Some("not json"),
    ]);
    let headers = prop::collection::vec(prop::sample::select(vec!["1", "2", "3"]), 0..3);
    let method = prop::sample::select(vec!["GET", "POST", "PUT"]);
    (prop::sample::select(vec!["a", "b", "c"]), method, host, prop::sample::select(&TARGETS[..]), headers, body)
        .prop_map(|(agent, method, host, path, headers, body)| {
            let mut request = ask(&format!("{method} https://{host}{path}")).by(agent);
            for value in headers {
                request = request.header("x-h", value);
            }
            match body {
                Some(body) => request.body(body),
                None => request,
            }
        })
}

fn yaml(rules: &[Model]) -> String {
    let policies: Vec<Value> = rules
        .iter()
        .enumerate()
        .map(|(number, rule)| {
            let mut written = json!({"name": "r", "hosts": rule.hosts, "priority": rule.priority, "decision": rule.decision,
                "mode": if rule.shadow { "shadow" } else { "enforce" }});
            if !rule.methods.is_empty() {
                written["methods"] = json!(rule.methods);
            }
            if !rule.paths.is_empty() {
                written["paths"] = json!(rule.paths);
            }
            if let Some((value, regex)) = rule.header {
                written["headers"] = if regex { json!({"x-h": {"matches": format!("^{value}$")}}) } else { json!({"x-h": value}) };
            }
            if let Some((op, value)) = &rule.body {
                written["body"] = json!([{"path": "v", "op": op, "value": value}]);
            }
            json!({"name": format!("p{number}"), "agents": [rule.agent], "rules": [written]})
        })
        .collect();
    json!({"version": "v1", "policies": policies}).to_string()
}

/// The reference: one rule against one request, read off the documentation.
fn holds(rule: &Model, request: &Ask) -> bool {
    let doubt = rule.decision != "allow";
    let agent = rule.agent == "*" || rule.agent == request.agent.name;
    let address = request.host.starts_with(|c: char| c.is_ascii_digit());
    let host = rule.hosts.iter().any(|pattern| match *pattern {
        "*" => !address,
        "203.0.113.0/24" => request.host.starts_with("203.0.113."),
        pattern => match pattern.strip_prefix('*') {
            Some(domain) => request.host.ends_with(domain),
            None => request.host == pattern,
        },
    });
    let method = rule.methods.is_empty() || rule.methods.contains(&request.method.as_str());
    let path = match request.path.as_str() {
        _ if rule.paths.is_empty() => true,
        "/x/../y" | "/x//y" | "/x%2fy" => doubt,
        path => rule.paths.iter().any(|glob| path_matches(glob, if path == "/%78/y" { "/x/y" } else { path })),
    };
    let values: Vec<&str> = request.headers.get_all("x-h").iter().map(|value| value.to_str().unwrap()).collect();
    let header = match rule.header {
        None => true,
        Some((wanted, _)) if doubt => values.contains(&wanted),
        Some((wanted, _)) => values == [wanted],
    };
    agent && host && method && path && header && rule.body.as_ref().is_none_or(|test| body_holds(test, request, doubt))
}

fn path_matches(glob: &str, path: &str) -> bool {
    match glob {
        "/x/*" => path.strip_prefix("/x/").is_some_and(|rest| !rest.contains('/')),
        "/x/**" => path.starts_with("/x/"),
        "/*/y" => {
            path.strip_prefix('/').and_then(|rest| rest.strip_suffix("/y")).is_some_and(|rest| !rest.contains('/'))
        }
        exact => path == exact,
    }
}

fn body_holds((op, wanted): &(&'static str, Value), request: &Ask, doubt: bool) -> bool {
    let parsed = match &request.body {
        None => Value::Null,
        Some(bytes) => match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(_) => return doubt,
        },
    };
    let Some(value) = parsed.get("v") else {
        return *op == "exists" && *wanted == json!(false);
    };
    let kind = |value: &Value| std::mem::discriminant(value);
    let sample = wanted.as_array().map_or(wanted, |list| &list[0]);
    let equal = |a: &Value, b: &Value| a == b || (a.is_number() && b.is_number() && a.as_f64() == b.as_f64());
    match *op {
        "exists" => *wanted == json!(true),
        _ if kind(value) != kind(sample) => doubt,
        "==" => equal(value, wanted),
        "!=" => !equal(value, wanted),
        "<=" => value.as_f64() <= wanted.as_f64(),
        ">" => value.as_f64() > wanted.as_f64(),
        "in" => wanted.as_array().unwrap().contains(value),
        "not_in" => !wanted.as_array().unwrap().contains(value),
        "matches" => value.as_str().unwrap().starts_with('x'),
        other => panic!("{other}"),
    }
}

fn reference(rules: &[Model], request: &Ask) -> String {
    let mut order: Vec<(usize, &Model)> = rules.iter().enumerate().collect();
    order.sort_by_key(|(_, rule)| -rule.priority);
    let hits: Vec<(usize, &Model)> = order.into_iter().filter(|(_, rule)| holds(rule, request)).collect();
    let Some((number, first)) = hits.first() else {
        return "deny".into();
    };
    if !first.shadow {
        return format!("{} p{number}/r", first.decision);
    }
    match hits.iter().find(|(_, rule)| !rule.shadow) {
        Some((enforced, rule)) if rule.decision != "allow" => {
            format!("{} p{enforced}/r", rule.decision)
        }
        _ => format!("shadow {} p{number}/r", first.decision),
    }
}

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

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
