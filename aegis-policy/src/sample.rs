//! A request that nobody sends, decided and explained as the enforcer would decide it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::SystemTime;

use aegis_dlp::{Action, Described, Finding, Place, Profile, Stream, StreamFlow, Why};
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use serde::Serialize;

use crate::explain::safe;
use crate::{
    Agent, Content, Decision, Explanation, Intent, JSON_DEPTH, JsonBody, Permit, RedactedHead, Snapshot, Usage,
    Verdict, parse_strict_json, redact_head,
};

/// The request to explain.
#[derive(Copy, Clone, Debug)]
pub struct Sample<'a> {
    /// The method.
    pub method: &'a str,
    /// An absolute `http` or `https` URL.
    pub url: &'a str,
    /// Header fields.
    pub headers: &'a BTreeMap<String, String>,
    /// The body; empty for none.
    pub body: &'a str,
    /// The tool's name as a protocol in the request would give it.
    pub tool: Option<&'a str>,
    /// When it is asked.
    pub now: SystemTime,
    /// What the agent has used before.
    pub usage: Usage,
}

/// Why a sample is not a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The URL does not parse, is relative, of another scheme, or its port is out of range.
    #[error("{url:?} is no absolute http or https URL: {why}; write one such as https://api.example.com/v1")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A field's name or value holds what HTTP does not allow there.
    #[error("header {name:?} is not valid: {why}")]
    Header {
        /// Its name, as given.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What would be decided, and why. As JSON it is what `POST /v1/policy/explain` answers.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The decision; in shadow the one that would have been.
    pub decision: Decision,
    /// The explanation for people, several lines.
    pub text: String,
    /// The same for programs.
    pub explanation: Explanation,
    /// Sensitive data in it; never its text.
    pub findings: Vec<Found>,
    /// What would be sent; none where it is refused.
    pub sent: Option<Sent>,
}

/// Sensitive data of one kind in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What it is: a detector's name.
    pub what: String,
    /// Where it is: `url`, `header NAME`, `body`.
    pub place: String,
    /// What becomes of it: `redact`, `deny`, `report`.
    pub action: Action,
    /// How often it is there.
    pub count: u64,
}

/// A request as it would leave: what is to be redacted replaced by its mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Path and query.
    pub target: String,
    /// Header fields, in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A point in time as people write it (RFC 3339).
///
/// # Errors
/// One line with an example, where it is none.
pub fn instant(text: &str) -> Result<SystemTime, String> {
    let at: Result<jiff::Timestamp, jiff::Error> = text.parse();
    at.map(SystemTime::from).map_err(|_| format!("`{text}` is no time; write one such as 2026-11-23T09:30:00Z"))
}

/// Explains what `snapshot` decides for `sample` sent by `agent`, data found in it included.
///
/// # Errors
/// [`SampleError`] when the URL or a header is not valid.
pub fn explain_sample(snapshot: &Snapshot, agent: &Agent, sample: &Sample<'_>) -> Result<Explained, SampleError> {
    let (uri, port) = absolute(sample.url)?;
    let headers = headers(sample.headers)?;
    let intent = Intent {
        agent,
        scheme: uri.scheme_str().unwrap_or_default(),
        host: uri.host().unwrap_or_default(),
        port,
        method: sample.method,
        path: uri.path(),
        query: uri.query(),
        headers: &headers,
        tool: sample.tool,
        tool_in_doubt: false,
        now: sample.now,
        usage: sample.usage,
    };
    let wanted = !sample.body.is_empty() && snapshot.needs(&intent).json;
    let parsed = wanted.then(|| parse_strict_json(sample.body.as_bytes(), JSON_DEPTH));
    let json = match &parsed {
        None => JsonBody::None,
        Some(Ok(value)) => JsonBody::Value(value),
        Some(Err(_)) => JsonBody::Invalid,
    };
    // As on the way of a request: the permit says what to look for, and what is found may still deny.
    let scanned = match snapshot.decide(&intent, &Content { json, findings: &[] }) {
        Verdict::Permit(permit) => scan(permit.profile(), &uri, &headers, sample.body),
        Verdict::Denial(_) => Scanned::default(),
    };
    let content = Content { json, findings: &scanned.findings };
    let mut explanation = snapshot.explain(&intent, &content);
    let passes = match (snapshot.decide(&intent, &content), &scanned.stopped) {
        (Verdict::Permit(_), None) => true,
        (Verdict::Permit(permit), Some((why, place))) => {
            stop(&mut explanation, permit, (why, place.as_ref()), snapshot.everything());
            false
        }
        (Verdict::Denial(_), _) => false,
    };
    let decision = explanation.decision.unwrap_or(Decision::Deny);
    let findings: Vec<Found> = scanned.findings.iter().map(|one| Found::of(one, snapshot.everything())).collect();
    let text = describe(&explanation, decision, &findings);
    Ok(Explained { decision, text, explanation, findings, sent: scanned.sent.filter(|_| passes) })
}

impl Found {
    /// What is told of a finding: in its place stand names, of which `everything` is taken out.
    fn of(finding: &Finding, everything: &Profile) -> Self {
        let place = finding.place.map_names(|name| safe(everything, name));
        let (what, place) = (finding.detector.name().to_owned(), place.to_string());
        Self { what, place, action: finding.action, count: finding.count }
    }
}

