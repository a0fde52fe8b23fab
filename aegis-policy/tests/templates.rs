//! What a team may write: within bounds and templates that others own, and nothing besides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aegis_policy::{Snapshot, Source, Verdict, compile};
use common::{Ask, ask, line, source};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What security owns in these tests.
const SECURITY: &str = r#"
version: s1
bounds:
  - name: red
    teams: [red]
    policies: ["red-*"]
    agents: ["red-*"]
    hosts: ["*.red.test", api.red.example]
    methods: [GET, POST]
    decisions: [allow, deny, sanitize]
    max_priority: 10
    must_dlp: {deny: [private_key]}
templates:
  - name: payments
    teams: [red, "pay-*"]
    agents: ["red-*", "pay-*"]
    dlp: {deny: [secrets]}
    parameters:
      limit: {type: number, min: 1, max: 5000}
      hosts: {type: list, of: host, within: ["*.stripe.test"], max_items: 2}
      env: {type: word, one_of: [live, test], default: test}
      note: {type: string, max_length: 20, default: none}
    rules:
      - name: pay
        hosts: ["${hosts}"]
        methods: [POST]
        paths: ["/${env}/charges"]
        body: [{path: amount, op: "<=", value: "${limit}"}]
        decision: allow
        reason: "up to ${limit} (${note})"
policies:
  - name: guard
    agents: ["*"]
    rules:
      - {name: no-admin, hosts: ["*.red.test"], paths: ["/admin/**"], decision: deny}
"#;

const TEAM_FILE: &str = "policies/delegated/red/own.yaml";

fn with_team(name: &str, text: &str) -> Result<Snapshot, Vec<String>> {
    compiled(&[source("policies/security.yaml", SECURITY), source(name, text)])
}

fn compiled(sources: &[Source]) -> Result<Snapshot, Vec<String>> {
    compile(sources).map_err(|problems| problems.problems().iter().map(ToString::to_string).collect())
}

fn team(text: &str) -> Snapshot {
    with_team(TEAM_FILE, text).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
}

fn refused(text: &str) -> Vec<String> {
    with_team(TEAM_FILE, text).err().unwrap_or_else(|| panic!("accepted:\n{text}"))
}

fn own_policy(rule: &str) -> String {
    format!(
        "policies:\n  - name: red-own\n    agents: [red-1]\n    dlp: {{deny: [private_key]}}\n    rules:\n      - {rule}\n"
    )
}

const USE: &str = "use:\n  - template: payments\n    name: red-pay\n    agents: [red-1]\n    with: {limit: 1000, hosts: [api.stripe.test]}\n";

