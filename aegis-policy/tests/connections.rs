//! Connections and names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aegis_policy::{Agent, Connect, ConnectPlan, Mode, NameVerdict, Snapshot, Sniffed};
use common::{policy, snapshot};

const RULES: &str = "- {name: pass, hosts: [pass.test], tls: passthrough, decision: allow}
- {name: web, hosts: [web.test, 203.0.113.0/24], decision: allow}
- {name: late-pass, hosts: [web.test], tls: passthrough, decision: allow}
- {name: raw, hosts: [198.51.100.0/24, mail.test], ports: [25, 443], tcp: true, decision: allow}
- {name: no-raw, hosts: [192.0.2.1], ports: [25], tcp: true, decision: deny}
- {name: refused, hosts: [refused.test], decision: deny}
- {name: maybe, hosts: [maybe.test], decision: approval_needed}
- {name: local, hosts: [10.0.0.0/8], ports: [5432], tcp: true, private: true, decision: allow}";

fn agent(mode: Mode) -> Agent {
    Agent { name: "a".into(), mode, ..Agent::default() }
}

fn plan(snapshot: &Snapshot, mode: Mode, protocol: Sniffed, host: Option<&str>, to: &str) -> String {
    let connect = Connect { host, destination: to.parse().unwrap(), protocol };
    let told = |word: &str, permit: aegis_policy::Permit| {
        let shadow = if permit.mode() == Mode::Shadow { "shadow " } else { "" };
        format!("{shadow}{word} {}:{}", permit.host(), permit.port())
    };
    match snapshot.connect(&agent(mode), &connect) {
        ConnectPlan::Inspect => "inspect".into(),
        ConnectPlan::Passthrough(permit) => told("passthrough", permit),
        ConnectPlan::Tcp(permit) => told("tcp", permit),
        ConnectPlan::Deny(denial) => {
            assert!(!denial.reason.is_empty());
            "deny".into()
        }
    }
}

#[test]
fn what_becomes_of_a_connection() {
    let snapshot = snapshot(&policy(RULES));
    use Sniffed::{Http, Other, Tls};
    for (protocol, host, to, expected) in [
        (Tls, Some("pass.test"), "1.2.3.4:443", "passthrough pass.test:443"),
        (Tls, Some("PASS.test."), "1.2.3.4:443", "passthrough pass.test:443"),
        (Tls, Some("pass.test"), "1.2.3.4:8443", "inspect"),
        (Tls, Some("web.test"), "1.2.3.4:443", "inspect"),
        (Tls, Some("unknown.test"), "1.2.3.4:443", "inspect"),
        (Tls, Some("no host"), "1.2.3.4:443", "deny"),
        (Tls, None, "1.2.3.4:443", "deny"),
        (Tls, None, "203.0.113.9:443", "inspect"),
        (Tls, None, "[::ffff:203.0.113.9]:443", "inspect"),
        (Tls, None, "198.51.100.1:443", "tcp 198.51.100.1:443"),
        (Tls, Some("unknown.test"), "198.51.100.1:443", "tcp 198.51.100.1:443"),
        (Http, None, "1.2.3.4:80", "inspect"),
        (Other, None, "198.51.100.1:25", "tcp 198.51.100.1:25"),
        (Other, None, "198.51.100.1:26", "deny"),
        (Other, None, "192.0.2.1:25", "deny"),
        (Other, None, "203.0.113.9:443", "deny"),
        (Other, None, "10.1.2.3:5432", "tcp 10.1.2.3:5432"),
        (Other, Some("mail.test"), "1.2.3.4:25", "tcp mail.test:25"),
        (Other, Some("web.test"), "1.2.3.4:443", "deny"),
    ] {
        let got = plan(&snapshot, Mode::Enforce, protocol, host, to);
        assert_eq!(got, expected, "{protocol:?} {host:?} {to}");
    }
    assert_eq!(plan(&snapshot, Mode::Shadow, Other, None, "1.2.3.4:9"), "shadow tcp 1.2.3.4:9");
    assert_eq!(plan(&snapshot, Mode::Shadow, Other, None, "192.0.2.1:25"), "shadow tcp 192.0.2.1:25");
    assert_eq!(plan(&snapshot, Mode::Shadow, Tls, None, "1.2.3.4:443"), "inspect");
}

