//! Past decisions, from the decision log.

use serde::{Deserialize, Serialize};

/// How the decision log stands.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct DecisionLogStatus {
    /// Whether decisions are written.
    pub enabled: bool,
    /// Directory of its files (JSON lines, the oldest first by name).
    pub path: String,
    /// Events written since the start.
    pub written: u64,
    /// Events dropped since the start: too many at once, or the disk refused. No request waits for this log.
    pub dropped: u64,
    /// Why events cannot be written, while they cannot.
    pub last_error: Option<String>,
}

/// Answer of `GET /v1/decisions/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedDecision {
    /// The event, in OPA's decision log format.
    pub event: serde_json::Value,
    /// Which policy the account was made with: `live`, `version N`, or none where the one that decided is gone.
    pub explained_by: Option<String>,
    /// Rule by rule: which conditions held, with which values.
    pub account: serde_json::Value,
    /// The same for people, several lines.
    pub text: String,
}
