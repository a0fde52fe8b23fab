//! Why a decision came out as it did: every candidate rule, every condition, the value that was seen.

use std::collections::HashSet;

use aegis_dlp::{DetectorSet, Place, Profile, scan_text};
use serde::Serialize;
use serde_json::Value;

use crate::decide::{self, Found};
use crate::input::whole;
use crate::rego::{Clause, Probe, clause_module, clause_name, clauses};
use crate::rule::{Rule, Segment};
use crate::snapshot::Snapshot;
use crate::{Content, Decision, Intent, Mode, Verdict, engine};

/// Characters of a value that are shown.
const SHOWN: usize = 80;

/// The whole story of one decision. Values are redacted and cut short.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The decision; in shadow the one that would have been.
    pub decision: Option<Decision>,
    /// Whether it was enforced.
    pub mode: Mode,
    /// The rule that decided, as `policy/rule`.
    pub rule: Option<String>,
    /// Why.
    pub reason: String,
    /// The policy version.
    pub policy_version: String,
    /// What the agent could do next.
    pub next_steps: Vec<String>,
    /// Every rule that the index named for this agent and host, in the order in which they are tried.
    pub candidates: Vec<Candidate>,
}

/// One rule that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// `policy/rule`.
    pub rule: String,
    /// What the rule decides when it matches.
    pub decision: Decision,
    /// The rule's own mode.
    pub mode: Mode,
    /// Whether all conditions hold.
    pub matches: bool,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

/// One condition of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct Condition {
    /// The condition, as a person would write it.
    pub condition: String,
    /// Whether it holds.
    pub holds: bool,
    /// The value that was seen; redacted, cut short.
    pub value: Option<String>,
}

pub(crate) fn explain(snapshot: &Snapshot, intent: &Intent<'_>, content: &Content<'_>) -> Explanation {
    match decide::find(snapshot, intent) {
        Ok(found) => {
            let verdict = decide::decide_found(snapshot, intent, content, &found);
            Explanation { candidates: candidates(snapshot, intent, content, &found), ..of(verdict) }
        }
        Err(denial) => of(Verdict::Denial(*denial)),
    }
}

fn of(verdict: Verdict) -> Explanation {
    match verdict {
        Verdict::Permit(permit) => Explanation {
            decision: Some(permit.decision()),
            mode: permit.mode(),
            rule: permit.rule().map(str::to_owned),
            reason: permit.reason().to_owned(),
            policy_version: permit.policy_version().to_owned(),
            next_steps: Vec::new(),
            candidates: Vec::new(),
        },
        Verdict::Denial(denial) => Explanation {
            decision: Some(denial.decision),
            mode: Mode::Enforce,
            rule: denial.rule,
            reason: denial.reason,
            policy_version: denial.policy_version,
            next_steps: denial.next_steps,
            candidates: Vec::new(),
        },
    }
}

/// Each condition is asked of the same engine, in a module where it stands alone.
fn candidates(snapshot: &Snapshot, intent: &Intent<'_>, content: &Content<'_>, found: &Found) -> Vec<Candidate> {
    let bucket = &found.rules.requests;
    let rules: Vec<(usize, &Rule)> = snapshot.catalog.numbered(&bucket.rules).collect();
    let text = clause_module("aegis.explain", &rules);
    let held = engine::holding("aegis.explain", &text, bucket.reads.document(intent, content)).unwrap_or_default();
    let held: HashSet<String> = held.into_iter().collect();
    let document = whole(intent, content);
    rules.iter().map(|(number, rule)| candidate(*number, rule, &held, &document)).collect()
}

fn candidate(number: usize, rule: &Rule, held: &HashSet<String>, document: &Value) -> Candidate {
    let condition = |(at, clause): (usize, Clause)| Condition {
        holds: held.contains(&clause_name(number, at)),
        value: seen(&clause.probe, document),
        condition: clause.says,
    };
    let conditions: Vec<Condition> = clauses(rule).into_iter().enumerate().map(condition).collect();
    Candidate {
        rule: rule.id.to_string(),
        decision: rule.decision,
        mode: rule.mode,
        matches: conditions.iter().all(|condition| condition.holds),
        conditions,
    }
}

/// The value that a condition looked at, without anything sensitive in it.
fn seen(probe: &Probe, document: &Value) -> Option<String> {
    let (value, ambiguous) = match probe {
        Probe::Index => (None, None),
        Probe::Port => (document.get("port"), None),
        Probe::Method => (document.get("method"), None),
        Probe::Path => (document.get("path"), document.pointer("/ambiguous/path")),
        Probe::Header(name) => (document.get("headers").and_then(|fields| fields.get(name)), None),
        Probe::Query(name) => {
            (document.get("query").and_then(|fields| fields.get(name)), document.pointer("/ambiguous/query"))
        }
        Probe::Body(path) => {
            (document.get("body").and_then(|body| step(body, path)), document.pointer("/ambiguous/body"))
        }
    };
    match (value, ambiguous) {
        (_, Some(_)) => Some("can be read in more than one way".to_owned()),
        (Some(value), None) => Some(shown(value)),
        (None, None) => None,
    }
}

fn step<'v>(body: &'v Value, path: &[Segment]) -> Option<&'v Value> {
    path.iter().try_fold(body, |value, segment| match segment {
        Segment::Key(key) => value.as_object()?.get(key),
        Segment::Index(index) => value.as_array()?.get(*index),
    })
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let everything = Profile { redact: DetectorSet::ALL, ..Profile::default() };
    let clean = scan_text(&everything, Place::Body { offset: 0 }, &text).text;
    let mut short: String = clean.chars().take(SHOWN).collect();
    if short.len() < clean.len() {
        short.push('…');
    }
    short
}
