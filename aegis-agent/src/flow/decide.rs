//! Step 6: the policy's answer for one request, on everything the steps before found out.

use std::time::SystemTime;

use aegis_dlp::{Action, DetectorSet, Finding, Format, Scanner};
use aegis_policy::decision_log::{BodyKnown, Sight};
use aegis_policy::{
    Agent, Content, Denial, Intent, JSON_DEPTH, JsonBody, Mode, Needs, Permit, RedactedHead, Snapshot, Usage, Verdict,
    redact_head,
};
use bytes::Bytes;
use http::HeaderMap;
use http::header;

use super::identify::Identity;
use super::inspect::{Head, Payload};
use super::refusal::Refusal;

/// A permit together with the one request it was given for, already redacted as it says.
pub struct Permitted {
    pub permit: Permit,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub payload: Payload,
    pub findings: Vec<Finding>,
}

/// What the request itself does not say.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub now: SystemTime,
    /// What the agent has used before, where [`needs`] asked for it.
    pub usage: Usage,
}

impl Moment {
    /// Now, with nothing known of what the agent has used.
    #[must_use]
    pub fn now() -> Self {
        Self { now: SystemTime::now(), usage: Usage::default() }
    }
}

/// What the decision needs to know.
#[must_use]
pub fn needs(snapshot: &Snapshot, identity: &Identity, head: &Head) -> Needs {
    snapshot.needs(&intent(&identity.agent, head, Moment::now()))
}

/// Decides one request and redacts it accordingly. `needs_body` is what [`needs`] said of it.
///
/// # Errors
/// The denial, where the policy says no or where the content cannot be inspected as the rule wants.
pub fn request(
    snapshot: &Snapshot,
    identity: &Identity,
    head: &Head,
    payload: Payload,
    needs_body: bool,
    moment: Moment,
) -> Result<Permitted, Refusal> {
    request_noting(snapshot, identity, head, payload, needs_body, moment).0
}

/// As [`request`], and gives what was looked at, for the decision log.
pub fn request_noting(
    snapshot: &Snapshot,
    identity: &Identity,
    head: &Head,
    payload: Payload,
    needs_body: bool,
    moment: Moment,
) -> (Result<Permitted, Refusal>, Sight) {
    let json = parse(&payload, needs_body);
    let (body, known) = match &json {
        Parsed::None if matches!(payload, Payload::Empty) => (JsonBody::None, BodyKnown::None),
        Parsed::None => (JsonBody::None, BodyKnown::Unread),
        Parsed::Value(value) => (JsonBody::Value(value), BodyKnown::Json),
        Parsed::Invalid => (JsonBody::Invalid, BodyKnown::Invalid),
        Parsed::TooLarge => (JsonBody::TooLarge, BodyKnown::TooLarge),
    };
    let intent = intent(&identity.agent, head, moment);
    let (verdict, seen) = snapshot.decide_noting(&intent, &Content { json: body, findings: &[] });
    let mut sight = Sight { seen, body: known, ..Sight::default() };
    let outcome = match verdict {
        Verdict::Permit(permit) => {
            sight.looked_for = permit.profile().detectors();
            inspected(snapshot, &intent, body, head, payload, permit)
        }
        Verdict::Denial(denial) => Err(denial.into()),
    };
    if outcome.is_err() {
        // Where it ended early, what was not found is not known.
        sight.looked_for = DetectorSet::EMPTY;
    }
    (outcome, sight)
}

/// What becomes of a permit when the content has been looked through.
fn inspected(
    snapshot: &Snapshot,
    intent: &Intent<'_>,
    body: JsonBody<'_>,
    head: &Head,
    payload: Payload,
    permit: Permit,
) -> Result<Permitted, Refusal> {
    if matches!(payload, Payload::TooLarge) {
        return Err(Denial::limit("the body is longer than may be inspected", snapshot.version()).into());
    }
    let permitted = redact(permit, head, payload, snapshot.version())?;
    let denied = permitted.findings.iter().any(|finding| finding.action >= Action::Approve);
    let shadowed = permitted.permit.mode() == Mode::Shadow && !permitted.findings.is_empty();
    if denied || shadowed {
        // Asked again with what was found: the policy words the denial, and shadow records what it would have been.
        return match ask(snapshot, intent, body, &permitted.findings) {
            Ok(permit) => Ok(Permitted { permit, ..permitted }),
            Err(refusal) => Err(Refusal { findings: permitted.findings, ..refusal }),
        };
    }
    Ok(permitted)
}

