//! The record's schema. Field names and order are a contract (`docs/audit.md`): every field is always present, absent values are `null`;
//! those of WebSockets alone stand in their records only.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

use crate::bounds;

/// RFC 3339, UTC, always six fractional digits, so that lines sort as text.
const TIMESTAMP: &[FormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// What was decided.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Allow,
    /// The default of a [`Draft`]: what nobody filled in was not allowed.
    #[default]
    Deny,
    Sanitize,
    ApprovalNeeded,
    /// No decision at all: a record about the log itself (a torn line moved aside, a file continued after a checkpoint).
    None,
}

impl Decision {
    /// The name in the record, in metrics and in spans.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Sanitize => "sanitize",
            Self::ApprovalNeeded => "approval_needed",
            Self::None => "none",
        }
    }
}

/// Whether the decision was carried out or only recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Enforce,
    Shadow,
}

impl Mode {
    /// The name in the record, in metrics and in spans.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        }
    }
}

/// What a detector found: names and counts, never the text that matched.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingEntry {
    /// The detector's name, such as `ssn`.
    pub detector: String,
    /// `redact`, `approve`, `deny` or `report`.
    pub action: String,
    /// Where: `url`, `header:NAME`, `body:OFFSET` or `body:OFFSET:PATH`, the path as docs/dlp.md tells.
    pub place: String,
    /// `low`, `medium` or `high`; empty in records of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub confidence: String,
    /// How many matches this entry stands for.
    pub count: u64,
}

/// What is called, in the protocol of the exchange, and what its answer said. Names, never arguments.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallEntry {
    /// `mcp`, `openai_chat`, `graphql`, ... (`docs/tools.md`).
    pub protocol: String,
    /// Who gives the model, by OpenTelemetry's names.
    pub provider: Option<String>,
    /// The JSON-RPC method, the kind of GraphQL operation, or what a model is asked for.
    pub operation: Option<String>,
    pub model: Option<String>,
    /// The MCP session.
    pub session: Option<String>,
    /// What the request calls.
    pub tools: Vec<String>,
    /// What the model wants called.
    pub tool_calls: Vec<String>,
    /// Tools whose definition is another than the known one.
    pub changed_tools: Vec<String>,
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    /// Of the input, what came from a cache.
    pub cached_tokens: Option<u64>,
    /// Not all of the answer could be read.
    pub partial: bool,
}

impl CallEntry {
    /// The most names in each list.
    pub const MOST: usize = 8;
}

/// A decision as the flow knows it, before [`Chain::seal`](crate::Chain::seal) gives it a place in the chain.
///
/// There is no field for bodies or header values. `path` must come already redacted. Strings are cut to the bounds of
/// [`MAX_LINE`](crate::MAX_LINE) when sealed, so nothing large can be smuggled into the log.
///
/// As JSON it can be kept until it is sealed; that form is no part of the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// When the decision was asked for.
    pub ts: SystemTime,
    /// UUIDv7, as given to the agent in a denial.
    pub decision_id: String,
    /// 32 lower-case hex digits, equal to the span's trace id.
    pub trace_id: String,
    /// The span of the agent's own that the request belongs to (W3C Trace Context `parent-id`). For the span; not in the record.
    #[serde(skip)]
    pub parent_span_id: Option<[u8; 8]>,
    pub org: String,
    pub tenant: String,
    pub agent_id: String,
    pub parent_agent_id: Option<String>,
    pub tool: Option<String>,
    /// HTTP method; `CONNECT` for passthrough; `QUERY` for DNS.
    pub method: Option<String>,
    /// `https`, `http`, `tcp`, `udp` or `dns`.
    pub scheme: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    /// The path, redacted, without the query.
    pub path: Option<String>,
    pub decision: Decision,
    pub mode: Mode,
    pub reason: String,
    pub rule: Option<String>,
    pub policy_version: String,
    pub approval_id: Option<String>,
    pub findings: Vec<FindingEntry>,
    /// What is called; absent where the protocol is none that is known.
    pub call: Option<CallEntry>,
    /// From the request's first byte to its outcome, in milliseconds.
    pub duration_ms: f64,
    pub estimated_cost_usd: Option<f64>,
    pub pid: u32,
    pub exe: String,
    pub cgroup: String,
    /// Bytes from the agent to the network.
    pub bytes_out: u64,
    /// Bytes from the network to the agent.
    pub bytes_in: u64,
    /// Messages of a WebSocket from the agent that went on; absent from the record of anything else.
    pub messages_out: Option<u64>,
    /// Messages of a WebSocket to the agent.
    pub messages_in: Option<u64>,
    /// The HTTP status that the agent got.
    pub status: Option<u16>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

