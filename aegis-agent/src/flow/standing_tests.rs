#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aegis_policy::{Sniffed, Source};

use super::*;

const BEFORE: &str = r#"
version: v1
policies:
  - name: p
    agents: ["*"]
    rules:
      - {name: relayed, hosts: [relayed.test], tls: passthrough, decision: allow}
      - {name: raw, hosts: [192.0.2.7], ports: [2525], tcp: true, private: true, decision: allow}
      - {name: small, hosts: [pay.test], body: [{path: amount, op: "<=", value: 5}], decision: allow}
      - {name: api, hosts: [api.test], decision: allow}
"#;

fn snapshot(text: &str) -> Snapshot {
    aegis_policy::compile(&[Source { name: "p.yaml".into(), text: text.into() }]).unwrap()
}

fn agent() -> Agent {
    Agent { name: "a".into(), ..Agent::default() }
}

fn relayed(
    sni: Option<&str>,
    destination: &str,
    protocol: Sniffed,
    host: &str,
    port: u16,
    private_ok: bool,
) -> Subject {
    let (destination, sni) = (destination.parse().unwrap(), sni.map(str::to_owned));
    Subject::Relay(Relayed { sni, destination, protocol, host: host.into(), port, private_ok })
}

/// Of a request whose body is gone, all that can still be asked is.
#[test]
fn what_a_body_let_through_still_needs_a_rule_for_its_head() {
    let rule = |more: &str| {
        format!(
            "{{name: r, hosts: [pay.test, 198.51.100.0/24], body: [{{path: a, op: exists}}], decision: allow{more}}}"
        )
    };
    let policy = |rules: &[String]| {
        let rules: String = rules.iter().map(|rule| format!("      - {rule}\n")).collect();
        format!("version: v2\npolicies:\n  - name: p\n    agents: [\"*\"]\n    rules:\n{rules}")
    };
    let stands = |rules: &[String], host: &str, private: bool| {
        let asked = asked(host, "/v1", &[], Granted { private_ok: private, ..Granted::default() });
        asked.allowed_by(&snapshot(&policy(rules)), &agent()).is_ok()
    };
    let deny = || "{name: d, hosts: [pay.test, 198.51.100.7], decision: deny}".to_owned();
    let late =
        || "{name: l, hosts: [pay.test], private: true, body: [{path: b, op: exists}], decision: allow}".to_owned();
    for (what, rules, private, expected) in [
        ("as it was", vec![rule("")], false, true),
        ("private withdrawn", vec![rule("")], true, false),
        ("private still there", vec![rule(", private: true")], true, true),
        ("a refusal behind it", vec![rule(""), deny()], false, true),
        ("a refusal before it", vec![deny(), rule("")], false, false),
        ("another path", vec![rule(", paths: [/v2]")], false, false),
        ("another method", vec![rule(", methods: [GET]")], false, false),
        ("another port", vec![rule(", ports: [8443]")], false, false),
        ("a scope that the agent has not", vec![rule(", scopes: [pay]")], false, false),
        ("only tried out", vec![rule(", mode: shadow")], false, true),
        ("tried out before a refusal", vec![rule(", mode: shadow"), deny()], false, false),
        ("private by a later rule", vec![rule(""), late()], true, true),
    ] {
        assert_eq!(stands(&rules, "pay.test", private), expected, "{what}");
        if what != "private by a later rule" {
            assert_eq!(stands(&rules, "198.51.100.7", private), expected, "{what}, by its address");
        }
    }
}

fn asked(host: &str, path: &str, calls: &[&str], granted: Granted) -> Asked {
    let head = Head {
        method: http::Method::POST,
        scheme: "https",
        host: host.into(),
        port: 443,
        path: path.into(),
        query: None,
        headers: http::HeaderMap::new(),
        token: None,
        grpc: false,
        websocket: None,
    };
    let called = Called { names: calls.iter().map(|name| (*name).to_owned()).collect(), in_doubt: false };
    let (sending, answering) = (true.into(), true.into());
    let began = Instant::now().checked_sub(BRIEF).unwrap();
    Asked { head: Arc::new(head), called: vec![called], usage: Usage::default(), granted, began, sending, answering }
}

fn request(host: &str, path: &str) -> Subject {
    Subject::Request(Box::new(asked(host, path, &[], Granted::default())))
}

/// The terms on which `policy` lets a call of `tool` through.
fn granted(policy: &str, tool: &str) -> Granted {
    let subject = asked("api.test", "/v1", &[tool], Granted::default());
    let (agent, policy) = (agent(), snapshot(policy));
    let intent = decide::intent(&agent, &subject.head, Moment::now());
    let body = serde_json::json!({"a": 1});
    let content = Content { json: aegis_policy::JsonBody::Value(&body), findings: &[] };
    match tools::ask(&policy, &intent, &subject.called[0], &content) {
        Verdict::Permit(permit) => Granted::of(&permit),
        Verdict::Denial(denial) => panic!("{denial:?}"),
    }
}

