//! Conditions on who acts, which tool it is, where data is kept, when, and what was used before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, SystemTime};

use aegis_policy::{Usage, Usd, Used, Verdict};
use common::{Ask, ask, check, line, policy, snapshot, source};

fn get() -> Ask {
    ask("GET https://a.test/")
}

/// Rules of agent `a`, with declarations in front.
fn declared(declarations: &str, rules: &str) -> String {
    format!("{declarations}\n{}", policy(rules))
}

/// An origin may take `[{"a": 1}]` for `{"a": 1}`, and `{"0": 1}` for `[1]`: neither gets past a refusal.
#[test]
fn a_container_of_another_kind_on_the_way_is_in_doubt() {
    for (path, sent) in [
        ("a", r#"[{"a": 9}]"#),
        ("a.b", r#"{"a": [{"b": 9}]}"#),
        ("a.0", r#"{"a": {"0": 9}}"#),
        ("a.*.b", r#"{"a": [[{"b": 9}]]}"#),
        ("a.*.0", r#"{"a": [{"0": 9}]}"#),
    ] {
        let allow = "- {name: open, hosts: [a.test], decision: allow}";
        for test in ["op: \"==\", value: 9", "op: \">\", value: 5", "op: exists, value: true"] {
            let deny =
                format!("- {{name: no, hosts: [a.test], body: [{{path: {path}, {test}}}], decision: deny}}\n{allow}");
            common::check(&deny, common::ask("POST https://a.test/").body(sent), "deny p/no");
        }
        let absent = format!(
            "- {{name: r, hosts: [a.test], body: [{{path: {path}, op: exists, value: false}}], decision: allow}}"
        );
        common::check(&absent, common::ask("POST https://a.test/").body(sent), "deny");
        common::check(&absent, common::ask("POST https://a.test/").body("{}"), "allow p/r");
        let equal =
            format!("- {{name: r, hosts: [a.test], body: [{{path: {path}, op: \"==\", value: 9}}], decision: allow}}");
        common::check(&equal, common::ask("POST https://a.test/").body(sent), "deny");
    }
}

/// As a key it would never be found, and a refusal never met.
#[test]
fn an_index_beyond_the_last_is_refused_and_no_key() {
    let text = |path: &str| {
        policy(&format!("- {{name: r, hosts: [a.test], body: [{{path: {path}, op: exists}}], decision: deny}}"))
    };
    for (path, good) in [("items.65535", true), ("items.65536", false), ("/items/70000", false), ("items.7x", true)] {
        let found = aegis_policy::compile(&[source("p.yaml", &text(path))]);
        assert_eq!(found.is_ok(), good, "{path}");
        assert!(found.err().is_none_or(|found| found.problems()[0].to_string().contains("beyond the 65535 elements")));
    }
}

/// The night of the last date ends on the morning after it, and the morning of the first one belongs to the night before.
#[test]
fn a_window_over_midnight_has_the_dates_on_which_it_begins() {
    let when = |dates: &str| {
        format!(
            "- {{name: r, hosts: [a.test], when: {{hours: \"22:00-06:00\", {dates}, timezone: Europe/Berlin}}, decision: allow}}"
        )
    };
    for (at, expected) in [
        ("2026-12-24T02:00:00Z", "deny"),
        ("2026-12-24T22:00:00Z", "allow p/r"),
        ("2026-12-25T02:00:00Z", "allow p/r"),
        ("2026-12-25T05:00:00Z", "deny"),
        ("2026-12-25T22:00:00Z", "deny"),
    ] {
        let request = || common::ask("GET https://a.test/").at(at);
        common::check(&when("from: 2026-12-24, until: 2026-12-24"), request(), expected);
    }
}

#[test]
fn scopes_are_needed_all_or_any() {
    let all = "- {name: r, hosts: [a.test], scopes: [pay, read], decision: allow}";
    check(all, get().scopes(&["read", "pay", "x"]), "allow p/r");
    check(all, get().scopes(&["read"]), "deny");
    check(all, get(), "deny");
    check(all, get().scopes(&["read pay"]), "deny");
    let any = "- {name: r, hosts: [a.test], any_scope: [pay, read], decision: allow}";
    check(any, get().scopes(&["read"]), "allow p/r");
    check(any, get().scopes(&["readx", "Pay"]), "deny");
    let both = "- {name: r, hosts: [a.test], scopes: [x], any_scope: [pay, read], decision: allow}";
    check(both, get().scopes(&["x", "pay"]), "allow p/r");
    check(both, get().scopes(&["x"]), "deny");
    let refused = "- {name: no, hosts: [a.test], scopes: [test], decision: deny}
- {name: r, hosts: [a.test], decision: allow}";
    check(refused, get().scopes(&["test"]), "deny p/no");
    check(refused, get(), "allow p/r");
}

#[test]
fn a_rule_for_actors_is_for_these_sub_agents_only() {
    let rules = "- {name: child, hosts: [a.test], actors: ['a/search', 'a/*/reader'], decision: deny}
- {name: r, hosts: [a.test], decision: allow}";
    check(rules, get().acting("a/search"), "deny p/child");
    check(rules, get().acting("a/x/reader"), "deny p/child");
    check(rules, get().acting("a/search/x"), "allow p/r");
    check(rules, get(), "allow p/r");
}

#[test]
fn a_rule_narrows_its_policy() {
    let text = "policies:
  - name: p
    agents: ['*']
    rules:
      - {name: fin, hosts: [a.test], agents: ['fin-*', boss], decision: allow}
      - {name: acme, hosts: [b.test], tenants: [acme], decision: allow}
      - {name: all, hosts: [c.test], decision: allow}";
    let snapshot = snapshot(text);
    let decide = |host: &str, agent: &str, tenant: &str| {
        let mut request = ask(&format!("GET https://{host}/")).by(agent);
        request.agent.tenant = tenant.into();
        line(&request.decide(&snapshot))
    };
    for _ in 0..2 {
        assert_eq!(decide("a.test", "fin-1", ""), "allow p/fin");
        assert_eq!(decide("a.test", "boss", "x"), "allow p/fin");
        assert_eq!(decide("a.test", "ops", ""), "deny");
        assert_eq!(decide("b.test", "ops", "acme"), "allow p/acme");
        assert_eq!(decide("b.test", "ops", "other"), "deny");
        assert_eq!(decide("c.test", "ops", ""), "allow p/all");
    }
    let names = |agent: &str| {
        let agent = aegis_policy::Agent { name: agent.into(), ..Default::default() };
        matches!(snapshot.name(&agent, "a.test"), aegis_policy::NameVerdict::Resolve)
    };
    assert!(names("fin-1") && !names("ops"), "a name is resolved only for whom a rule is there");
}

const TOOLS: &str = "tools:
  - {name: charges, hosts: [pay.test], methods: [POST], paths: ['/v1/charges']}
  - {name: refunds, hosts: [pay.test], paths: ['/v1/refunds/**']}
  - {name: pay, hosts: ['*.pay.test', pay.test]}
  - {name: nets, hosts: [203.0.113.0/24]}
";

#[test]
fn a_tool_is_named_by_its_place_the_first_entry_that_fits() {
    let rules = "- {name: charges, hosts: ['*', 203.0.113.0/24], tools: [charges], decision: allow}
- {name: other, hosts: ['*', 203.0.113.0/24], tools: ['ref*', pay], methods: [GET], decision: allow}
- {name: nets, hosts: [203.0.113.0/24], tools: [nets], decision: allow}";
    let text = declared(TOOLS, rules);
    let snapshot = snapshot(&text);
    for (request, expected) in [
        ("POST https://pay.test/v1/charges", "allow p/charges"),
        ("GET https://pay.test/v1/charges", "allow p/other"),
        ("GET https://pay.test/v1/refunds/7", "allow p/other"),
        ("POST https://pay.test/v1/refunds/7", "deny"),
        ("GET https://x.pay.test/", "allow p/other"),
        ("GET https://other.test/", "deny"),
        ("GET https://203.0.113.5/", "allow p/nets"),
        ("POST https://pay.test/v1/../v1/charges", "deny"),
    ] {
        assert_eq!(line(&ask(request).decide(&snapshot)), expected, "{request}");
    }
}

#[test]
fn the_record_names_the_declared_tool_unless_the_rule_does() {
    let rules = "- {name: own, hosts: [pay.test], paths: [/own], tool: mine, decision: allow}
- {name: no, hosts: [pay.test], paths: [/no], decision: deny}
- {name: r, hosts: [pay.test], methods: [GET], decision: allow}";
    let snapshot = snapshot(&declared(TOOLS, rules));
    let tool = |request: &str| match ask(request).decide(&snapshot) {
        Verdict::Permit(permit) => permit.tool().map(str::to_owned),
        Verdict::Denial(denial) => denial.tool,
    };
    assert_eq!(tool("GET https://pay.test/own").as_deref(), Some("mine"));
    assert_eq!(tool("GET https://pay.test/v1/refunds/1").as_deref(), Some("refunds"));
    assert_eq!(tool("GET https://pay.test/no").as_deref(), Some("pay"));
    assert_eq!(tool("POST https://pay.test/v1/charges").as_deref(), Some("charges"), "what no rule names too");
    assert_eq!(tool("GET https://pay.test/v1/../x"), None, "a doubtful name is none");
}

#[test]
fn a_protocols_own_name_and_the_declared_one_must_both_be_allowed() {
    let rules = "- {name: no, hosts: [pay.test], tools: ['delete_*'], decision: deny}
- {name: r, hosts: [pay.test, bare.test], tools: [charges, 'create_*'], decision: allow}";
    let text = declared(TOOLS, rules);
    let snapshot = snapshot(&text);
    let post = |host: &str| ask(&format!("POST https://{host}/v1/charges"));
    for (request, expected) in [
        (post("pay.test"), "allow p/r"),
        (post("pay.test").calling("create_charge"), "allow p/r"),
        (post("pay.test").calling("list"), "deny"),
        (post("pay.test").calling("delete_all"), "deny p/no"),
        (post("bare.test").calling("create_charge"), "allow p/r"),
        (post("bare.test").calling("charges"), "allow p/r"),
        (post("bare.test"), "deny"),
        (ask("POST https://pay.test/x/../v1/charges").calling("create_charge"), "deny p/no"),
    ] {
        assert_eq!(line(&request.decide(&snapshot)), expected, "{request:?}");
    }
}

#[test]
fn a_region_is_where_the_closest_declaration_says_and_nowhere_is_doubt() {
    let regions = "regions:
  eu: ['*.eu.test', 203.0.113.0/24]
  us: ['*.test']";
    let rules = "- {name: eu, hosts: ['*', 203.0.0.0/16], methods: [GET], regions: [eu], decision: allow}
- {name: us, hosts: ['*', 203.0.0.0/16], methods: [PUT], regions: [us], decision: deny}
- {name: rest, hosts: ['*', 203.0.0.0/16], methods: [PUT], decision: allow}";
    let snapshot = snapshot(&declared(regions, rules));
    for (request, expected) in [
        ("GET https://a.eu.test/", "allow p/eu"),
        ("GET https://a.us.test/", "deny"),
        ("GET https://203.0.113.9/", "allow p/eu"),
        ("GET https://203.0.7.9/", "deny"),
        ("GET https://elsewhere.example/", "deny"),
        ("PUT https://a.eu.test/", "allow p/rest"),
        ("PUT https://a.us.test/", "deny p/us"),
        ("PUT https://elsewhere.example/", "deny p/us"),
    ] {
        assert_eq!(line(&ask(request).decide(&snapshot)), expected, "{request}");
    }
    let Verdict::Permit(permit) = ask("GET https://a.eu.test/").decide(&snapshot) else { panic!("denied") };
    assert_eq!(permit.region(), Some("eu"));
    assert_eq!(permit.consume().region.as_deref(), Some("eu"));
}

#[test]
fn files_share_what_they_declare() {
    let rules = policy("- {name: r, hosts: ['*'], regions: [eu], tools: [pay], decision: allow}");
    let files = [
        source("a-rules.yaml", &rules),
        source("b-regions.yaml", "regions: {eu: ['*.pay.test']}"),
        source("c-tools.json", r#"{"tools": [{"name": "pay", "hosts": ["*.pay.test"]}]}"#),
    ];
    let snapshot = aegis_policy::compile(&files).unwrap();
    assert_eq!(line(&ask("GET https://x.pay.test/").decide(&snapshot)), "allow p/r");
}

/// 2026-11-23 is a Monday.
#[test]
fn a_window_opens_by_the_clock_on_the_wall() {
    let rules = "- name: r
  hosts: [a.test]
  when: {days: [mon-fri], hours: '08:00-18:00', timezone: Europe/Berlin}
  decision: allow";
    for (instant, expected) in [
        ("2026-11-23T06:59:59Z", "deny"),
        ("2026-11-23T07:00:00Z", "allow p/r"),
        ("2026-11-23T16:59:59Z", "allow p/r"),
        ("2026-11-23T17:00:00Z", "deny"),
        ("2026-11-22T10:00:00Z", "deny"),
        // In summer Berlin is two hours ahead of UTC.
        ("2026-07-06T06:00:00Z", "allow p/r"),
        ("2026-07-06T05:59:59Z", "deny"),
        ("2026-07-06T16:00:00Z", "deny"),
    ] {
        check(rules, get().at(instant), expected);
    }
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
    let rules = "- {name: r, hosts: [a.test], when: {days: [fri, sun], hours: '22:00-06:00'}, decision: allow}";
    for (instant, expected) in [
        ("2026-11-27T21:59:00Z", "deny"),
        ("2026-11-27T22:00:00Z", "allow p/r"),
        ("2026-11-28T05:59:59Z", "allow p/r"),
        ("2026-11-28T06:00:00Z", "deny"),
        ("2026-11-28T22:00:00Z", "deny"),
        ("2026-11-29T05:00:00Z", "deny"),
        ("2026-11-29T23:00:00Z", "allow p/r"),
        ("2026-11-30T05:00:00Z", "allow p/r"),
        ("2026-11-27T05:00:00Z", "deny"),
    ] {
        check(rules, get().at(instant), expected);
    }
}

/// In Berlin the clocks skip 02:00 to 03:00 on 2026-03-29 and show 02:00 to 03:00 twice on 2026-10-25.
#[test]
fn an_hour_that_is_skipped_never_comes_and_one_that_is_repeated_comes_twice() {
    let rules = "- {name: r, hosts: [a.test], when: {hours: '02:00-03:00', timezone: Europe/Berlin}, decision: allow}";
    for (instant, expected) in [
        ("2026-03-29T00:59:59Z", "deny"),
        ("2026-03-29T01:00:00Z", "deny"),
        ("2026-03-30T00:30:00Z", "allow p/r"),
        ("2026-10-24T23:59:59Z", "deny"),
        ("2026-10-25T00:30:00Z", "allow p/r"),
        ("2026-10-25T01:30:00Z", "allow p/r"),
        ("2026-10-25T02:00:00Z", "deny"),
    ] {
        check(rules, get().at(instant), expected);
    }
}

#[test]
fn dates_are_whole_days_in_the_windows_zone() {
    let rules = "- {name: r, hosts: [a.test], when: {from: 2026-12-01, until: 2026-12-24, timezone: Asia/Tokyo}, decision: allow}";
    for (instant, expected) in [
        ("2026-11-30T14:59:59Z", "deny"),
        ("2026-11-30T15:00:00Z", "allow p/r"),
        ("2026-12-24T14:59:59Z", "allow p/r"),
        ("2026-12-24T15:00:00Z", "deny"),
    ] {
        check(rules, get().at(instant), expected);
    }
}

#[test]
fn one_of_several_windows_is_enough_and_a_clock_without_a_date_helps_nobody() {
    let rules = "- {name: no, hosts: [a.test], methods: [PUT], when: {days: [sun]}, decision: deny}
- {name: rest, hosts: [a.test], methods: [PUT], decision: allow}
- {name: r, hosts: [a.test], when: [{days: [mon], hours: '08:00-09:00'}, {days: [tue-wed], hours: '10:00-24:00'}], decision: allow}";
    check(rules, get().at("2026-11-23T08:30:00Z"), "allow p/r");
    check(rules, get().at("2026-11-24T08:30:00Z"), "deny");
    check(rules, get().at("2026-11-25T23:59:59Z"), "allow p/r");
    check(rules, get().at("2026-11-26T00:00:00Z"), "deny");
    let put = || ask("PUT https://a.test/");
    check(rules, put().at("2026-11-23T08:30:00Z"), "allow p/rest");
    let mut lost = put();
    lost.now = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 50);
    check(rules, lost.clone(), "deny p/no");
    lost.method = "GET".into();
    check(rules, lost, "deny");
}

#[test]
fn usage_is_compared_exactly() {
    let rules = "- name: r
  hosts: [a.test]
  usage:
    - {of: requests, per: minute, op: '<', value: 60}
    - {of: bytes_out, per: hour, op: '<=', value: 9007199254740993}
    - {of: cost_usd, per: day, op: '<=', value: 0.3}
  decision: allow
- {name: burst, hosts: [a.test], usage: [{of: requests, per: day, op: '>=', value: 1000}], decision: approval_needed}";
    let usage = |requests: u64, bytes: u64, micros: u64| {
        let minute = Used { requests, ..Used::default() };
        let hour = Used { requests, bytes_out: bytes, ..Used::default() };
        let day = Used { requests, cost_usd: Usd::from_micros(micros), ..Used::default() };
        Usage { minute, hour, day }
    };
    check(rules, get().used(usage(59, 9_007_199_254_740_993, 300_000)), "allow p/r");
    check(rules, get().used(usage(60, 0, 0)), "deny");
    check(rules, get().used(usage(0, 9_007_199_254_740_994, 0)), "deny");
    check(rules, get().used(usage(0, 0, 300_001)), "deny");
    check(rules, get().used(usage(1000, 0, 0)), "approval_needed p/burst");
}

#[test]
fn usage_is_asked_for_only_where_a_rule_for_the_request_reads_it() {
    let rules = "- {name: counted, hosts: [a.test], methods: [PUT], usage: [{of: requests, per: minute, op: '<', value: 1}], decision: allow}
- {name: r, hosts: [a.test, b.test], decision: allow}";
    let snapshot = snapshot(&policy(rules));
    let needs = |line: &str| ask(line).with(|intent, _| snapshot.needs(intent).usage);
    assert!(needs("PUT https://a.test/"));
    assert!(!needs("GET https://a.test/") && !needs("PUT https://b.test/"));
}

#[test]
fn explain_tells_what_was_seen() {
    let text = declared(
        "regions: {eu: ['*.eu.test']}\ntools: [{name: pay, hosts: ['*.eu.test']}]",
        "- {name: r, hosts: ['*.eu.test'], scopes: [pay], actors: ['a/*'], regions: [eu], tools: ['p*'], decision: allow,
   when: {days: [mon], hours: '08:00-09:00', timezone: Europe/Berlin},
   usage: [{of: cost_usd, per: day, op: '<', value: 0.5}], body: [{path: items.*.n, op: '<', value: 3}]}",
    );
    let request = ask("POST https://x.eu.test/")
        .scopes(&["pay"])
        .acting("a/b")
        .at("2026-11-23T07:30:00Z")
        .body(r#"{"items": [{"n": 1}, {"n": 5}]}"#);
    let told = request.with(|intent, content| snapshot(&text).explain(intent, content));
    let lines: Vec<String> = told.candidates[0]
        .conditions
        .iter()
        .map(|one| {
            format!(
                "{} {}: {}",
                if one.holds { "yes" } else { "no" },
                one.condition,
                one.value.as_deref().unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "yes port in [80,443]: 443",
            "yes scopes pay: [\"pay\"]",
            "yes actor in a/*: a/b",
            "yes region in eu: eu",
            "yes tool in p*: {\"declared\":\"pay\"}",
            "yes when mon 08:00-09:00 Europe/Berlin: {\"minute\":510,\"weekday\":1}",
            "yes cost_usd a day < 0.5: 0",
            "no body /items/*/n < 3: [1,5]",
        ]
    );
}