#[test]
fn a_template_makes_a_policy_of_the_values_it_is_given() {
    let snapshot = team(USE);
    let pay = |amount: Value, path: &str| {
        let request = ask(&format!("POST https://api.stripe.test{path}")).by("red-1");
        line(&request.body(&json!({"amount": amount}).to_string()).decide(&snapshot))
    };
    assert_eq!(pay(json!(1000), "/test/charges"), "allow red-pay/pay");
    assert_eq!(pay(json!(1001), "/test/charges"), "deny");
    assert_eq!(pay(json!(1), "/live/charges"), "deny", "the default is test");
    assert_eq!(line(&ask("GET https://api.stripe.test/test/charges").by("red-1").decide(&snapshot)), "deny");
    let Verdict::Permit(permit) =
        ask("POST https://api.stripe.test/test/charges").by("red-1").body(r#"{"amount": 1}"#).decide(&snapshot)
    else {
        panic!("refused")
    };
    assert_eq!(permit.reason(), "up to 1000 (none)");
}

#[test]
fn what_a_use_gets_wrong_is_said_at_its_own_line() {
    let used = |with: &str| {
        refused(&format!("use:\n  - template: payments\n    name: red-pay\n    agents: [red-1]\n    with:\n{with}"))
    };
    for (with, expected) in [
        ("      limit: 9000\n      hosts: [a.stripe.test]\n", "own.yaml:6:14: `limit` is at most 5000, not 9000"),
        ("      limit: \"5\"\n      hosts: [a.stripe.test]\n", "own.yaml:6:14: `limit` takes a number, found a string"),
        (
            "      limit: 5\n      hosts: [a.stripe.test, evil.test]\n",
            "own.yaml:7:30: `hosts` is \"evil.test\", which is not within *.stripe.test",
        ),
        (
            "      limit: 5\n      hosts: [\"*\"]\n",
            "own.yaml:7:15: `hosts` is \"*\", which is not within *.stripe.test",
        ),
        (
            "      limit: 5\n      hosts: [a.stripe.test, b.stripe.test, c.stripe.test]\n",
            "own.yaml:7:14: `hosts` takes at most 2 items, here are 3",
        ),
        ("      limit: 5\n      hosts: a.stripe.test\n", "own.yaml:7:14: `hosts` takes a list, found a string"),
        ("      limit: 5\n", "own.yaml:6:7: template `payments` needs a value for `hosts`"),
        (
            "      limit: 5\n      hosts: [a.stripe.test]\n      env: prod\n",
            "own.yaml:8:12: `env` is one of live, test, not \"prod\"",
        ),
        (
            "      limit: 5\n      hosts: [a.stripe.test]\n      env: test/../admin\n",
            "own.yaml:8:12: `env` takes 1 to 64 letters, digits, `-` and `_`",
        ),
        (
            "      limit: 5\n      hosts: [a.stripe.test]\n      decision: allow\n",
            "own.yaml:8:7: unknown key `decision`",
        ),
    ] {
        let found = used(with);
        assert_eq!(found.len(), 1, "{with}: {found:?}");
        assert!(found[0].ends_with(expected), "{with}: {found:?}");
    }
    let found = refused(&USE.replace("[red-1]", "[red-1, fin-1]"));
    assert!(found[0].ends_with("own.yaml:4:21: template `payments` is not for agents `fin-1`"), "{found:?}");
    let found = refused(&USE.replace("[red-1]", "[\"*\"]"));
    assert!(found[0].contains("is not for agents `*`"), "{found:?}");
    let found = refused(&USE.replace("payments", "payment"));
    assert!(found[0].ends_with("own.yaml:2:15: there is no template `payment`"), "{found:?}");
    let found = with_team("delegated/blue/x.yaml", USE).unwrap_err();
    assert_eq!(found, ["delegated/blue/x.yaml:2:15: template `payments` is not for team `blue`"]);
}

/// A value stays a value: nothing in it becomes a key, a rule, another parameter or a pattern.
#[test]
fn no_value_becomes_anything_else() {
    let note = |note: &str| {
        let text = json!({"use": [{"template": "payments", "name": "red-pay", "agents": ["red-1"],
            "with": {"limit": 5, "hosts": ["a.stripe.test"], "note": note}}]});
        with_team(TEAM_FILE, &text.to_string())
    };
    for text in ["${limit}", "}, decision: deny, {", "# not", "\"", "': [", "${", "a\\u0022b"] {
        let snapshot = note(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        let request = ask("POST https://a.stripe.test/test/charges").by("red-1").body(r#"{"amount": 5}"#);
        let Verdict::Permit(permit) = request.decide(&snapshot) else { panic!("{text}") };
        assert_eq!(permit.reason(), format!("up to 5 ({text})"));
    }
    // Two lines are not one line of text: the place is the use, whose value it is.
    assert!(note("a\nb").unwrap_err()[0].contains("template `payments`: expected one line"));
}

#[test]
fn what_is_wrong_with_a_template_is_said_where_it_stands_used_or_not() {
    let template = |parameters: &str, rule: &str| {
        let text = format!(
            "templates:\n  - name: t\n    teams: [red]\n    agents: [a]\n    parameters:\n      p: {parameters}\n    rules:\n      - {rule}\n"
        );
        compiled(&[source("s.yaml", &text)]).err().unwrap_or_default()
    };
    for (parameters, rule, expected) in [
        ("{type: host}", "{name: r, hosts: [\"${p}\"], decision: allow}", "s.yaml:6:10: `within` is missing"),
        ("{type: colour}", "{name: r, hosts: [a.test], decision: allow}", "s.yaml:6:17: unknown type `colour`"),
        ("{type: word, min: 1}", "{name: r, hosts: [a.test], decision: allow}", "s.yaml:6:23: unknown key `min`"),
        (
            "{type: word}",
            "{name: r, hosts: [\"${q}.test\"], decision: allow}",
            "s.yaml:8:27: `q` is no parameter of this template",
        ),
        (
            "{type: string}",
            "{name: r, hosts: [\"${p}\"], decision: allow}",
            "s.yaml:8:27: `p` is a string, which can't stand here",
        ),
        (
            "{type: word}",
            "{name: r, hosts: [a.test], decision: \"${p}\"}",
            "s.yaml:8:46: `p` is a word, which can't stand here",
        ),
        (
            "{type: string}",
            "{name: r, hosts: [a.test], headers: {x: {matches: \"${p}\"}}, decision: allow}",
            "s.yaml:8:59: a parameter can't stand here",
        ),
        (
            "{type: string}",
            "{name: r, hosts: [a.test], body: [{path: a, op: matches, value: \"${p}\"}], decision: allow}",
            "s.yaml:8:73: a parameter can't stand here",
        ),
        (
            "{type: integer}",
            "{name: r, hosts: [a.test], priority: \"${p}\", decision: allow}",
            "s.yaml:8:46: `p` is a integer, which can't stand here",
        ),
        (
            "{type: word}",
            "{name: r, hosts: [a.test], colour: red, decision: allow}",
            "s.yaml:8:36: template `t`: unknown key `colour`",
        ),
        ("{type: word}", "{name: r, hosts: [a.test]}", "s.yaml:8:9: template `t`: `decision` is missing"),
        (
            "{type: host, within: [\"10.0.0.0/8\"]}",
            "{name: r, hosts: [\"${p}\"], decision: allow}",
            "s.yaml:8:27: template `t`: 10.0.0.0/8 is private or local address space",
        ),
        (
            "{type: integer, max: 5, default: 9}",
            "{name: r, hosts: [a.test], decision: allow}",
            "s.yaml:6:43: `p` is at most 5, not 9",
        ),
    ] {
        let found = template(parameters, rule);
        assert!(found.iter().any(|one| one.starts_with(expected)), "{parameters} {rule}\n{expected}\n{found:#?}");
    }
}

#[test]
fn a_teams_own_policy_within_its_bounds_holds() {
    let snapshot =
        team(&own_policy("{name: api, hosts: [\"*.v1.red.test\", api.red.example], methods: [GET], decision: allow}"));
    assert_eq!(line(&ask("GET https://x.v1.red.test/").by("red-1").decide(&snapshot)), "allow red-own/api");
    assert_eq!(line(&ask("GET https://x.v1.red.test/").by("red-2").decide(&snapshot)), "deny");
    // What only refuses may point anywhere.
    team(&own_policy("{name: none, hosts: [\"*\"], ports: [1, 443], decision: deny}"));
}

#[test]
fn a_teams_policy_outside_of_its_bounds_is_refused_and_they_are_named() {
    for (rule, expected) in [
        ("{name: r, hosts: [evil.test], methods: [GET], decision: allow}", "host `evil.test` is not within"),
        ("{name: r, hosts: [\"*.test\"], methods: [GET], decision: allow}", "host `*.test` is not within"),
        ("{name: r, hosts: [a.red.test], decision: allow}", "methods are within GET, POST"),
        ("{name: r, hosts: [a.red.test], methods: [GET, DELETE], decision: allow}", "methods are within GET, POST"),
        (
            "{name: r, hosts: [a.red.test], methods: [GET], ports: [8080], decision: allow}",
            "port 8080 is not within 80, 443",
        ),
        (
            "{name: r, hosts: [a.red.test], methods: [GET], decision: approval_needed}",
            "decisions are within allow, deny, sanitize",
        ),
        ("{name: r, hosts: [a.red.test], methods: [GET], priority: 11, decision: allow}", "priority 11 is above 10"),
        (
            "{name: r, hosts: [a.red.test], methods: [GET], dlp: {deny: [ssn]}, decision: allow}",
            "`dlp: {deny: [private_key]}` is asked for",
        ),
        (
            "{name: r, hosts: [a.red.test], methods: [GET], private: true, decision: allow}",
            "they don't say `may: [private]`",
        ),
        (
            "{name: r, hosts: [a.red.test], methods: [GET], mode: shadow, decision: allow}",
            "they don't say `may: [shadow]`",
        ),
        ("{name: r, hosts: [evil.test], mode: shadow, decision: deny}", "they don't say `may: [shadow]`"),
        ("{name: r, hosts: [a.red.test], tls: passthrough, decision: allow}", "they don't say `may: [passthrough]`"),
        ("{name: r, hosts: [a.red.test], ports: [443], tcp: true, decision: allow}", "they don't say `may: [tcp]`"),
        (
            "{name: r, hosts: [a.red.test], methods: [GET], rego: input.port == 443, decision: allow}",
            "they don't say `may: [rego]`",
        ),
        (
            "{name: r, hosts: [a.red.test], methods: [GET], fail_mode: open, decision: allow}",
            "they don't say `may: [fail_open]`",
        ),
    ] {
        let found = refused(&own_policy(rule));
        let named = found.iter().any(|one| one.contains("outside of bounds `red`: ") && one.contains(expected));
        assert!(named && found[0].starts_with("policies/delegated/red/own.yaml:"), "{rule}: {found:#?}");
    }
    let good = own_policy("{name: r, hosts: [a.red.test], methods: [GET], decision: allow}");
    for (from, to, expected) in [
        ("agents: [red-1]", "agents: [\"*\"]", "agents `*` are not within red-*"),
        ("agents: [red-1]", "agents: [red-1, fin-1]", "agents `fin-1` are not within red-*"),
        ("name: red-own", "name: own", "a policy's name is within red-*"),
        ("agents: [red-1]", "agents: [red-1]\n    mode: shadow", "they don't say `may: [shadow]`"),
    ] {
        let found = refused(&good.replace(from, to));
        assert!(found.iter().any(|one| one.contains(expected)), "{to}: {found:#?}");
    }
    let found = with_team("delegated/blue/x.yaml", &good).unwrap_err();
    assert!(found[0].ends_with("there are no bounds for policies of team `blue`"), "{found:?}");
}

/// What `must_dlp` asks for is asked of what passes, and what passes in shadow is not held to it.
#[test]
fn what_must_be_looked_for_is_looked_for_in_all_that_passes() {
    let security = "bounds:\n  - {name: b, teams: [red], agents: [red-1], hosts: [a.test], may: [shadow], MUST}\n";
    let file = |mode: &str, decision: &str| {
        let rule = format!("{{name: r, hosts: [a.test], mode: {mode}, decision: {decision}}}");
        let dlp = if decision == "allow" { "    dlp: {deny: [private_key]}\n" } else { "" };
        format!("policies:\n  - name: p\n    agents: [red-1]\n{dlp}    rules: [{rule}]\n")
    };
    for (must, mode, decision, expected) in [
        ("must_dlp: {deny: [private_key]}", "enforce", "allow", None),
        ("must_dlp: {deny: [private_key]}", "enforce", "approval_needed", None),
        ("must_dlp: {deny: [private_key]}", "enforce", "deny", None),
        ("must_dlp: {deny: [private_key]}", "shadow", "allow", Some("a rule in shadow does not enforce")),
        ("must_dlp: {deny: [private_key]}", "shadow", "approval_needed", Some("a rule in shadow does not enforce")),
        ("must_dlp: {redact: [ssn]}", "shadow", "deny", Some("a rule in shadow does not enforce")),
        ("must_dlp: {report: [private_key]}", "shadow", "allow", None),
        ("max_priority: 5", "shadow", "deny", None),
    ] {
        let found = compiled(&[
            source("s.yaml", &security.replace("MUST", must)),
            source("delegated/red/x.yaml", &file(mode, decision)),
        ]);
        match (found, expected) {
            (Ok(_), None) => {}
            (Err(found), Some(expected)) => assert!(found[0].contains(expected), "{found:?}"),
            (found, _) => panic!("{must} {mode} {decision}: {:?}", found.err()),
        }
    }
}

/// Records say which policy decided and which tool it was; neither is a team's to say.
#[test]
fn a_team_names_neither_the_policy_nor_a_tool_of_security() {
    let security = "version: s1\nbounds:\n  - {name: b, teams: [red], agents: [red-1], hosts: [a.test, b.test]}\n\
        tools: [{name: payments, hosts: [a.test]}]\n";
    let team = "version: s2\npolicies:\n  - name: p\n    agents: [red-1]\n    rules:\n      \
        - {name: r, hosts: [a.test, b.test], tool: harmless, decision: allow}\n";
    let both = |team: &str| compiled(&[source("s.yaml", security), source("delegated/red/x.yaml", team)]).unwrap();
    let snapshot = both(team);
    assert_eq!(snapshot.version(), "s1");
    assert_eq!(both(&team.replace("version: s2\n", "")).version(), "s1");
    let tool = |url: &str| match ask(&format!("GET https://{url}/")).by("red-1").decide(&snapshot) {
        Verdict::Permit(permit) => permit.tool().map(str::to_owned),
        Verdict::Denial(denial) => panic!("{}", denial.reason),
    };
    assert_eq!((tool("a.test").as_deref(), tool("b.test").as_deref()), (Some("payments"), Some("harmless")));
}

#[test]
fn a_team_defines_nothing_for_others() {
    for key in ["templates", "bounds", "tools", "regions"] {
        let found = refused(&format!(
            "{key}: []\n{}",
            own_policy("{name: r, hosts: [a.red.test], methods: [GET], decision: allow}")
        ));
        assert!(found[0].contains(&format!("unknown key `{key}`")), "{found:?}");
    }
    let found = with_team("delegated/red/x.rego", "package red.x\n\nok := true\n").unwrap_err();
    assert!(found[0].contains("raw Rego modules are not for teams"), "{found:?}");
    // Whose file it is follows from where it lies, and from nothing in it.
    let widest = "policies:\n  - {name: all, agents: [\"*\"], rules: [{name: r, hosts: [\"*\"], decision: allow}]}\n";
    assert!(with_team("policies/all.yaml", widest).is_ok());
    for name in [
        "policies/delegated/red/all.yaml",
        "delegated/red/all.yaml",
        "delegated/red/deep/all.yaml",
        "/etc/aegis/delegated/red/all.yaml",
    ] {
        assert!(with_team(name, widest).unwrap_err()[0].contains("outside of bounds `red`"), "{name}");
    }
    let found = with_team("policies/delegated/all.yaml", widest).unwrap_err();
    assert_eq!(found, ["policies/delegated/all.yaml:1:1: a file in `delegated` belongs to no team"]);
}

#[test]
fn security_decides_first_whatever_the_priorities() {
    let snapshot =
        team(&own_policy("{name: api, hosts: [\"*.red.test\"], methods: [GET], priority: 10, decision: allow}"));
    assert_eq!(line(&ask("GET https://a.red.test/admin/x").by("red-1").decide(&snapshot)), "deny guard/no-admin");
    assert_eq!(line(&ask("GET https://a.red.test/x").by("red-1").decide(&snapshot)), "allow red-own/api");
}

/// Where security lets a team try things out, the trial opens what it names and nothing else.
#[test]
fn a_teams_trial_does_not_open_the_rest() {
    let security = "bounds:\n  - {name: b, teams: [red], agents: [red-1], hosts: [a.test], may: [shadow]}\n";
    let trial = "policies:\n  - name: p\n    agents: [red-1]\n    mode: shadow\n    rules: [{name: r, hosts: [a.test], decision: deny}]\n";
    let snapshot = compiled(&[source("s.yaml", security), source("delegated/red/x.yaml", trial)]).unwrap();
    assert_eq!(line(&ask("GET https://a.test/").by("red-1").decide(&snapshot)), "shadow deny p/r");
    assert_eq!(line(&ask("GET https://b.test/").by("red-1").decide(&snapshot)), "deny");
    // The same text as security's own does open it.
    let snapshot = compiled(&[source("p.yaml", trial)]).unwrap();
    assert_eq!(line(&ask("GET https://b.test/").by("red-1").decide(&snapshot)), "shadow deny");
}

fn any_host() -> impl Strategy<Value = &'static str> {
    let inside = vec!["a.red.test", "*.red.test", "*.x.red.test", "api.red.example"];
    let outside = vec![
        "red.test",
        "*.test",
        "*",
        "evil.test",
        "*.example",
        "203.0.113.0/24",
        "stripe.test",
        "api.stripe.test",
        "127.0.0.1",
    ];
    prop_oneof![6 => prop::sample::select(inside), 1 => prop::sample::select(outside)]
}

fn any_shop() -> impl Strategy<Value = &'static str> {
    let inside = vec!["api.stripe.test", "*.stripe.test", "*.evil.stripe.test"];
    prop_oneof![6 => prop::sample::select(inside), 1 => prop::sample::select(vec!["stripe.test", "*.test", "*", "evil.test"])]
}

fn any_agents() -> impl Strategy<Value = Vec<&'static str>> {
    let inside = prop::sample::select(vec!["red-1", "red-*", "red-2"]);
    let one = prop_oneof![6 => inside, 1 => prop::sample::select(vec!["*", "pay-1", "fin-1"])];
    prop::collection::vec(one, 1..3)
}

