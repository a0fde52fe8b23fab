//! What a policy's author reads when something is wrong: file, line, column, and what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aegis_policy::{Diagnostics, compile};
use common::{policy, source};

fn problems(text: &str) -> Diagnostics {
    match compile(&[source("p.yaml", text)]) {
        Err(problems) => problems,
        Ok(_) => panic!("accepted:\n{text}"),
    }
}

/// All problems of the file, one a line.
fn told(text: &str) -> Vec<String> {
    problems(text).problems().iter().map(ToString::to_string).collect()
}

#[test]
fn all_problems_of_a_file_at_once_each_at_its_place() {
    let text = "version: v1
polcies: []
policies:
  - name: a
    agents: []
    colour: red
    rules:
      - name: r
        name: twice
        hosts: [\"good.test\", \"bad host\", \"*x.test\"]
        ports: [0, 70000, http]
        methods: [get]
        paths: [v1, /a/../b]
        headers: {x: {matches: \"(\"}, \"a b\": c}
        body:
          - {path: amount, op: \"=<\", value: 1}
          - {path: amount, op: \"<\", value: \"1\"}
          - {path: a..b, op: exists}
        decision: permit
        dlp: {deny: [sssn]}
        mode: on
";
    assert_eq!(
        told(text),
        [
            "p.yaml:2:1: unknown key `polcies`",
            "p.yaml:5:13: the list is empty",
            "p.yaml:6:5: unknown key `colour`",
            "p.yaml:9:9: `name` stands twice",
            "p.yaml:10:30: `bad host` is neither a host name, an address nor a network",
            "p.yaml:10:42: a wildcard stands alone or as the first label, `*.example.com`",
            "p.yaml:11:17: 0 is not a port",
            "p.yaml:11:20: 70000 is not a port, 1 to 65535",
            "p.yaml:11:27: expected a port, 1 to 65535, found a string",
            "p.yaml:12:19: `get` is not a method",
            "p.yaml:13:17: a path starts with `/`",
            "p.yaml:13:21: no normalised path can match this (see docs/policy.md, paths)",
            "p.yaml:14:32: bad regular expression: unclosed group",
            "p.yaml:14:38: `a b` is not a header's name",
            "p.yaml:16:32: unknown operator `=<`",
            "p.yaml:17:44: `<` compares numbers, found a string",
            "p.yaml:18:20: expected a path into the body",
            "p.yaml:19:19: `permit` is not known here",
            "p.yaml:20:22: unknown detector `sssn`",
            "p.yaml:21:15: `on` is not known here",
        ]
    );
}

#[test]
fn what_does_not_go_together_is_said() {
    let rule = |rest: &str| told(&policy(&format!("- {{name: r, hosts: [a.test], {rest}}}")));
    for (rest, expected) in [
        ("tcp: true, ports: [25], methods: [GET], decision: allow", "`methods` can't be checked beside `tcp: true`"),
        (
            "tcp: true, ports: [25], body: [{path: a, op: exists}], decision: allow",
            "`body` can't be checked beside `tcp: true`",
        ),
        ("tls: passthrough, paths: [/a], decision: allow", "`paths` can't be checked beside `tls: passthrough`"),
        ("tcp: true, ports: [25], tls: inspect, decision: allow", "`tls` has no meaning beside `tcp: true`"),
        ("tcp: true, decision: allow", "`ports` is missing"),
        ("tls: passthrough, decision: sanitize", "what is not read can't be sanitized"),
        ("decision: sanitize", "`sanitize` with nothing to redact"),
        ("decision: deny, dlp: {deny: [pii]}", "`dlp` has no effect where the rule lets nothing pass"),
        ("methods: [GET]", "`decision` is missing"),
        ("decision: allow, reason: 5", "expected a string, found a number"),
        ("decision: allow, private: yes please", "expected true or false, found a string"),
        ("decision: allow, body: [{path: a, op: in, value: [1, x]}]", "the members must be of one type"),
        ("decision: allow, headers: {a: b, A: c}", "`a` stands twice"),
        ("decision: allow, hosts: [b.test]", "`hosts` stands twice"),
        ("decision: allow, name: 'a/b'", "`name` stands twice"),
        ("decision: allow, priority: 1.5", "1.5 is not a whole number"),
    ] {
        let found = rule(rest);
        assert_eq!(found.len(), 1, "{rest}: {found:?}");
        assert!(found[0].ends_with(expected), "{rest}: {found:?}");
    }
    let found = told(&policy("- {name: r, hosts: [10.0.0.0/8], decision: allow}"));
    assert!(found[0].ends_with("10.0.0.0/8 is private or local address space"), "{found:?}");
    let found =
        told(&policy("- {name: r, hosts: [a.test], decision: allow}\n- {name: r, hosts: [b.test], decision: deny}"));
    assert_eq!(found, ["p.yaml:7:16: a second rule of this name"]);
}

#[test]
fn conditions_that_could_never_hold_are_problems() {
    let rule = |rest: &str| told(&policy(&format!("- {{name: r, hosts: [a.test], decision: allow, {rest}}}")));
    for (rest, expected) in [
        ("when: {}", "a window that is always open"),
        ("when: {timezone: Europe/Berln, days: [mon]}", "`Europe/Berln` is not a time zone"),
        ("when: {days: [monday]}", "`monday` is not a day of the week"),
        ("when: {hours: 8-18}", "`8-18` is no span of time"),
        ("when: {hours: '08:00-08:00'}", "`08:00-08:00` is no span of time"),
        ("when: {hours: '08:00-24:30'}", "`08:00-24:30` is no span of time"),
        ("when: {hours: '+8:00-09:00'}", "`+8:00-09:00` is no span of time"),
        ("when: {from: 2026-13-01}", "`2026-13-01` is not a date"),
        ("when: {from: 2026-12-24, until: 2026-12-01}", "2026-12-01 is before 2026-12-24"),
        ("when: always", "expected a window of time, found a string"),
        ("usage: [{of: request, per: hour, op: '<', value: 1}]", "`request` is not known here"),
        ("usage: [{of: requests, per: hour, op: '==', value: 1}]", "`==` is not known here"),
        ("usage: [{of: requests, per: hour, op: '<', value: 1.5}]", "expected a whole number"),
        ("usage: [{of: requests, per: hour, op: '<', value: -1}]", "expected a whole number"),
        (
            "usage: [{of: cost_usd, per: day, op: '<', value: 0.0000001}]",
            "expected an amount of dollars with at most six decimals",
        ),
        ("usage: [{of: bytes_out, op: '<', value: 1}]", "`per` is missing"),
        ("regions: [eu]", "no region `eu` is declared"),
        ("scopes: ['two words']", "expected a scope such as `payments:write`"),
        ("any_scope: []", "the list is empty"),
        ("actors: ['a b']", "expected a name or a pattern such as `fin-*`"),
        ("body: [{path: a, op: contain, value: 1}]", "unknown operator `contain`"),
        ("body: [{path: a, op: starts_with, value: ''}]", "every string begins and ends with nothing"),
        ("body: [{path: a, op: 'length <', value: -1}]", "-1 is not a length"),
        ("body: [{path: a, op: subset_of, value: [1, x]}]", "the members must be of one type"),
        ("body: [{path: a, op: '<', value: 1, value_of: b}]", "`value` and `value_of` together"),
        ("body: [{path: a, op: in, value_of: b}]", "`in` takes a `value`"),
        ("body: [{path: a, op: '<', value_of: b.*.c}]", "`value_of` names one value"),
        ("body: [{path: a.*.*.*.*, op: exists}]", "at most 3 `*` in a path"),
        ("fail_mode: opened", "`opened` is not known here"),
    ] {
        let found = rule(rest);
        assert_eq!(found.len(), 1, "{rest}: {found:?}");
        assert!(found[0].ends_with(expected), "{rest}: {found:?}");
    }
    let refused = told(&policy("- {name: r, hosts: [a.test], decision: deny, fail_mode: open}"));
    assert!(refused[0].ends_with("`fail_mode` has no effect where the rule lets nothing pass"), "{refused:?}");
    for key in ["tools: [t]", "scopes: [s]", "any_scope: [s]", "actors: [x]", "when: {days: [mon]}", "fail_mode: open"]
    {
        let found =
            told(&policy(&format!("- {{name: r, hosts: [a.test], tcp: true, ports: [25], decision: allow, {key}}}")));
        assert!(found[0].ends_with("can't be checked beside `tcp: true`"), "{key}: {found:?}");
    }
}

#[test]
fn declarations_of_several_files_do_not_contradict_each_other() {
    let rule = policy("- {name: r, hosts: [a.test], decision: allow}");
    let one = "regions: {eu: ['*.eu.test', x.test], us: [x.test]}\ntools: [{name: pay, hosts: [a.test]}, {name: pay, hosts: [b.test]}]";
    let two =
        "regions: {eu: [y.test], asia: ['*.eu.test', 'no host']}\ntools: [{name: pay, hosts: [c.test]}, {name: t}]";
    let result = compile(&[source("p.yaml", &rule), source("one.yaml", one), source("two.yaml", two)]);
    let told: Vec<String> = result.unwrap_err().problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "one.yaml:1:43: this is in region `eu` already",
            "two.yaml:1:11: region `eu` is declared in one.yaml too",
            "two.yaml:1:32: this is in region `eu` already",
            "two.yaml:1:45: `no host` is neither a host name, an address nor a network",
            "two.yaml:2:16: tool `pay` is declared in one.yaml too",
            "two.yaml:2:39: `hosts` is missing",
        ]
    );
}

#[test]
fn a_slip_of_the_pen_is_put_right() {
    let help = |text: &str| problems(text).problems()[0].help.clone().unwrap_or_default();
    let rule = |rest: &str| policy(&format!("- {{name: r, hosts: [a.test], {rest}}}"));
    assert!(help(&rule("decision: allow, scope: [x]")).starts_with("did you mean `scopes`? known here: "));
    assert!(help(&rule("decision: alow")).starts_with("did you mean `allow`? one of: "));
    assert!(help(&rule("decision: permit")).starts_with("one of: "));
    assert_eq!(
        help(&rule("decision: allow, when: {days: [mon], timezone: Europe/Berlim}")),
        "did you mean `Europe/Berlin`?"
    );
    let regions = format!("regions: {{europe: [a.test]}}\n{}", rule("decision: allow, regions: [eurpoe]"));
    assert_eq!(help(&regions), "did you mean `europe`? declared are: europe");
    assert!(
        help(&rule("decision: allow, body: [{path: a, op: start_with, value: x}]"))
            .starts_with("did you mean `starts_with`?")
    );
}

#[test]
fn names_are_unique_over_all_files() {
    let text = policy("- {name: r, hosts: [a.test], decision: allow}");
    let result = compile(&[source("one.yaml", &text), source("two.yaml", &text)]);
    let told: Vec<String> = result.unwrap_err().problems().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["two.yaml:3:11: a second policy `p`"]);
}

#[test]
fn what_is_no_document_is_refused() {
    for (text, place) in [
        ("", "p.yaml:1:1"),
        ("policies: [", "p.yaml:"),
        ("policies: []\n---\npolicies: []", "p.yaml:"),
        ("just text", "p.yaml:1:1"),
        ("policies: !tag []", "p.yaml:1:11"),
        ("policies: {a: *nowhere}", "p.yaml:"),
        ("a: &a\n  <<: *a", "p.yaml:"),
        ("1: 2\npolicies: []", "p.yaml:"),
        (
            "policies: [{name: p, agents: [a], rules: [{name: r, hosts: [a.test], decision: allow, priority: .inf}]}]",
            "p.yaml:",
        ),
    ] {
        let told = told(text);
        assert!(!told.is_empty() && told[0].starts_with(place), "{text:?}: {told:?}");
    }
}

#[test]
fn the_caret_stands_under_the_value() {
    let text = policy("- {name: r, hosts: [a.test, \"bad host\"], decision: allow}");
    let mut shown = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
    handler.render_report(&mut shown, &problems(&text)).unwrap();
    let expected = "   ,-[p.yaml:6:35]
 5 |     rules:
 6 |       - {name: r, hosts: [a.test, \"bad host\"], decision: allow}
   :                                   ^^^^^|^^^^
   :                                        `-- not a host pattern
   `----
";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn json_is_yaml_too() {
    let text = r#"{"version": "v1", "policies": [{"name": "p", "agents": ["a"], "rules": [
        {"name": "r", "hosts": ["a.test"], "decision": "allow"}]}]}"#;
    assert_eq!(compile(&[source("p.json", text)]).unwrap().rules(), 1);
    let twice = r#"{"policies": [], "policies": [{"name": "p"}]}"#;
    assert!(told(twice).iter().any(|line| line.contains("`policies` stands twice")));
}

#[test]
fn versions() {
    let file = |name: &str, version: &str| {
        source(
            name,
            &format!(
                "{version}policies:\n  - {{name: {name}, agents: [a], rules: [{{name: r, hosts: [a.test], decision: allow}}]}}"
            ),
        )
    };
    let version = |sources: &[aegis_policy::Source]| compile(sources).unwrap().version().to_owned();
    assert_eq!(version(&[file("one", "version: v1\n"), file("two", "version: v2\n")]), "v1+v2");
    assert_eq!(version(&[file("one", "version: v1\n"), file("two", "version: v1\n")]), "v1");
    let unnamed = version(&[file("one", "")]);
    assert!(unnamed.starts_with("sha256:"), "{unnamed}");
    assert_ne!(unnamed, version(&[file("two", "")]));
}

#[test]
fn nothing_configured_allows_nothing() {
    let snapshot = compile(&[]).unwrap();
    assert_eq!(common::line(&common::ask("GET https://a.test/").decide(&snapshot)), "deny");
}
