//! What a permit carries beside yes, and what policies say of tokens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aegis_policy::{Agent, FailMode, OnTheft, Replay, TokenRules, Verdict};
use common::{ask, policy, snapshot};

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
