//! Things that are left on, left out or left over.

use std::collections::HashMap;
use std::time::UNIX_EPOCH;

use crate::lint::places::Places;
use crate::lint::{Lint, Look, Said, Severity};
use crate::rule::{FieldTest, Rule, TextTest, Transport, ValueTest};
use crate::{Decision, Mode};

pub(super) fn look(look: &mut Look<'_>) {
    for policy in look.policies {
        if policy.agents.iter().any(|glob| glob.pattern() == "*")
            && policy.tenants.is_empty()
            && policy.labels.is_empty()
        {
            let said = Said {
                code: "AEG031",
                severity: Severity::Note,
                message: "for every agent, those too that nobody has thought of yet".to_owned(),
                fix: "name the agents, or select them by `labels` or `tenants`",
            };
            look.note_policy(policy, "agents", said);
        }
        if policy.mode == Mode::Shadow {
            look.note_policy(policy, "mode", in_shadow("the policy is in shadow: nothing in it refuses"));
        }
    }
    for rule in look.rules.clone() {
        if rule.mode == Mode::Shadow && look.policy(rule).is_some_and(|policy| policy.mode != Mode::Shadow) {
            look.note(rule, "mode", in_shadow("the rule is in shadow: what it holds for passes, whatever it decides"));
        }
        no_dlp(look, rule);
        unanchored(look, rule);
        expired(look, rule);
    }
    same_reasons(look);
}

fn in_shadow(message: &str) -> Said<'static> {
    let fix = "once the records show what it would have done, write `mode: enforce`";
    Said { code: "AEG032", severity: Severity::Warning, message: message.to_owned(), fix }
}

/// A rule that lets everything out beside rules for the same agents that look at what goes out.
fn no_dlp(look: &mut Look<'_>, rule: &Rule) {
    let bare = |rule: &Rule| rule.profile.is_empty();
    let reads = |rule: &Rule| rule.decision.permits() && rule.transport == Transport::Http;
    let beside = |other: &&Rule| other.policy == rule.policy && reads(other) && !bare(other);
    if !reads(rule) || !bare(rule) {
        return;
    }
    if let Some(other) = look.rules.clone().into_iter().find(|other| beside(other)) {
        let said = Said {
            code: "AEG021",
            severity: Severity::Warning,
            message: format!(
                "looks for no sensitive data, while `{}` of the same agents does: data leaves by this one",
                other.id
            ),
            fix: "add `dlp`, best to the policy: `dlp: {deny: [secrets]}`",
        };
        look.note(rule, "decision", said);
    }
}

fn unanchored(look: &mut Look<'_>, rule: &Rule) {
    let fields = |key: &'static str, tests: &'_ [FieldTest]| {
        let regex = |test: &FieldTest| match &test.test {
            TextTest::Matches(regex) => Some((key, regex.clone())),
            TextTest::Equals(_) => None,
        };
        tests.iter().filter_map(regex).collect::<Vec<_>>()
    };
    let mut all = fields("headers", &rule.headers);
    all.extend(fields("query", &rule.query));
    all.extend(rule.body.iter().filter_map(|test| match &test.test {
        ValueTest::Matches(regex) => Some(("body", regex.clone())),
        _ => None,
    }));
    for (key, regex) in all {
        // In a rule that refuses an unanchored expression refuses more, which is often what is meant.
        if rule.decision.permits() && !(is_anchored_start(&regex) && is_anchored_end(&regex)) {
            let said = Said {
                code: "AEG030",
                severity: Severity::Warning,
                message: format!("`{regex}` is found anywhere in the value: more than what it spells passes"),
                fix: "anchor it: `^(?:...)$`",
            };
            look.note(rule, key, said);
        }
    }
}

/// `^a|b$` is anchored on neither side as a whole: alternatives outside of brackets count as not anchored.
fn is_anchored_start(regex: &str) -> bool {
    (regex.starts_with('^') || regex.starts_with("\\A")) && !has_bare_alternative(regex)
}

fn is_anchored_end(regex: &str) -> bool {
    let dollar = regex.ends_with('$') && !regex.ends_with("\\$");
    (dollar || regex.ends_with("\\z")) && !has_bare_alternative(regex)
}

fn has_bare_alternative(regex: &str) -> bool {
    let (mut depth, mut class, mut escaped) = (0_usize, false, false);
    for c in regex.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class => depth = depth.saturating_sub(1),
            '|' if !class && depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// A rule all of whose windows have ended.
fn expired(look: &mut Look<'_>, rule: &Rule) {
    let now = look.now.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    let Some(now) = now else { return };
    let over = |until: Option<i64>| until.is_some_and(|until| until <= now);
    if !rule.when.is_empty() && rule.when.iter().all(|window| over(window.dates_after.until)) {
        let said = Said {
            code: "AEG033",
            severity: Severity::Warning,
            message: "its time is over: it never holds again".to_owned(),
            fix: "take the rule out, or move `until`",
        };
        look.note(rule, "when", said);
    }
}

/// Refusals that can't be told apart by what the agent reads.
fn same_reasons(look: &mut Look<'_>) {
    let mut first: HashMap<(usize, &str), &Rule> = HashMap::new();
    for rule in look.rules.clone() {
        if rule.decision == Decision::Allow || rule.decision == Decision::Sanitize {
            continue;
        }
        let key = (rule.policy, &*rule.reason);
        match first.get(&key).filter(|other| other.decision == rule.decision) {
            Some(other) => {
                let said = Said {
                    code: "AEG035",
                    severity: Severity::Note,
                    message: format!(
                        "gives the same reason as `{}`: who reads it can't tell which of them refused",
                        other.id
                    ),
                    fix: "say in `reason` what the difference is",
                };
                look.note(rule, "reason", said);
            }
            None => drop(first.insert(key, rule)),
        }
    }
}

pub(super) fn unused_templates(places: &Places, found: &mut Vec<Lint>) {
    let used = places.used();
    for (name, place) in places.named("templates") {
        if !used.contains(&name.as_str()) {
            let said = Said {
                code: "AEG034",
                severity: Severity::Note,
                message: "a template that nothing uses".to_owned(),
                fix: "take it out, or tell the teams in its `teams` that it is there",
            };
            found.push(said.at(place, name));
        }
    }
}