/// What flows is looked through as its permit said: where more is asked, or something else, it ends.
#[test]
fn a_policy_that_asks_for_more_ends_what_flows() {
    let policy = |rules: &[&str]| {
        let rules: String = rules.iter().map(|rule| format!("      - {{hosts: [api.test], {rule}}}\n")).collect();
        format!("version: v\npolicies:\n  - name: p\n    agents: [\"*\"]\n    rules:\n{rules}")
    };
    let (plain, rest) = ("name: r, decision: allow", "name: rest, decision: allow");
    let masked = "name: r, decision: sanitize, dlp: {redact: [pii]}";
    let strict = "name: r, decision: sanitize, dlp: {redact: [pii], deny: [secrets]}";
    let back = "name: r, decision: allow, dlp: {responses: {deny: [secrets]}}";
    let report = "name: r, decision: allow, dlp: {report: [pii]}";
    let by_tool = "name: r, tools: [add], decision: allow";
    let by_tool_strict = "name: r, tools: [add], decision: sanitize, dlp: {redact: [pii], deny: [secrets]}";
    let by_body = "name: r, body: [{path: a, op: exists}], decision: allow";
    let by_body_strict =
        "name: r, body: [{path: a, op: exists}], decision: sanitize, dlp: {redact: [pii], deny: [secrets]}";
    let other_body =
        "name: new, body: [{path: b, op: exists}], decision: sanitize, dlp: {redact: [pii], deny: [secrets]}";
    let pinned = "name: r, tool_changes: deny, decision: allow";
    for (what, before, after, goes_on) in [
        ("as it was", &[plain][..], &[plain][..], true),
        ("the same profile", &[strict], &[strict], true),
        ("looked through from now on", &[plain], &[masked], false),
        ("more is looked for", &[masked], &[strict], false),
        ("less is asked", &[strict], &[plain], true),
        ("the response from now on", &[plain], &[back], false),
        ("only told of", &[plain], &[report], true),
        (
            "in shadow",
            &[plain],
            &["name: r, mode: shadow, decision: sanitize, dlp: {redact: [pii], deny: [secrets]}", rest],
            true,
        ),
        ("a rule for the tool", &[by_tool, rest], &[by_tool_strict, rest], false),
        ("a rule for another tool", &[by_tool, rest], &["name: r, tools: [sub], decision: deny", rest], true),
        ("the tool is refused", &[by_tool], &["name: no, tools: [add], decision: deny", by_tool], false),
        ("a rule for the body, with more behind it", &[by_body, rest], &[by_body_strict, rest], false),
        ("a new rule for another body before it", &[by_body, rest], &[other_body, by_body, rest], true),
        ("definitions are withheld from now on", &[plain], &[pinned], false),
        ("definitions were withheld before", &[pinned], &[pinned], true),
    ] {
        let flowing = asked("api.test", "/v1", &["add"], granted(&policy(before), "add"));
        assert_eq!(flowing.allowed_by(&snapshot(&policy(after)), &agent()).is_ok(), goes_on, "{what}");
    }
}

fn all() -> [Subject; 4] {
    [
        relayed(Some("relayed.test"), "192.0.2.1:443", Sniffed::Tls, "relayed.test", 443, false),
        relayed(None, "192.0.2.7:2525", Sniffed::Other, "192.0.2.7", 2525, true),
        request("pay.test", "/"),
        request("api.test", "/v1"),
    ]
}

/// Which of [`all`] another policy still allows.
fn allowed(policy: &str) -> [bool; 4] {
    let snapshot = snapshot(policy);
    all().map(|subject| subject.allowed_by(&snapshot, &agent()).is_ok())
}

#[test]
fn only_what_the_new_policy_denies_is_cut_off() {
    let without = |rule: &str| BEFORE.lines().filter(|line| !line.contains(rule)).collect::<Vec<_>>().join("\n");
    let table = [
        ("nothing changed", BEFORE.to_owned(), [true; 4]),
        ("another version of the same", BEFORE.replace("v1", "v2"), [true; 4]),
        ("no passthrough to the host", without("name: relayed"), [false, true, true, true]),
        ("inspected from now on", BEFORE.replace("tls: passthrough, ", ""), [false, true, true, true]),
        ("no raw TCP", without("name: raw"), [true, false, true, true]),
        ("no private addresses", BEFORE.replace("private: true, ", ""), [true, false, true, true]),
        ("another port", BEFORE.replace("2525", "2526"), [true, false, true, true]),
        ("the host goes", without("name: small"), [true, true, false, true]),
        // The body is gone; its values had been looked at when it was sent.
        ("a stricter condition on the body", BEFORE.replace("value: 5", "value: 4"), [true; 4]),
        (
            "the path goes",
            BEFORE.replace("hosts: [api.test]", "hosts: [api.test], paths: [/v2]"),
            [true, true, true, false],
        ),
        (
            "approval from now on",
            BEFORE.replace("[api.test], decision: allow", "[api.test], decision: approval_needed"),
            [true, true, true, false],
        ),
        (
            "only tried out",
            BEFORE.replace("[api.test], decision: allow", "[api.test], mode: shadow, decision: deny"),
            [true; 4],
        ),
    ];
    for (what, policy, expected) in table {
        assert_eq!(allowed(&policy), expected, "{what}");
    }
}

#[test]
fn a_scope_that_was_taken_away_is_gone_from_our_tokens_and_only_from_ours() {
    let scopes = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
    let then = Agent { scopes: scopes(&["pay", "read"]), actor: Some("a/child".into()), ..agent() };
    let now = Arc::new(Agent { scopes: scopes(&["read", "more"]), tenant: "t".into(), ..agent() });
    for (words, kept, actor) in [
        (Words::Description, scopes(&["read", "more"]), None),
        (Words::Ours, scopes(&["read"]), Some("a/child")),
        (Words::Outside, scopes(&["pay", "read"]), Some("a/child")),
    ] {
        let described = described(&now, &then, words);
        assert_eq!((&described.scopes, described.actor.as_deref()), (&kept, actor), "{words:?}");
        assert_eq!(described.tenant, "t", "the rest is of now");
    }
}