impl Draft {
    /// Cuts every field to its bound, as [`Chain::seal`](crate::Chain::seal) does: as JSON the draft is then shorter than its line.
    pub fn cut(&mut self) {
        bounds::apply(self);
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            ts: SystemTime::UNIX_EPOCH,
            decision_id: String::new(),
            trace_id: String::new(),
            parent_span_id: None,
            org: String::new(),
            tenant: String::new(),
            agent_id: String::new(),
            parent_agent_id: None,
            tool: None,
            method: None,
            scheme: None,
            host: None,
            port: None,
            path: None,
            decision: Decision::default(),
            mode: Mode::default(),
            reason: String::new(),
            rule: None,
            policy_version: String::new(),
            approval_id: None,
            findings: Vec::new(),
            call: None,
            duration_ms: 0.0,
            estimated_cost_usd: None,
            pid: 0,
            exe: String::new(),
            cgroup: String::new(),
            bytes_out: 0,
            bytes_in: 0,
            messages_out: None,
            messages_in: None,
            status: None,
            error: None,
        }
    }
}

/// One line of the log. The order of the fields is the order in the line; `hash` is last, always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub ts: String,
    pub seq: u64,
    pub decision_id: String,
    pub trace_id: String,
    pub org: String,
    pub tenant: String,
    pub agent_id: String,
    pub parent_agent_id: Option<String>,
    pub tool: Option<String>,
    pub method: Option<String>,
    pub scheme: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub path: Option<String>,
    pub decision: Decision,
    pub mode: Mode,
    pub reason: String,
    pub rule: Option<String>,
    pub policy_version: String,
    pub approval_id: Option<String>,
    pub findings: Vec<FindingEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallEntry>,
    pub duration_ms: f64,
    pub estimated_cost_usd: Option<f64>,
    pub pid: u32,
    pub exe: String,
    pub cgroup: String,
    pub bytes_out: u64,
    pub bytes_in: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_out: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_in: Option<u64>,
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The hash of the line before, in lower-case hex.
    pub prev_hash: String,
    /// SHA-256 of this line without this field, in lower-case hex.
    pub hash: String,
}

impl Record {
    /// The draft at its place in the chain, with an empty `hash`. Bounds are applied by the caller.
    pub(crate) fn placed(draft: Draft, seq: u64, prev_hash: String) -> Self {
        Self {
            ts: timestamp(draft.ts),
            seq,
            decision_id: draft.decision_id,
            trace_id: draft.trace_id,
            org: draft.org,
            tenant: draft.tenant,
            agent_id: draft.agent_id,
            parent_agent_id: draft.parent_agent_id,
            tool: draft.tool,
            method: draft.method,
            scheme: draft.scheme,
            host: draft.host,
            port: draft.port,
            path: draft.path,
            decision: draft.decision,
            mode: draft.mode,
            reason: draft.reason,
            rule: draft.rule,
            policy_version: draft.policy_version,
            approval_id: draft.approval_id,
            findings: draft.findings,
            call: draft.call,
            duration_ms: draft.duration_ms,
            estimated_cost_usd: draft.estimated_cost_usd,
            pid: draft.pid,
            exe: draft.exe,
            cgroup: draft.cgroup,
            bytes_out: draft.bytes_out,
            bytes_in: draft.bytes_in,
            messages_out: draft.messages_out,
            messages_in: draft.messages_in,
            status: draft.status,
            error: draft.error,
            prev_hash,
            hash: String::new(),
        }
    }
}

/// A time as the log writes it. A time that cannot be written (before year 0, after 9999) becomes the epoch: a wrong clock must not lose a
/// record.
pub(crate) fn timestamp(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(TIMESTAMP).unwrap_or_else(|_| "1970-01-01T00:00:00.000000Z".to_owned())
}