/// What a `tcp` rule lets pass unread may be the very request that a rule before it refuses.
#[test]
fn a_tcp_rule_does_not_get_past_a_refusal_before_it() {
    let raw = "- {name: raw, hosts: [198.51.100.0/24, mail.test], ports: [25, 443], tcp: true, decision: allow}";
    let first = |rule: &str| format!("- {{name: first, {rule}}}\n{raw}");
    use Sniffed::{Other, Tls};
    for (rules, expected) in [
        (raw.to_owned(), true),
        (first("hosts: [198.51.100.7], ports: [25, 443], decision: deny"), false),
        (first("hosts: [198.51.100.7], ports: [25, 443], decision: approval_needed"), false),
        (first("hosts: [198.51.100.7], ports: [25, 443], methods: [POST], paths: [/x], decision: deny"), false),
        (first("hosts: [198.51.100.7], ports: [25, 443], tls: passthrough, decision: deny"), false),
        (first("hosts: [198.51.100.7], ports: [80], decision: deny"), true),
        (first("hosts: [198.51.100.8], ports: [25, 443], decision: deny"), true),
        (first("hosts: ['*'], ports: [25, 443], decision: deny"), true),
        (first("hosts: [198.51.100.7], ports: [25, 443], mode: shadow, decision: deny"), true),
        (format!("{raw}\n- {{name: late, hosts: [198.51.100.7], ports: [25, 443], decision: deny}}"), true),
    ] {
        let snapshot = snapshot(&policy(&rules));
        let told = |protocol, host, to| plan(&snapshot, Mode::Enforce, protocol, host, to);
        let to_port = |port| if expected { format!("tcp 198.51.100.7:{port}") } else { "deny".to_owned() };
        assert_eq!(told(Other, None, "198.51.100.7:25"), to_port(25), "{rules}");
        if !rules.contains("'*'") {
            assert_eq!(told(Tls, Some("other.test"), "198.51.100.7:443"), to_port(443), "{rules}");
        }
        assert_eq!(told(Other, None, "198.51.100.1:25"), "tcp 198.51.100.1:25", "{rules}");
    }
    let named = snapshot(&policy(&format!("- {{name: no, hosts: [mail.test], ports: [25], decision: deny}}\n{raw}")));
    assert_eq!(plan(&named, Mode::Enforce, Other, Some("mail.test"), "1.2.3.4:25"), "deny");
    // Tried out, it lets nothing pass that no rule is for.
    let tried = "- {name: no, hosts: [192.0.2.1], ports: [25], mode: shadow, decision: deny}\n- {name: x, hosts: [x.test], decision: allow}";
    assert_eq!(plan(&snapshot(&policy(tried)), Mode::Enforce, Other, None, "192.0.2.1:25"), "deny");
}

#[test]
fn a_passthrough_rule_is_not_for_requests() {
    common::check(RULES, common::ask("GET http://pass.test:443/"), "deny");
    common::check(RULES, common::ask("GET http://198.51.100.1:25/"), "deny");
    let snapshot = snapshot(&policy(RULES));
    let (_, complete) = snapshot.rego().next().unwrap();
    assert!(complete.contains("p/web") && !complete.contains("p/pass") && !complete.contains("p/raw"));
}

#[test]
fn only_names_that_a_rule_could_answer_are_resolved() {
    let snapshot = snapshot(&policy(RULES));
    let resolves = |mode, name: &str| matches!(snapshot.name(&agent(mode), name), NameVerdict::Resolve);
    for (name, expected) in [
        ("web.test", true),
        ("WEB.test.", true),
        ("pass.test", true),
        ("mail.test", true),
        ("maybe.test", true),
        ("refused.test", false),
        ("unknown.test", false),
        ("c2VjcmV0.web.test", false),
        ("203.0.113.9", false),
        ("", false),
        ("a b", false),
    ] {
        assert_eq!(resolves(Mode::Enforce, name), expected, "{name}");
    }
    assert!(resolves(Mode::Shadow, "unknown.test"));
    assert!(!resolves(Mode::Shadow, "a b"));
}

#[test]
fn a_wildcard_does_not_let_out_names_below_a_denied_domain() {
    let rules = "- {name: no, hosts: ['*.evil.test'], decision: deny}
- {name: posts, hosts: ['*.half.test'], methods: [POST], decision: deny}
- {name: all, hosts: ['*'], decision: allow}";
    let snapshot = snapshot(&policy(rules));
    let resolves = |name: &str| matches!(snapshot.name(&agent(Mode::Enforce), name), NameVerdict::Resolve);
    assert!(!resolves("c2VjcmV0.evil.test"));
    assert!(resolves("x.half.test") && resolves("evil.test") && resolves("other.test"));
}

#[test]
fn what_a_wildcard_stands_for_is_the_agents_choice() {
    let rules = "- {name: one, hosts: [api.web.test, '*.web.test'], decision: allow}
- {name: deep, hosts: ['*.eu.web.test'], decision: allow}";
    let any = "- {name: any, hosts: [api.test, '*'], decision: allow}";
    for (rules, name, chosen) in [
        (rules, "api.web.test", ""),
        (rules, "API.web.test.", ""),
        (rules, "x.api.web.test", "x.api"),
        (rules, "x.web.test", "x"),
        (rules, "a.b.eu.web.test", "a.b"),
        (rules, "eu.web.test", "eu"),
        (rules, "web.test", "web.test"),
        (any, "api.test", ""),
        (any, "x.test", "x.test"),
        (any, "192.0.2.1", ""),
    ] {
        let snapshot = snapshot(&policy(rules));
        assert_eq!(snapshot.chosen(&agent(Mode::Enforce), name), chosen.len(), "{name}");
        assert_eq!(snapshot.chosen(&agent(Mode::Shadow), name), 0, "{name}");
    }
}
