//! The account of one past decision: which rule decided, and what kept those before it from doing so.

use std::fmt::{self, Write};

use serde::Serialize;

use super::compare::word;
use super::evaluate::{Replayed, Replayer};
use super::past::{Asked, Past};
use crate::decide;
use crate::explain::{safe, seen};
use crate::plain;
use crate::snapshot::Snapshot;
use crate::{Decision, Mode};

/// One past decision, rule by rule. Values are as the log holds them: redacted, cut short, or not there.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// As in the log.
    pub decision_id: String,
    /// What was decided, with `(shadow)` where it was not enforced.
    pub decision: String,
    /// The agent.
    pub agent: String,
    /// What was asked.
    pub target: String,
    /// The rule that decided, as `policy/rule`.
    pub rule: Option<String>,
    /// Why.
    pub reason: String,
    /// The policy that decided.
    pub policy_version: String,
    /// Whether the rules were asked at all; a broken request or a wrong token never came to them.
    pub by_policy: bool,
    /// Whether the policy that this account was made with decides so, too; `None` where it depends on what the log does not
    /// hold. `false`: it is another policy that bears the same version.
    pub agrees: Option<bool>,
    /// The rules for this agent and host up to the one that decided, in the order in which they were tried.
    pub rules: Vec<TriedRule>,
    /// How many stand behind the one that decided.
    pub not_reached: usize,
    /// What the data-loss scan found.
    pub findings: Vec<String>,
}

/// One rule that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct TriedRule {
    /// As `policy/rule`.
    pub rule: String,
    /// What it decides.
    pub decision: Decision,
    /// Its own mode.
    pub mode: Mode,
    /// Whether it held; `None` where that is not known any more.
    pub holds: Option<bool>,
    /// Its conditions.
    pub conditions: Vec<TriedCondition>,
}

/// One condition of it.
#[derive(Clone, Debug, Serialize)]
pub struct TriedCondition {
    /// The condition, as a person would write it.
    pub condition: String,
    /// Whether it held; `None` where the log does not hold the value.
    pub holds: Option<bool>,
    /// The value that was seen; redacted, cut short.
    pub value: Option<String>,
}

impl Snapshot {
    /// How this policy came to a past decision.
    pub fn account(&self, past: &Past) -> Account {
        let mut replayer = Replayer::new(self);
        let agrees = match replayer.decide(past) {
            Replayed::Decided(answer) => Some(
                (answer.decision, answer.mode, &answer.rule) == (past.live.decision, past.live.mode, &past.live.rule),
            ),
            Replayed::Undecidable(_) | Replayed::NotAsked => None,
        };
        let (rules, not_reached) = tried(self, &mut replayer, past);
        let told = Account::without_policy(past);
        // A log of before this policy knew the detectors that it has now may hold what they find.
        let (target, reason) = (safe(self.everything(), &told.target), safe(self.everything(), &told.reason));
        Account { agrees, rules, not_reached, target, reason, ..told }
    }
}

impl Account {
    /// What the log alone tells, where the policy that decided is gone.
    pub fn without_policy(past: &Past) -> Account {
        let found = past.findings.iter();
        let found = found.map(|one| format!("{} in {}, {} time(s)", one.detector.name(), one.place, one.count));
        Account {
            decision_id: past.decision_id.clone(),
            decision: word(past.live.decision, past.live.mode),
            agent: past.agent.name.clone(),
            target: past.target(),
            rule: past.live.rule.clone(),
            reason: past.live.reason.clone(),
            policy_version: past.live.policy_version.clone(),
            by_policy: past.live.by_policy,
            agrees: None,
            rules: Vec::new(),
            not_reached: 0,
            findings: found.collect(),
        }
    }

    /// For people, several lines.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{}: {}", self.decision, self.reason)?;
        writeln!(out, "  {} by agent {}", plain(&self.target), plain(&self.agent))?;
        let rule = self.rule.as_deref().unwrap_or(if self.by_policy { "none: default deny" } else { "none" });
        writeln!(out, "  rule {rule}, policy version {}, decision {}", self.policy_version, self.decision_id)?;
        if !self.by_policy {
            writeln!(out, "\nThe policy's rules were not asked: the request was refused before or after them.")?;
        }
        for tried in &self.rules {
            write_rule(out, tried, self.rule.as_deref())?;
        }
        if self.not_reached > 0 {
            writeln!(out, "\n{} more rule(s) for this host stand behind it", self.not_reached)?;
        }
        for finding in &self.findings {
            writeln!(out, "\nfound {finding}")?;
        }
        if self.agrees == Some(false) {
            writeln!(
                out,
                "\nThe policy that bears this version now decides otherwise: it is not the one that decided."
            )?;
        }
        Ok(())
    }
}

fn write_rule(out: &mut String, tried: &TriedRule, decided: Option<&str>) -> fmt::Result {
    let verdict = match tried.holds {
        _ if decided == Some(&tried.rule) => "decided",
        Some(true) => "held",
        Some(false) => "did not hold",
        None => "not known",
    };
    writeln!(out, "\n{} ({}) {verdict}", tried.rule, word(tried.decision, tried.mode))?;
    for condition in &tried.conditions {
        let mark = match condition.holds {
            Some(true) => "yes",
            Some(false) => "NO ",
            None => "?  ",
        };
        let seen = match (&condition.value, condition.holds) {
            (Some(value), _) => format!("   (saw {value})"),
            (None, None) => "   (the value is not in the log)".to_owned(),
            (None, Some(_)) => String::new(),
        };
        writeln!(out, "  {mark} {}{seen}", condition.condition)?;
    }
    Ok(())
}

/// The rules up to the one that decided, and how many are behind it.
fn tried(snapshot: &Snapshot, replayer: &mut Replayer<'_>, past: &Past) -> (Vec<TriedRule>, usize) {
    let Asked::Request(request) = &past.asked else { return (Vec::new(), 0) };
    if !past.live.by_policy {
        return (Vec::new(), 0);
    }
    let intent = request.intent(&past.agent, past.at);
    let content = request.content(&past.findings);
    let Ok(found) = decide::find(snapshot, &intent) else { return (Vec::new(), 0) };
    let document = snapshot.input_document(&intent, &content);
    let judged = replayer.judge(past, &intent, &content, &found);
    let all: Vec<TriedRule> = judged
        .iter()
        .map(|judged| TriedRule {
            rule: judged.rule.id.to_string(),
            decision: judged.rule.decision,
            mode: judged.rule.mode,
            holds: judged.holds(),
            conditions: judged
                .conditions
                .iter()
                .map(|(clause, holds)| TriedCondition {
                    condition: clause.says.clone(),
                    holds: *holds,
                    value: seen(&clause.probe, &document, snapshot.everything())
                        .filter(|_| holds.is_some() || !past.known.bare()),
                })
                .collect(),
        })
        .collect();
    let last = past.live.rule.as_ref().and_then(|rule| all.iter().position(|tried| tried.rule == *rule));
    let shown = last.map_or(all.len(), |last| last + 1);
    let behind = all.len() - shown;
    (all.into_iter().take(shown).collect(), behind)
}
