//! A decision that was made, put together again from what was written of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::SystemTime;

use aegis_dlp::{Action, Confidence, Detector, Finding, Place};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::known::Known;
use crate::decision_log::{BUNDLE, BodyKnown, Event, Found, REQUEST_PATH};
use crate::{Agent, Content, Decision, DenialKind, Intent, JsonBody, Mode, Sniffed, Usage};

/// A past decision: what was asked, what came of it, and how much of the question is known.
#[derive(Clone, Debug)]
pub struct Past {
    /// As in the log.
    pub decision_id: String,
    /// When it was asked.
    pub at: SystemTime,
    /// What came of it.
    pub live: Live,
    pub(crate) agent: Agent,
    pub(crate) asked: Asked,
    pub(crate) findings: Vec<Finding>,
    /// Detectors that found something and that nobody knows here: of a policy that is not at hand.
    pub(crate) strangers: BTreeSet<String>,
    pub(super) known: Known,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The decision; in shadow the one that would have been.
    pub decision: Decision,
    /// Whether it was enforced.
    pub mode: Mode,
    /// The rule, as `policy/rule`.
    pub rule: Option<String>,
    /// Why.
    pub reason: String,
    /// The policy that decided.
    pub policy_version: String,
    /// Whether the policy's rules decided: a broken request, a used-up limit or a wrong token never came to them.
    pub by_policy: bool,
}

impl Live {
    /// Whether somebody meant it to be refused. In shadow a rule that says no was meant; what no rule named passed there, and
    /// is what a first policy is made of.
    pub fn refuses(&self) -> bool {
        !self.decision.permits() && (self.mode == Mode::Enforce || self.rule.is_some())
    }
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Request(Box<Request>),
    Connection(Connection),
}

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) host: Option<String>,
    pub(crate) destination: Option<SocketAddr>,
    pub(crate) protocol: Option<Sniffed>,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) method: String,
    /// Normalised; none where it could be read in two ways, or is not known.
    pub(crate) path: Option<String>,
    pub(crate) destination: Option<SocketAddr>,
    query: Option<String>,
    headers: HeaderMap,
    body: Body,
    tool: Option<String>,
    tool_in_doubt: bool,
    usage: Usage,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Json(Value),
    Invalid,
    TooLarge,
}

/// Why a line of a log is no past decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PastError {
    /// Neither an event of the decision log nor an audit record.
    #[error("it is neither an event of the decision log nor an audit record: {0}")]
    Unknown(String),
    /// It holds no time.
    #[error("{0:?} is not a time")]
    Time(String),
}

/// A path that has no single reading, for questions about one.
const AMBIGUOUS_PATH: &str = "//";
/// A query of the same kind.
const AMBIGUOUS_QUERY: &str = ";";

impl Past {
    /// Reads an event.
    ///
    /// # Errors
    /// [`PastError`] when it names no time or no agent.
    pub fn of_event(event: &Event) -> Result<Past, PastError> {
        let agent = event.input.get("agent").cloned().unwrap_or_default();
        let agent: Agent = serde_json::from_value(agent).map_err(|error| PastError::Unknown(error.to_string()))?;
        let asked = match event.path.as_str() {
            REQUEST_PATH => Asked::Request(Box::new(request(event))),
            _ => Asked::Connection(connection(&event.input)),
        };
        let result = &event.result;
        Ok(Past {
            decision_id: event.decision_id.clone(),
            at: time(&event.timestamp)?,
            live: Live {
                decision: result.decision,
                mode: result.mode,
                rule: result.rule.clone(),
                reason: result.reason.clone(),
                policy_version: event.bundles.get(BUNDLE).map(|bundle| bundle.revision.clone()).unwrap_or_default(),
                by_policy: result.kind.is_none_or(|kind| kind == DenialKind::Policy),
            },
            agent,
            asked,
            findings: result.findings.iter().filter_map(finding).collect(),
            strangers: strangers(&result.findings),
            known: Known::of_event(event),
        })
    }

    /// Reads a line of the decision log or, with less known, of the audit log. `None` for a record of something else than a
    /// connection or request of an agent.
    ///
    /// # Errors
    /// [`PastError`] when it is neither.
    pub fn of_line(line: &str) -> Result<Option<Past>, PastError> {
        #[derive(Deserialize)]
        struct Kind {
            prev_hash: Option<serde::de::IgnoredAny>,
        }
        let unknown = |error: serde_json::Error| PastError::Unknown(error.to_string());
        let kind: Kind = serde_json::from_str(line).map_err(unknown)?;
        if kind.prev_hash.is_some() {
            return super::audit::past(line);
        }
        let event: Event = serde_json::from_str(line).map_err(unknown)?;
        Past::of_event(&event).map(Some)
    }

    /// Takes the agent itself out of shadow: what a policy says is then what would have held.
    pub fn enforce(&mut self) {
        self.agent.mode = Mode::Enforce;
    }

    /// The agent by the kernel's attribution.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// What of host, method and path is not known as it was.
    pub(crate) fn unknown_target(&self) -> Option<&'static str> {
        self.known.unknown_target()
    }

    /// What was asked, in one line for people.
    pub fn target(&self) -> String {
        match &self.asked {
            Asked::Request(request) => {
                let port = if matches!(request.port, 80 | 443) { String::new() } else { format!(":{}", request.port) };
                let path = request.path.as_deref().unwrap_or(" (a path with two readings)");
                format!("{} {}://{}{port}{path}", request.method, request.scheme, request.host)
            }
            Asked::Connection(connection) => {
                let to = connection.destination.map(|to| to.to_string()).unwrap_or_default();
                let host = connection.host.as_deref().map(|host| format!(" ({host})")).unwrap_or_default();
                format!("connection to {to}{host}")
            }
        }
    }
}

