//! Why a decision came out as it did: every candidate rule, every condition, the value that was seen.

use std::collections::HashSet;

use aegis_dlp::{Place, Profile, scan_text};
use serde::Serialize;
use serde_json::Value;

use crate::decide::{self, Found};
use crate::engine::Conditions;
use crate::input::whole;
use crate::plain;
use crate::rego::{Clause, Probe, clause_module, clause_name, clauses};
use crate::rule::{Rule, Segment};
use crate::snapshot::Snapshot;
use crate::{Content, Decision, Intent, Mode, Verdict};

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
            Explanation { candidates: candidates(snapshot, intent, content, &found), ..of(snapshot, verdict) }
        }
        Err(denial) => of(snapshot, Verdict::Denial(*denial)),
    }
}

fn of(snapshot: &Snapshot, verdict: Verdict) -> Explanation {
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
            reason: safe(snapshot.everything(), &denial.reason),
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
    let authored = snapshot.catalog.modules.for_rules(rules.iter().map(|(_, rule)| *rule));
    let conditions = Conditions::compile("aegis.explain", &text, &authored);
    let held = conditions
        .and_then(|mut all| all.holding(bucket.reads.document(&found.asked(snapshot, intent, content))))
        .unwrap_or_default();
    let document = whole(&snapshot.catalog.declared, intent, content);
    let everything = snapshot.everything();
    rules.iter().map(|(number, rule)| candidate(*number, rule, &held, &document, everything)).collect()
}

fn candidate(number: usize, rule: &Rule, held: &HashSet<String>, document: &Value, all: &Profile) -> Candidate {
    let condition = |(at, clause): (usize, Clause)| Condition {
        holds: held.contains(&clause_name(number, at)),
        value: seen(&clause.probe, document, all),
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

/// The value that a condition looked at, without anything in it that `all` finds.
pub(crate) fn seen(probe: &Probe, document: &Value, all: &Profile) -> Option<String> {
    let (value, ambiguous) = match probe {
        Probe::Index | Probe::Rego => (None, None),
        Probe::Port => (document.get("port"), None),
        Probe::Method => (document.get("method"), None),
        Probe::Path => (document.get("path"), document.pointer("/ambiguous/path")),
        Probe::Scopes => (document.pointer("/agent/scopes"), None),
        Probe::Actor => (document.pointer("/agent/actor"), None),
        Probe::Region => (document.get("region"), None),
        Probe::Tool => (document.get("tool"), document.pointer("/ambiguous/tool")),
        Probe::Time(zone) => {
            let wall = document.pointer("/time/zones").and_then(|zones| zones.get(&**zone));
            (wall.or_else(|| document.get("time")), document.pointer("/ambiguous/time"))
        }
        Probe::Usage(of, per) => (document.pointer(&format!("/usage/{}/{}", per.key(), of.key())), None),
        Probe::Header(name) => (document.get("headers").and_then(|fields| fields.get(name)), None),
        Probe::Query(name) => {
            (document.get("query").and_then(|fields| fields.get(name)), document.pointer("/ambiguous/query"))
        }
        Probe::Body(paths) => {
            let value = document.get("body").zip(paths.first()).and_then(|(body, path)| step(body, path));
            return told(value.as_ref(), document.pointer("/ambiguous/body"), all);
        }
    };
    told(value, ambiguous, all)
}

fn told(value: Option<&Value>, ambiguous: Option<&Value>, all: &Profile) -> Option<String> {
    match (value, ambiguous) {
        (_, Some(_)) => Some("can be read in more than one way".to_owned()),
        (Some(value), None) => Some(shown(value, all)),
        (None, None) => None,
    }
}

/// What a path leads to: behind a `*` the list of what was found for each element.
pub(crate) fn step(body: &Value, path: &[Segment]) -> Option<Value> {
    let Some((segment, rest)) = path.split_first() else { return Some(body.clone()) };
    match segment {
        Segment::Key(key) => step(body.as_object()?.get(key)?, rest),
        Segment::Index(index) => step(body.as_array()?.get(*index)?, rest),
        Segment::Every => match body {
            Value::Array(items) => Some(items.iter().filter_map(|item| step(item, rest)).collect()),
            // No list where one is expected is worth seeing.
            other => Some(other.clone()),
        },
    }
}

/// Text with masks for all that is found in it.
pub(crate) fn safe(all: &Profile, text: &str) -> String {
    scan_text(all, Place::at(0), text).text.into_owned()
}

fn shown(value: &Value, all: &Profile) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let clean = safe(all, &text);
    let short: String = clean.chars().take(SHOWN).collect();
    let cut = if short.len() < clean.len() { "…" } else { "" };
    format!("{}{cut}", plain(&short))
}
