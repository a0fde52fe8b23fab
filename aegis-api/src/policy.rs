//! Questions to the policy that is in force.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A request to explain without sending it (`POST /v1/policy/explain`).
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
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
    /// The tool's name as a protocol in the request would give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// When it would be sent (RFC 3339); none is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// What the agent has used before: `{minute, hour, day}`, each with `requests`, `bytes_out`, `cost_usd`. None is what it has used
    /// by the daemon's count; without a daemon, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<serde_json::Value>,
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
    /// Sensitive data in the request; never its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FoundData>,
    /// What would be sent; none where the request is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentRequest>,
}

/// Sensitive data of one kind in one place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct FoundData {
    /// What it is: a detector's name.
    pub what: String,
    /// Where: `url`, `header NAME`, `body`.
    pub place: String,
    /// What becomes of it: `redact`, `deny`, `report`.
    pub action: String,
    /// How often it is there.
    pub count: u64,
}

/// A request as it would leave the host: what is to be redacted replaced by its mask.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SentRequest {
    /// Path and query.
    pub target: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}