/// Keys that want a grant, and values that fit them, mostly not there.
fn any_extra() -> impl Strategy<Value = Option<(&'static str, Value)>> {
    let extra = prop::sample::select(vec![
        ("mode", json!("shadow")),
        ("private", json!(true)),
        ("tls", json!("passthrough")),
        ("tcp", json!(true)),
        ("fail_mode", json!("open")),
        ("rego", json!("true")),
        ("dlp", json!({"deny": ["private_key"]})),
        ("dlp", json!({"redact": ["pii"]})),
        ("dlp", json!({"deny": ["ssn"]})),
    ]);
    prop::option::weighted(0.3, extra)
}

/// Whatever a team could think of writing, right or wrong.
fn any_rule() -> impl Strategy<Value = Value> {
    let method = prop_oneof![8 => prop::sample::select(vec!["GET", "POST"]), 1 => Just("DELETE")];
    (
        prop::collection::vec(any_host(), 1..3),
        prop::option::weighted(0.9, prop::collection::vec(method, 1..3)),
        prop::sample::select(vec!["allow", "allow", "allow", "deny", "sanitize", "approval_needed"]),
        prop::option::weighted(0.2, prop::sample::select(vec![80, 443, 8443])),
        prop::option::weighted(0.3, -5i64..14),
        any_extra(),
    )
        .prop_map(|(hosts, methods, decision, port, priority, extra)| {
            let mut rule = json!({"name": "r", "hosts": hosts, "decision": decision});
            let mut set = |key: &str, value: Value| rule[key] = value;
            methods.into_iter().for_each(|methods| set("methods", json!(methods)));
            port.into_iter().for_each(|port| set("ports", json!([port])));
            priority.into_iter().for_each(|priority| set("priority", json!(priority)));
            extra.into_iter().for_each(|(key, value)| set(key, value));
            rule
        })
}

