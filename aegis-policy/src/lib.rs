//! Policy as code: YAML compiled to Rego, indexed by agent and host, and the decision.
//!
//! Pure: no clock, no file system, no network. The daemon, the CLI and the tests decide with the same code.
//!
//! ```text
//! Source --compile--> Snapshot --connect/name/needs/decide--> Permit | Denial
//! ```

mod agent;
mod body;
pub mod bundle;
pub mod cases;
mod content;
mod decide;
pub mod decision_log;
mod declared;
mod diff;
mod engine;
mod explain;
mod glob;
mod handling;
mod host;
mod index;
mod input;
mod intent;
mod lint;
mod path;
mod plain;
mod raw_rego;
mod rego;
pub mod replay;
mod rule;
mod sample;
mod schema;
mod snapshot;
mod source;
mod strict_json;
pub mod suggest;
mod templates;
mod tokens;
mod usage;
mod verdict;
mod window;

pub use agent::{Agent, Mode};
pub use body::ReadBody;
pub use content::{RedactedHead, redact_head};
pub use decide::{Covers, Grant, Permit};
pub use diff::{Changed, ChangedKey, Difference, unified};
pub use explain::{Candidate, Condition, Explanation};
pub use handling::{Handling, OnSigned, ToolChanges};
pub use intent::{Connect, Content, Intent, JsonBody, Needs, Sniffed};
pub use lint::{Lint, Severity, lint};
pub use plain::plain;
pub use sample::{Explained, Found, Sample, SampleError, Sent, explain_sample, instant};
pub use snapshot::{Snapshot, compile};
pub use source::diagnostics::{DELEGATED, Diagnostics, Problem, Source};
pub use strict_json::{JSON_DEPTH, StrictJsonError, parse_strict_json};
pub use tokens::{OnTheft, Replay, TokenRules};
pub use usage::{Usage, Usd, Used};
pub use verdict::{ConnectPlan, Decision, Denial, DenialKind, FailMode, NameVerdict, Verdict};

/// Whether a file of a policy directory belongs to its policies: YAML, JSON, Rego, a dictionary or a descriptor set by its name, and not the cases
/// that lie beside a policy (`NAME.test.yaml`).
pub fn is_policy_file(path: &std::path::Path) -> bool {
    let kind = path.extension().and_then(|kind| kind.to_str());
    let cases =
        path.file_stem().is_some_and(|stem| std::path::Path::new(stem).extension().is_some_and(|e| e == "test"));
    matches!(kind, Some("yaml" | "yml" | "json" | "rego" | "dict" | "binpb")) && !cases
}

/// The policy that applies where none is configured (`policies/starter.yaml`).
pub const STARTER: &str = include_str!("../../policies/starter.yaml");

/// The JSON Schema (draft 2020-12) of policy files (`docs/policy.schema.json`).
pub const JSON_SCHEMA: &str = include_str!("../../docs/policy.schema.json");

/// Whether `name` fits a pattern as policies write it for agents: `*` is any run of characters.
pub fn name_fits(pattern: &str, name: &str) -> bool {
    glob::NameGlob::new(pattern).matches(name)
}
