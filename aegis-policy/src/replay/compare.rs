//! What a candidate would change, counted by agent and rule.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use super::evaluate::{Answer, Replayed};
use super::past::{Live, Past};
use crate::{Decision, Mode};

/// Rows that are kept; changes beyond them are counted in the totals only.
const ROWS: usize = 10_000;

/// The outcome of a replay.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// Decisions that were looked at.
    pub decisions: u64,
    /// Those that would come out as they did, by the same rule or another.
    pub same: u64,
    /// Of these, those that another rule would decide.
    pub same_by_another_rule: u64,
    /// Those that would come out otherwise.
    pub changes: u64,
    /// Those that depend on something that the log does not hold.
    pub undecidable: u64,
    /// Those that no policy was asked about: broken requests, used-up limits, wrong tokens.
    pub not_asked: u64,
    /// How many change from what to what.
    pub by_kind: BTreeMap<String, u64>,
    /// On what the undecidable ones depend.
    pub because: BTreeMap<String, u64>,
    /// The changes, by agent and rule, the most frequent first.
    pub rows: Vec<Row>,
    #[serde(skip)]
    found: BTreeMap<Key, Row>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    agent: String,
    live: (String, Option<String>),
    candidate: (String, Option<String>),
}

/// Changes of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The agent.
    pub agent: String,
    /// What was decided: a decision, with `(shadow)` where it was not enforced.
    pub live: String,
    /// By which rule.
    pub live_rule: Option<String>,
    /// What the candidate would decide.
    pub candidate: String,
    /// By which rule.
    pub candidate_rule: Option<String>,
    /// How many.
    pub count: u64,
    /// The first and the last one, RFC 3339.
    pub first_seen: String,
    /// The last one.
    pub last_seen: String,
    /// One of them, for `aegisctl policy explain`.
    pub example: String,
    /// What was asked there.
    pub example_target: String,
}

impl Comparison {
    /// Counts one decision.
    pub fn add(&mut self, past: &Past, replayed: &Replayed) {
        self.decisions += 1;
        match replayed {
            Replayed::NotAsked => self.not_asked += 1,
            Replayed::Undecidable(because) => {
                self.undecidable += 1;
                *self.because.entry(because.join(", ")).or_default() += 1;
            }
            Replayed::Decided(answer) => self.decided(past, answer),
        }
    }

    fn decided(&mut self, past: &Past, answer: &Answer) {
        let live = &past.live;
        let same_rule = live.rule == answer.rule;
        if (live.decision, live.mode) == (answer.decision, answer.mode) {
            self.same += 1;
            self.same_by_another_rule += u64::from(!same_rule);
            return;
        }
        self.changes += 1;
        let (before, after) = (word(live.decision, live.mode), word(answer.decision, answer.mode));
        *self.by_kind.entry(format!("{before} -> {after}")).or_default() += 1;
        self.row(past, live, before, after, answer);
    }

    fn row(&mut self, past: &Past, live: &Live, before: String, after: String, answer: &Answer) {
        let key = Key {
            agent: past.agent().name.clone(),
            live: (before.clone(), live.rule.clone()),
            candidate: (after.clone(), answer.rule.clone()),
        };
        if self.found.len() >= ROWS && !self.found.contains_key(&key) {
            return;
        }
        let at = shown(past.at);
        let row = self.found.entry(key).or_insert_with(|| Row {
            agent: past.agent().name.clone(),
            live: before,
            live_rule: live.rule.clone(),
            candidate: after,
            candidate_rule: answer.rule.clone(),
            count: 0,
            first_seen: at.clone(),
            last_seen: at.clone(),
            example: past.decision_id.clone(),
            example_target: past.target(),
        });
        row.count += 1;
        // Times of one form sort as text.
        if at < row.first_seen {
            row.first_seen.clone_from(&at);
        }
        if at > row.last_seen {
            row.last_seen = at;
        }
    }

    /// The comparison, its rows in order.
    #[must_use]
    pub fn finish(mut self) -> Comparison {
        self.rows = std::mem::take(&mut self.found).into_values().collect();
        self.rows.sort_by_key(|row| std::cmp::Reverse(row.count));
        self
    }

    /// In one sentence.
    pub fn summary(&self) -> String {
        let kinds: Vec<String> =
            self.by_kind.iter().map(|(kind, count)| format!("{} {kind}", grouped(*count))).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let verb = if self.changes == 1 { "changes" } else { "change" };
        format!("of {} decisions {} {verb}{kinds}", grouped(self.decisions), grouped(self.changes))
    }
}

/// A number with its thousands apart: `34,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A decision as people read it.
pub(super) fn word(decision: Decision, mode: Mode) -> String {
    match mode {
        Mode::Enforce => decision.name().to_owned(),
        Mode::Shadow => format!("{} (shadow)", decision.name()),
    }
}

fn shown(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map(|at| format!("{at:.3}")).unwrap_or_default()
}
