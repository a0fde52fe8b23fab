//! Questions to the policy that is in force.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A request to explain without sending it (`POST /v1/policy/explain`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// Name of the agent that would send it.
    pub agent: String,
    /// HTTP method.
    pub method: String,
    /// Absolute URL, `http` or `https`.
    pub url: String,
    /// Request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as text; DLP and body conditions read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// The decision, and how each candidate rule came to its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainResponse {
    /// `allow`, `deny`, `sanitize` or `approval_needed`.
    pub decision: String,
    /// The explanation for people, several lines.
    pub text: String,
    /// The same for programs: rules, conditions, values (redacted).
    pub explanation: serde_json::Value,
}
