//! What a permit carries beside yes, and what policies say of tokens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aegis_policy::{Agent, FailMode, Handling, OnSigned, OnTheft, Replay, TokenRules, ToolChanges, Verdict};
use common::{ask, line, policy, snapshot};

fn fail_mode(rules: &str, line: &str) -> FailMode {
    match ask(line).decide(&snapshot(&policy(rules))) {
        Verdict::Permit(permit) => permit.fail_mode(),
        Verdict::Denial(denial) => panic!("{denial:?}"),
    }
}

#[test]
fn a_rule_fails_closed_unless_it_says_open() {
    let rules = "- {name: open, hosts: [open.test], fail_mode: open, decision: allow}
- {name: closed, hosts: [closed.test], fail_mode: closed, decision: allow}
- {name: silent, hosts: [silent.test], decision: allow}";
    assert_eq!(fail_mode(rules, "GET https://open.test/"), FailMode::Open);
    assert_eq!(fail_mode(rules, "GET https://closed.test/"), FailMode::Closed);
    assert_eq!(fail_mode(rules, "GET https://silent.test/"), FailMode::Closed);
}

#[test]
fn a_rule_in_shadow_never_opens_what_an_enforced_one_closes() {
    let rules = "- {name: trial, hosts: [a.test], mode: shadow, fail_mode: open, decision: allow}
- {name: real, hosts: [a.test], decision: allow}";
    assert_eq!(fail_mode(rules, "GET https://a.test/"), FailMode::Closed);
}

#[test]
fn the_strictest_policy_for_an_agent_says_what_holds_of_its_tokens() {
    let rule = "rules: [{name: r, hosts: [a.test], decision: allow}]";
    let text = format!(
        "policies:
  - {{name: once, agents: [once, both], tokens: {{replay: single_use}}, {rule}}}
  - {{name: hard, agents: [hard, both], tokens: {{on_theft: revoke, replay: bound}}, {rule}}}
  - {{name: all, agents: ['*'], {rule}}}"
    );
    let snapshot = snapshot(&text);
    let rules = |name: &str| snapshot.token_rules(&Agent { name: name.into(), ..Agent::default() });
    let expected = |replay, on_theft| TokenRules { replay, on_theft };
    assert_eq!(rules("once"), expected(Replay::SingleUse, OnTheft::Refuse));
    assert_eq!(rules("hard"), expected(Replay::Bound, OnTheft::Revoke));
    assert_eq!(rules("both"), expected(Replay::SingleUse, OnTheft::Revoke));
    assert_eq!(rules("none"), TokenRules::default());
}

fn handling(rules: &str) -> Handling {
    match ask("GET https://a.test/").decide(&snapshot(&policy(rules))) {
        Verdict::Permit(permit) => permit.handling().clone(),
        Verdict::Denial(denial) => panic!("{denial:?}"),
    }
}

#[test]
fn a_rule_says_what_becomes_of_changed_tools_and_signed_requests() {
    assert_eq!(handling("- {name: r, hosts: [a.test], decision: allow}"), Handling::default());
    let hash = "0123456789abcdef".repeat(4);
    let said = handling(&format!(
        "- {{name: r, hosts: [a.test], tool_changes: deny, tool_pins: {{add: 'sha256:{hash}'}}, signed: approval_needed, decision: allow}}"
    ));
    assert_eq!((said.tool_changes, said.signed), (ToolChanges::Deny, OnSigned::ApprovalNeeded));
    assert_eq!(said.tool_pins.unwrap().get("add"), Some(&hash));
    let trial = handling("- {name: r, hosts: [a.test], mode: shadow, tool_changes: deny, decision: allow}");
    assert_eq!(trial.tool_changes, ToolChanges::Report, "in shadow nothing is stopped");
}

#[test]
fn doubt_about_the_tool_never_helps_the_agent() {
    let rules = "- {name: no, hosts: [a.test], paths: [/no], tools: [drop], decision: deny}
- {name: yes, hosts: [a.test], paths: [/yes], tools: [add], decision: allow}
- {name: rest, hosts: [a.test], paths: [/no], decision: allow}";
    let snapshot = snapshot(&policy(rules));
    for (path, tool, doubt, expected) in [
        ("/yes", Some("add"), false, "allow p/yes"),
        ("/yes", Some("add"), true, "deny"),
        ("/yes", None, true, "deny"),
        ("/no", Some("add"), false, "allow p/rest"),
        ("/no", Some("add"), true, "deny p/no"),
        ("/no", None, true, "deny p/no"),
        ("/no", None, false, "allow p/rest"),
    ] {
        let mut request = ask(&format!("POST https://a.test{path}"));
        (request.tool, request.tool_in_doubt) = (tool.map(str::to_owned), doubt);
        assert_eq!(line(&request.decide(&snapshot)), expected, "{path} {tool:?} {doubt}");
        assert!(request.with(|intent, _| snapshot.needs(intent)).tool);
    }
}