impl Request {
    /// The question, as it can be asked again.
    pub(super) fn intent<'a>(&'a self, agent: &'a Agent, at: SystemTime) -> Intent<'a> {
        Intent {
            agent,
            scheme: &self.scheme,
            host: &self.host,
            port: self.port,
            method: &self.method,
            path: self.path.as_deref().unwrap_or(AMBIGUOUS_PATH),
            query: self.query.as_deref(),
            headers: &self.headers,
            tool: self.tool.as_deref(),
            tool_in_doubt: self.tool_in_doubt,
            now: at,
            usage: self.usage,
        }
    }

    /// The body and what was found.
    pub(super) fn content<'a>(&'a self, findings: &'a [Finding]) -> Content<'a> {
        let json = match &self.body {
            Body::None => JsonBody::None,
            Body::Json(value) => JsonBody::Value(value),
            Body::Invalid => JsonBody::Invalid,
            Body::TooLarge => JsonBody::TooLarge,
        };
        Content { json, findings }
    }

    /// A request of which only the head's first line is known.
    pub(super) fn bare(scheme: String, host: String, port: u16, method: String, path: Option<String>) -> Request {
        Request {
            scheme,
            host,
            port,
            method,
            path,
            destination: None,
            query: None,
            headers: HeaderMap::new(),
            body: Body::None,
            tool: None,
            tool_in_doubt: false,
            usage: Usage::default(),
        }
    }
}

pub(super) fn time(text: &str) -> Result<SystemTime, PastError> {
    text.parse::<jiff::Timestamp>().map(SystemTime::from).map_err(|_| PastError::Time(text.to_owned()))
}

fn request(event: &Event) -> Request {
    let input = &event.input;
    let marked = |part: &str| input.get("ambiguous").is_some_and(|marks| marks.get(part).is_some());
    let query = match marked("query") {
        true => Some(AMBIGUOUS_QUERY.to_owned()),
        false => input.get("query").and_then(Value::as_object).map(encoded),
    };
    let body = match event.custom.body {
        BodyKnown::None | BodyKnown::Unread => Body::None,
        BodyKnown::Json => Body::Json(input.get("body").cloned().unwrap_or_default()),
        BodyKnown::Invalid => Body::Invalid,
        BodyKnown::TooLarge => Body::TooLarge,
    };
    Request {
        scheme: text(input, "scheme"),
        host: text(input, "host"),
        port: port(input),
        method: text(input, "method"),
        path: input.get("path").and_then(Value::as_str).map(str::to_owned),
        destination: destination(input),
        query,
        headers: input.get("headers").and_then(Value::as_object).map(headers).unwrap_or_default(),
        body,
        tool: input.get("tool").and_then(|tool| tool.get("own")).and_then(Value::as_str).map(str::to_owned),
        // A path with two readings puts it in doubt by itself.
        tool_in_doubt: marked("tool") && !marked("path"),
        usage: event.custom.usage.unwrap_or_default(),
    }
}

fn connection(input: &Map<String, Value>) -> Connection {
    let tls = input.get("scheme").is_some_and(|scheme| scheme == "tls");
    let protocol = match input.get("protocol").and_then(Value::as_str) {
        Some("tls") => Some(Sniffed::Tls),
        Some("http") => Some(Sniffed::Http),
        Some("other") => Some(Sniffed::Other),
        _ => tls.then_some(Sniffed::Tls),
    };
    Connection { host: tls.then(|| text(input, "host")), destination: destination(input), protocol }
}

fn destination(input: &Map<String, Value>) -> Option<SocketAddr> {
    input.get("destination")?.as_str()?.parse().ok()
}

fn port(input: &Map<String, Value>) -> u16 {
    input.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).unwrap_or_default()
}

fn text(input: &Map<String, Value>, key: &str) -> String {
    input.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn values(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str)
}

/// Names and values that HTTP does not allow are left out: they came from no request.
fn headers(fields: &Map<String, Value>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, list) in fields {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        for value in values(list).filter_map(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
            headers.append(name.clone(), value);
        }
    }
    headers
}

/// The parameters as a form: every byte that is not plain escaped, so that they are read as they were.
fn encoded(fields: &Map<String, Value>) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let pair = |name: &String, value: &str| format!("{}={}", escape(name), escape(value));
    let pairs: Vec<String> =
        fields.iter().flat_map(|(name, list)| values(list).map(move |value| pair(name, value))).collect();
    pairs.join("&")
}

/// What the daemon notes beside what detectors find.
const NOTES: [&str; 3] = ["attachment", "unreadable", "prompt_injection"];

/// The names among them that are no detector's here.
pub(super) fn strangers(found: &[Found]) -> BTreeSet<String> {
    let unknown = |name: &&str| name.parse::<Detector>().is_err() && !NOTES.contains(name);
    found.iter().map(|one| one.detector.as_str()).filter(unknown).map(str::to_owned).collect()
}

pub(super) fn finding(found: &Found) -> Option<Finding> {
    let detector: Detector = found.detector.parse().ok()?;
    let action = Action::parse(&found.action).unwrap_or(Action::Report);
    let confidence = Confidence::parse(&found.confidence).unwrap_or_default();
    Some(Finding { detector, action, confidence, place: Place::parse(&found.place), count: found.count })
}
