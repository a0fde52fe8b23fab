//! Rules that are never asked, because one before them holds wherever they do.

use crate::lint::subsume::{holds_wherever, same_agents};
use crate::lint::{Look, Said, Severity};
use crate::rule::Rule;
use crate::{Decision, Mode};

pub(super) fn look(look: &mut Look<'_>) {
    let rules = look.rules.clone();
    for (at, rule) in rules.iter().enumerate() {
        let before = rules.get(..at).unwrap_or_default();
        if let Some(first) = before.iter().copied().find(|first| hides(look, first, rule)) {
            say(look, first, rule);
        }
    }
}

/// A rule in shadow hides nothing: what is enforced behind it still holds.
fn hides(look: &Look<'_>, first: &Rule, rule: &Rule) -> bool {
    let policies = look.policy(first).zip(look.policy(rule));
    first.mode == Mode::Enforce
        && holds_wherever(first, rule)
        && policies.is_some_and(|(policy, other)| same_agents((policy, first), (other, rule)))
}

fn say(look: &mut Look<'_>, first: &Rule, rule: &Rule) {
    let theirs = if first.policy == rule.policy { "" } else { ", for every agent that both policies are for" };
    let by_priority = first.priority > rule.priority && first.policy_order_is_priority(look, rule);
    let what = format!("`{}` holds before it wherever it would hold{theirs}", first.id);
    let refusal_lost = rule.decision == Decision::Deny && rule.mode == Mode::Enforce && first.decision.permits();
    let said = if refusal_lost {
        Said {
            code: "AEG003",
            severity: Severity::Error,
            message: format!("this refusal never refuses: {what}, and permits"),
            fix: "give it a higher `priority`, or put it before the rule that permits",
        }
    } else if by_priority {
        Said {
            code: "AEG002",
            severity: Severity::Warning,
            message: format!(
                "shadowed by priority: {what} (priority {} before {}), so it is never asked",
                first.priority, rule.priority
            ),
            fix: "give it a higher `priority`, narrow the other rule, or take it out",
        }
    } else {
        Said {
            code: "AEG001",
            severity: Severity::Warning,
            message: format!("unreachable: {what}, so it is never asked"),
            fix: "put it before the other rule, narrow the other rule, or take it out",
        }
    };
    look.note(rule, "name", said);
}

impl Rule {
    /// Whether its priority is why this rule stands before `other`: both are owners' rules, or both are teams'.
    fn policy_order_is_priority(&self, look: &Look<'_>, other: &Rule) -> bool {
        let team = |rule: &Rule| look.policy(rule).is_some_and(|policy| policy.team.is_some());
        team(self) == team(other)
    }
}