fn ask(snapshot: &Snapshot, intent: &Intent<'_>, json: JsonBody<'_>, findings: &[Finding]) -> Result<Permit, Refusal> {
    match snapshot.decide(intent, &Content { json, findings }) {
        Verdict::Permit(permit) => Ok(permit),
        Verdict::Denial(denial) => Err(denial.into()),
    }
}

/// The request as the policy is asked about it.
#[must_use]
pub fn intent<'a>(agent: &'a Agent, head: &'a Head, moment: Moment) -> Intent<'a> {
    Intent {
        agent,
        scheme: head.scheme,
        host: &head.host,
        port: head.port,
        method: head.method.as_str(),
        path: &head.path,
        query: head.query.as_deref(),
        headers: &head.headers,
        tool: None,
        now: moment.now,
        usage: moment.usage,
    }
}

enum Parsed {
    None,
    Value(serde_json::Value),
    Invalid,
    TooLarge,
}

fn parse(payload: &Payload, wanted: bool) -> Parsed {
    match payload {
        Payload::TooLarge => Parsed::TooLarge,
        Payload::Whole(bytes) if wanted => {
            aegis_policy::parse_strict_json(bytes, JSON_DEPTH).map_or(Parsed::Invalid, Parsed::Value)
        }
        _ => Parsed::None,
    }
}

/// Scans URL, fields and body under the permit's profile; what it redacts is redacted here, except a streaming body,
/// which is scanned while it flows.
fn redact(permit: Permit, head: &Head, payload: Payload, version: &str) -> Result<Permitted, Refusal> {
    let target = match &head.query {
        Some(query) => format!("{}?{query}", head.path),
        None => head.path.clone(),
    };
    let profile = permit.profile();
    let inspected = !profile.is_empty();
    // What is only reported on (as in shadow) is not refused for being unreadable.
    if profile.enforces() {
        refuse_encoded(head, &payload, version)?;
    }
    let RedactedHead { path_and_query, headers, mut findings } = redact_head(permit.profile(), &target, &head.headers);
    let payload = match payload {
        Payload::Whole(bytes) if inspected => Payload::Whole(redact_whole(&permit, head, &bytes, &mut findings)),
        other => other,
    };
    Ok(Permitted { permit, path_and_query, headers, payload, findings })
}

/// A body in a content coding would pass the scanner unread.
fn refuse_encoded(head: &Head, payload: &Payload, version: &str) -> Result<(), Refusal> {
    let coded = head
        .headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded && !matches!(payload, Payload::Empty) {
        let denial = Denial::limit("the body is compressed and cannot be inspected", version);
        return Err(denial.next("Send the request without Content-Encoding.").into());
    }
    Ok(())
}

fn redact_whole(permit: &Permit, head: &Head, bytes: &Bytes, findings: &mut Vec<Finding>) -> Bytes {
    let mut scanner = Scanner::new(permit.profile().clone(), format(&head.headers));
    let mut out = Vec::with_capacity(bytes.len());
    // A denial shows in the findings; the caller asks the policy again.
    let _ = scanner.push(bytes, &mut out);
    let _ = scanner.finish(&mut out);
    findings.extend_from_slice(scanner.findings());
    if scanner.findings().is_empty() { bytes.clone() } else { Bytes::from(out) }
}

/// How a body is read: by its declared type, and by its content where that says nothing.
#[must_use]
pub fn format(headers: &HeaderMap) -> Format {
    Format::from_content_type(headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()))
}