/// What stopped a request after the policy had let it pass: it was found, or nobody can look into it.
fn stop(explanation: &mut Explanation, permit: Permit, (why, place): (&Why, Option<&Place>), everything: &Profile) {
    match why {
        Why::Detector(detector) | Why::Approval(detector) => {
            let denial = permit.consume().denial_for(*detector);
            explanation.decision = Some(denial.decision);
            (explanation.reason, explanation.next_steps) = (denial.reason, denial.next_steps);
        }
        Why::Opaque(opaque) => {
            let decision = if opaque.approvable { Decision::ApprovalNeeded } else { Decision::Deny };
            explanation.decision = Some(decision);
            explanation.reason =
                safe(everything, &format!("the request cannot be inspected: {}", opaque.told_of(place)));
        }
    }
}

/// The URL and its port.
fn absolute(url: &str) -> Result<(Uri, u16), SampleError> {
    let wrong = |why: &dyn fmt::Display| SampleError::Url { url: url.to_owned(), why: why.to_string() };
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(&error))?;
    let default = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        Some(other) => return Err(wrong(&format_args!("the scheme is {other}"))),
        None => return Err(wrong(&"it has no scheme")),
    };
    let Some(authority) = uri.authority() else {
        return Err(wrong(&"it names no host"));
    };
    // A port that is no number is none to `http`; taken for the default, it would explain another request.
    let named = authority.as_str().rsplit('@').next().and_then(|place| place.strip_prefix(authority.host()));
    let port = match (authority.port_u16(), named) {
        (Some(port), _) => port,
        (None, Some("")) => default,
        (None, _) => return Err(wrong(&"its port is not a number from 0 to 65535")),
    };
    Ok((uri, port))
}

fn headers(fields: &BTreeMap<String, String>) -> Result<HeaderMap, SampleError> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let wrong = |why: &dyn fmt::Display| SampleError::Header { name: name.clone(), why: why.to_string() };
        let field = HeaderName::try_from(name.as_str()).map_err(|error| wrong(&error))?;
        headers.append(field, HeaderValue::try_from(value.as_str()).map_err(|error| wrong(&error))?);
    }
    Ok(headers)
}

/// What came of looking through a request.
#[derive(Default)]
struct Scanned {
    findings: Vec<Finding>,
    sent: Option<Sent>,
    /// Why it must not go on, where it must not, and what of the head is the reason.
    stopped: Option<(Why, Option<Place>)>,
}

fn scan(profile: &Profile, uri: &Uri, headers: &HeaderMap, body: &str) -> Scanned {
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let RedactedHead { path_and_query: target, headers: fields, mut findings, opaque } =
        redact_head(profile, target, headers);
    let mut redacted = Vec::new();
    let stopped = match opaque {
        Some((place, opaque)) => Some((Why::Opaque(opaque), Some(place))),
        None if body.is_empty() => None,
        None => look(profile, headers, body, &mut findings, &mut redacted).map(|why| (why, None)),
    };
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = fields.iter().map(field).collect();
    let sent = Some(Sent { target, headers, body: String::from_utf8_lossy(&redacted).into_owned() });
    Scanned { findings, sent, stopped }
}

/// Looks through a body as on its way: codings undone, containers opened. Says why it must not go on, where it must not.
fn look(
    profile: &Profile,
    headers: &HeaderMap,
    body: &str,
    findings: &mut Vec<Finding>,
    out: &mut Vec<u8>,
) -> Option<Why> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let codings = headers.get_all(CONTENT_ENCODING).iter();
    // What is no text names no coding that anybody knows.
    let codings: Vec<&str> = codings.map(|value| value.to_str().unwrap_or("unreadable")).collect();
    let described = Described {
        content_type: text("content-type"),
        content_encoding: &codings,
        grpc_encoding: text("grpc-encoding").or_else(|| text("connect-content-encoding")),
        ..Described::default()
    };
    let mut stream = match Stream::new(profile, &described) {
        Ok(stream) => stream,
        Err(opaque) => return Some(Why::Opaque(opaque)),
    };
    let flow = match stream.push(body.as_bytes(), out) {
        StreamFlow::Continue => stream.finish(out),
        denied => denied,
    };
    findings.extend_from_slice(stream.findings());
    match flow {
        StreamFlow::Continue => None,
        StreamFlow::Deny(why) => Some(why),
    }
}

fn describe(explanation: &Explanation, decision: Decision, findings: &[Found]) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_all(&mut text, explanation, decision, findings);
    text
}

fn write_all(out: &mut String, e: &Explanation, decision: Decision, findings: &[Found]) -> fmt::Result {
    writeln!(out, "{} ({}): {}", decision.name(), e.mode.name(), e.reason)?;
    writeln!(out, "  rule {}, policy version {}", e.rule.as_deref().unwrap_or("none: default deny"), e.policy_version)?;
    for candidate in &e.candidates {
        let verdict = if candidate.matches { "matches" } else { "does not match" };
        writeln!(out, "\n{} ({}) {verdict}", candidate.rule, candidate.decision.name())?;
        for condition in &candidate.conditions {
            let mark = if condition.holds { "yes" } else { "NO " };
            let seen = condition.value.as_ref().map(|value| format!("   (saw {value})")).unwrap_or_default();
            writeln!(out, "  {mark} {}{seen}", condition.condition)?;
        }
    }
    for finding in findings {
        writeln!(out, "\nfound {} in {}, {} time(s)", finding.what, finding.place, finding.count)?;
    }
    for step in &e.next_steps {
        writeln!(out, "\nnext: {step}")?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;
