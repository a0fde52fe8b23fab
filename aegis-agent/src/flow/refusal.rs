//! What the agent is told when the answer is no: RFC 9457 problem documents, or the gRPC equivalent.

use aegis_dlp::{Action, Finding};
use aegis_policy::{Denial, DenialKind};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderName, Response, StatusCode};
use serde_json::{Value, json};

use super::farewell::grpc_message;
use super::response::ToAgent;

/// On every HTTP answer of Aegis' own, and on answers to sanitized requests: the decision.
pub const DECISION_HEADER: HeaderName = HeaderName::from_static("aegis-decision");
/// On answers to sanitized requests, where the rule has it told: what was taken out, `attachment=1, email=1, ssn=2`.
pub const REMOVED_HEADER: HeaderName = HeaderName::from_static("aegis-removed");
/// RFC 9209: which proxy answered, and why.
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
/// Read by the OpenAI and Anthropic SDKs, which would send a refused request again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Findings that are told one by one.
const TOLD: usize = 10;

/// A denial and how to say it in HTTP.
#[derive(Debug)]
pub struct Refusal {
    /// Boxed: a refusal is the rare way out of functions that return much smaller things.
    pub denial: Box<Denial>,
    pub status: StatusCode,
    /// What the scanner found, where that led to the denial.
    pub findings: Vec<Finding>,
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let status = match denial.kind {
            DenialKind::Policy | DenialKind::Attribution => StatusCode::FORBIDDEN,
            DenialKind::Token => StatusCode::UNAUTHORIZED,
            DenialKind::Rate => StatusCode::TOO_MANY_REQUESTS,
            DenialKind::Protocol => StatusCode::BAD_REQUEST,
            DenialKind::Limit => StatusCode::PAYLOAD_TOO_LARGE,
            DenialKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { denial: Box::new(denial), status, findings: Vec::new() }
    }
}

impl Refusal {
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// What it was refused for, where that was found in the content.
    #[must_use]
    pub fn found(&self) -> Option<&Finding> {
        let worst = self.findings.iter().rev().max_by_key(|finding| finding.action);
        worst.filter(|finding| finding.action > Action::Redact)
    }
}

/// What identifies a refusal to the agent and in the record.
#[derive(Debug, Default)]
pub struct Reference<'a> {
    pub decision_id: &'a str,
    pub agent_id: &'a str,
    pub approval_id: Option<&'a str>,
}

/// The answer. gRPC clients get a trailers-only response with the status code that fits.
#[must_use]
pub fn response(refusal: &Refusal, reference: &Reference<'_>, grpc: bool) -> Response<ToAgent> {
    let mut response = if grpc { grpc_answer(refusal) } else { problem(refusal, reference) };
    let headers = response.headers_mut();
    headers.insert(DECISION_HEADER, HeaderValue::from_static(refusal.denial.decision.name()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PROXY_STATUS, HeaderValue::from_static(proxy_status(refusal)));
    headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    match refusal.denial.kind {
        DenialKind::Rate => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("30")),
        // What is left of a broken exchange cannot be told from the next request.
        DenialKind::Protocol | DenialKind::Limit => _ = headers.insert(CONNECTION, HeaderValue::from_static("close")),
        _ => {}
    }
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        // RFC 6455, section 4.4; RFC 9110, section 15.5.22.
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade, close"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

fn problem(refusal: &Refusal, reference: &Reference<'_>) -> Response<ToAgent> {
    let denial = &refusal.denial;
    let title = match (denial.decision, denial.kind) {
        (aegis_policy::Decision::ApprovalNeeded, _) => "This call needs a human's approval",
        (_, DenialKind::Policy) => "Denied by policy",
        (_, DenialKind::Token) => "The agent token does not hold",
        (_, DenialKind::Rate) => "Over the limit",
        (_, DenialKind::Protocol) => "Refused as ambiguous or malformed",
        (_, DenialKind::Limit) => "Too large to inspect",
        (_, DenialKind::Attribution) => "The connection belongs to no known agent",
        (_, DenialKind::Unavailable) => "Not forwarded",
    };
    let found: Vec<_> = refusal.findings.iter().take(TOLD).map(found).collect();
    let worst = refusal.found();
    let body = json!({
        "type": format!("urn:aegis:{}", kind_name(denial.kind)),
        "title": title,
        "status": refusal.status.as_u16(),
        "detail": denial.reason,
        "decision": denial.decision.name(),
        "decision_id": reference.decision_id,
        "agent_id": reference.agent_id,
        "reason": denial.reason,
        "rule": denial.rule,
        "tool": denial.tool,
        "policy_version": denial.policy_version,
        "approval_id": reference.approval_id,
        "next_steps": denial.next_steps,
        "detector": worst.map(|finding| finding.detector.name()),
        "place": worst.map(|finding| finding.place.record()),
        "findings": found,
    });
    let mut response = Response::new(ToAgent::Own(Bytes::from(body.to_string())));
    *response.status_mut() = refusal.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// What was found and where, as the record has it: never the text.
fn found(finding: &Finding) -> Value {
    json!({
        "detector": finding.detector.name(),
        "place": finding.place.record(),
        "action": finding.action.name(),
        "count": finding.count,
    })
}

/// A trailers-only response (gRPC over HTTP/2, "Responses"): the status stands in the header block.
fn grpc_answer(refusal: &Refusal) -> Response<ToAgent> {
    let code = match refusal.denial.kind {
        DenialKind::Token => "16",
        DenialKind::Rate | DenialKind::Limit => "8",
        DenialKind::Unavailable => "14",
        _ => "7",
    };
    let mut response = Response::new(ToAgent::Own(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(code));
    if let Some(message) = grpc_message(&refusal.denial.reason, &refusal.denial.next_steps) {
        headers.insert("grpc-message", message);
    }
    response
}

fn kind_name(kind: DenialKind) -> &'static str {
    match kind {
        DenialKind::Policy => "policy",
        DenialKind::Token => "token",
        DenialKind::Rate => "rate",
        DenialKind::Protocol => "protocol",
        DenialKind::Limit => "limit",
        DenialKind::Attribution => "attribution",
        DenialKind::Unavailable => "unavailable",
    }
}

fn proxy_status(refusal: &Refusal) -> &'static str {
    match refusal.denial.kind {
        DenialKind::Policy | DenialKind::Token | DenialKind::Attribution => "aegis; error=http_request_denied",
        DenialKind::Rate => "aegis; error=connection_limit_reached",
        DenialKind::Protocol | DenialKind::Limit => "aegis; error=http_request_error",
        DenialKind::Unavailable => "aegis; error=destination_unavailable",
    }
}