fn any_file() -> impl Strategy<Value = Value> {
    let name = prop_oneof![8 => prop::sample::select(vec!["red-a", "red-b", "red-c"]), 1 => Just("own")];
    let policy = (name, any_agents(), any_rule(), prop::bool::weighted(0.9)).prop_map(|(name, agents, rule, dlp)| {
        let mut policy = json!({"name": name, "agents": agents, "rules": [rule]});
        if dlp {
            policy["dlp"] = json!({"deny": ["private_key"]});
        }
        policy
    });
    let wrong = prop::sample::select(vec![json!(5001), json!(-1), json!("9"), json!(null)]);
    let limit = prop_oneof![6 => prop::sample::select(vec![json!(1), json!(5000)]), 1 => wrong];
    let env = prop_oneof![6 => prop::sample::select(vec!["live", "test"]), 1 => prop::sample::select(vec!["*", "a/b"])];
    let used = (any_agents(), limit, prop::collection::vec(any_shop(), 1..3), env).prop_map(|(agents, limit, hosts, env)| {
        json!({"template": "payments", "name": "red-pay", "agents": agents, "with": {"limit": limit, "hosts": hosts, "env": env}})
    });
    (prop::collection::vec(policy, 0..3), prop::option::of(used)).prop_map(|(policies, used)| {
        let mut file = json!({"version": "t"});
        if !policies.is_empty() {
            file["policies"] = json!(policies);
        }
        if let Some(used) = used {
            file["use"] = json!([used]);
        }
        file
    })
}

