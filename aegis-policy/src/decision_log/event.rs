//! One line of the decision log, in the event format of OPA's decision logs, so that its tools can read it.
//!
//! What OPA has no field for stands under `custom`. Lists of JSON pointers tell a reader what is not as it was: `masked`
//! values were redacted or cut short, `erased` ones were there and are not written at all.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aegis_dlp::{Detector, DetectorSet};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rule::Segment;
use crate::{Decision, DenialKind, Mode, Usage};

/// `path` of the decision on a request.
pub const REQUEST_PATH: &str = "aegis/policy/decision";
/// `path` of the decision on a connection that is relayed unread, or refused before it said what it wants.
pub const CONNECTION_PATH: &str = "aegis/policy/connection";
/// Under which name `bundles` has the policy.
pub const BUNDLE: &str = "aegis";

/// A decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// As in the audit record and in the agent's problem document.
    pub decision_id: String,
    /// As in the span and the audit record.
    #[serde(default)]
    pub trace_id: String,
    /// When it was asked, RFC 3339 in UTC.
    pub timestamp: String,
    /// Who decided: `id` (the instance), `version` (of Aegis), and the agent's name and tenant.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The policy that decided, under [`BUNDLE`].
    #[serde(default)]
    pub bundles: BTreeMap<String, Revision>,
    /// [`REQUEST_PATH`] or [`CONNECTION_PATH`].
    pub path: String,
    /// The input document as far as rules read it (docs/policy.md, "The input document").
    pub input: Map<String, Value>,
    /// What came of it.
    pub result: Outcome,
    /// How long it took.
    #[serde(default)]
    pub metrics: Metrics,
    /// Pointers to what was there and is not written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<String>,
    /// Pointers to what is written redacted or cut short.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<String>,
    /// What a reader must know to tell "was not there" from "was not read".
    #[serde(default)]
    pub custom: Context,
}

/// A policy's version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// As `aegisctl status` shows it.
    pub revision: String,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether it passed (in shadow also what would not have).
    pub allow: bool,
    /// The decision; in shadow the one that would have been.
    pub decision: Decision,
    /// Whether it was enforced.
    pub mode: Mode,
    /// The rule, as `policy/rule`.
    pub rule: Option<String>,
    /// The tool that the rule names.
    pub tool: Option<String>,
    /// Why.
    pub reason: String,
    /// What kind of refusal; not there where it passed. All but `policy` came from elsewhere than the policy's rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DenialKind>,
    /// What the data-loss scan found.
    #[serde(default)]
    pub findings: Vec<Found>,
}

/// What a detector found: never the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The detector's name.
    pub detector: String,
    /// `redact`, `approve`, `deny` or `report`.
    pub action: String,
    /// `url`, `header:NAME`, `body:OFFSET` or `body:OFFSET:PATH`.
    pub place: String,
    /// `low`, `medium` or `high`; empty in older logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub confidence: String,
    /// How many times.
    pub count: u64,
}

/// How long the decision took, in OPA's words.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Nanoseconds from the whole input to the decision.
    #[serde(default)]
    pub timer_server_handler_ns: u64,
}

/// What else is known of the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Which values the rules for this agent and host read. Whatever else was in the request is not in `input`.
    #[serde(default)]
    pub reads: ReadList,
    /// Names of all header fields, lower case.
    #[serde(default)]
    pub header_names: Vec<String>,
    /// Names of all query parameters, decoded.
    #[serde(default)]
    pub query_names: Vec<String>,
    /// Whether one of the two lists is not whole: a name was redacted, or there were too many.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_cut: bool,
    /// What is known of the body.
    #[serde(default)]
    pub body: BodyKnown,
    /// Nobody looked for the name that the protocol has for the tool, or it has several.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tool_unread: bool,
    /// What the agent had used before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What the data-loss scan looked for: groups and single detectors, by name.
    #[serde(default)]
    pub looked_for: Vec<Cow<'static, str>>,
    /// Which catalogue of detectors the groups mean: [`DetectorSet::catalogue`].
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub catalogue: Cow<'static, str>,
}

impl Context {
    /// The detectors that are known to have looked. A name that nobody knows here is of a detector that nobody asks about; and
    /// what a group stood for elsewhere is not known.
    pub(crate) fn detectors(&self) -> DetectorSet {
        let same = self.catalogue == DetectorSet::catalogue();
        let set = |name: &Cow<'static, str>| match name.parse::<Detector>() {
            Ok(detector) => Some(detector.into()),
            Err(_) if same => DetectorSet::parse(name).ok(),
            Err(_) => None,
        };
        self.looked_for.iter().filter_map(set).fold(DetectorSet::EMPTY, DetectorSet::union)
    }
}

/// Values that rules read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadList {
    #[serde(default)]
    pub(crate) headers: Vec<String>,
    #[serde(default)]
    pub(crate) query: Vec<String>,
    /// Paths into the body: keys are strings, indexes numbers.
    #[serde(default)]
    pub(crate) body: Vec<Vec<Segment>>,
}

/// How much of the body the decision knew.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKnown {
    /// There was one and no rule asked for it, or nobody looked.
    #[default]
    Unread,
    /// There was none.
    None,
    /// Strict JSON: `input.body` holds what rules read of it.
    Json,
    /// Not strict JSON.
    Invalid,
    /// Longer than may be inspected.
    TooLarge,
}
