//! Why a decision came out as it did: every candidate rule, every condition, the value that was seen.

use serde::Serialize;

use crate::{Decision, Mode};

/// The whole story of one decision. Values are redacted and cut short.
#[derive(Clone, Debug, Default, Serialize)]
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
    /// Every rule that the index named for this agent and host, in order.
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
    /// The condition, as it stands in the YAML.
    pub condition: String,
    /// Whether it holds.
    pub holds: bool,
    /// The value that was seen; redacted, cut short.
    pub value: Option<String>,
}