fn any_request() -> impl Strategy<Value = Ask> {
    let host = prop::sample::select(vec![
        "a.red.test",
        "x.red.test",
        "y.x.red.test",
        "red.test",
        "evil.test",
        "api.red.example",
        "203.0.113.5",
        "127.0.0.1",
        "api.stripe.test",
        "a.evil.stripe.test",
        "stripe.test",
    ]);
    (
        prop::sample::select(vec!["red-1", "red-2", "pay-1", "fin-1"]),
        prop::sample::select(vec!["GET", "POST", "DELETE"]),
        host,
        prop::sample::select(vec!["", ":8443"]),
        prop::sample::select(vec!["/", "/admin/x", "/test/charges", "/live/charges"]),
        prop::sample::select(vec![
            None,
            Some(r#"{"amount": 1}"#),
            Some(r#"{"amount": 5000}"#),
            Some(r#"{"amount": 5001}"#),
        ]),
    )
        .prop_map(|(agent, method, host, port, path, body)| {
            let request = ask(&format!("{method} https://{host}{port}{path}")).by(agent);
            match body {
                Some(body) => request.body(body),
                None => request,
            }
        })
}

/// What the bounds and the template let pass, read off the text above.
fn granted(request: &Ask) -> bool {
    let host = request.host.as_str();
    let below = |domain: &str| host.ends_with(domain) && host.len() > domain.len();
    let amount = request.body.as_ref().and_then(|body| serde_json::from_slice::<Value>(body).ok()?["amount"].as_i64());
    let own = request.agent.name.starts_with("red-")
        && (below(".red.test") || host == "api.red.example")
        && ["GET", "POST"].contains(&request.method.as_str())
        && request.port == 443
        && !(below(".red.test") && request.path.starts_with("/admin/"));
    let payment = (request.agent.name.starts_with("red-") || request.agent.name.starts_with("pay-"))
        && below(".stripe.test")
        && request.method == "POST"
        && request.port == 443
        && ["/test/charges", "/live/charges"].contains(&request.path.as_str())
        && amount.is_some_and(|amount| amount <= 5000);
    own || payment
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a team's file says: it is refused, or lets nothing pass that bounds and templates don't.
    #[test]
    fn no_file_of_a_team_lets_more_pass_than_it_was_granted(file in any_file(), requests in prop::collection::vec(any_request(), 12)) {
        let Ok(snapshot) = with_team(TEAM_FILE, &file.to_string()) else { return Ok(()) };
        for request in &requests {
            let passes = matches!(request.decide(&snapshot), Verdict::Permit(_));
            prop_assert!(!passes || granted(request), "{:?}\n{}", request, file);
        }
    }
}

/// The property above is not empty: enough files are taken, and enough requests pass.
#[test]
fn files_are_taken_and_requests_pass() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut taken, mut passed) = (0, 0);
    for _ in 0..500 {
        let file = any_file().new_tree(&mut runner).unwrap().current();
        let Ok(snapshot) = with_team(TEAM_FILE, &file.to_string()) else { continue };
        taken += 1;
        let requests = prop::collection::vec(any_request(), 150).new_tree(&mut runner).unwrap().current();
        passed += requests.iter().filter(|request| matches!(request.decide(&snapshot), Verdict::Permit(_))).count();
    }
    assert!(taken > 50 && passed > 20, "{taken} taken, {passed} passed");
}

/// The directory that Aegis ships as an example, as the daemon would load it, against the cases beside it.
#[test]
fn the_shipped_example_of_teams_does_what_its_cases_say() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("policies/teams");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let files =
        ["payments.rego", "platform.yaml", "delegated/checkout/checkout.yaml"].map(|name| source(name, &read(name)));
    let snapshot = compiled(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mut coverage = aegis_policy::cases::Coverage::new(&snapshot);
    for case in aegis_policy::cases::read(&read("teams.test.yaml")).unwrap() {
        let outcome = aegis_policy::cases::run(&snapshot, &case).unwrap();
        assert!(outcome.passed, "{case:?}\n{outcome:?}");
        coverage.count(&outcome);
    }
    assert_eq!(coverage.unreached(), [""; 0]);
}
