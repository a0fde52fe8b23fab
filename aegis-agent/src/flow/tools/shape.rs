//! A refusal in the form that the client's library understands: a JSON-RPC error for JSON-RPC, the provider's own members for an
//! LLM API, a problem document (RFC 9457) for everything else.

use std::sync::Arc;

use aegis_policy::DenialKind;
use aegis_tools::denial::{self, Refused};
use aegis_tools::{Protocol, Understood};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use serde_json::Value;

use super::mailbox::Mailbox;

use crate::flow::refusal::{Reference, Refusal};
use crate::flow::response::ToAgent;

/// AWS' SDKs read the kind of an error here.
const AWS_ERROR: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// How a refusal is said.
#[derive(Clone, Debug, Default)]
pub enum Shape {
    #[default]
    Problem,
    /// A problem document with a provider's members in it.
    Provider(Protocol),
    /// An answer to each call.
    JsonRpc(Calls),
}

/// JSON-RPC calls that wait for an answer.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    pub ids: Vec<Value>,
    /// Answers that others have got already, for the same batch.
    pub made: Vec<Value>,
    pub batch: bool,
    /// The client takes nothing but events.
    pub events: bool,
    /// The stream on which the client waits for the answers.
    pub mailbox: Option<Arc<Mailbox>>,
}

impl Shape {
    pub(super) fn of(understood: &Understood<'_>, headers: &HeaderMap) -> Self {
        match understood.protocol {
            Some(protocol) if protocol.is_json_rpc() => {
                let mut ids: Vec<Value> = Vec::new();
                for id in understood.calls.iter().filter_map(|call| call.id) {
                    // A message with two names is one call.
                    if ids.last() != Some(id) {
                        ids.push(id.clone());
                    }
                }
                // A notification gets no answer.
                let calls =
                    Calls { ids, batch: understood.batch.is_some(), events: events_only(headers), ..Calls::default() };
                if calls.ids.is_empty() { Self::Problem } else { Self::JsonRpc(calls) }
            }
            Some(protocol) => Self::Provider(protocol),
            None => Self::Problem,
        }
    }

    /// Of the calls of a batch only these are still to be answered; `made` are the answers of the others.
    #[must_use]
    pub fn of_rest(self, ids: Vec<Value>, made: Vec<Value>) -> Self {
        match self {
            Self::JsonRpc(_) if ids.is_empty() && made.is_empty() => Self::Problem,
            Self::JsonRpc(calls) => Self::JsonRpc(Calls { ids, made, ..calls }),
            other => other,
        }
    }

    /// The HTTP status under which it is said: JSON-RPC has its errors in answers like any other.
    #[must_use]
    pub fn status(&self, refusal: &Refusal) -> StatusCode {
        match self {
            Self::JsonRpc(Calls { mailbox: Some(_), .. }) if self.answers(refusal) => StatusCode::ACCEPTED,
            Self::JsonRpc(_) if self.answers(refusal) => StatusCode::OK,
            _ => refusal.status,
        }
    }

    /// Only what the policy said is an answer to the call. Trouble with tokens, rates or HTTP itself is not the protocol's.
    fn answers(&self, refusal: &Refusal) -> bool {
        matches!(self, Self::JsonRpc(_)) && refusal.denial.kind == DenialKind::Policy
    }

    /// Says it: `response` is the refusal as a problem document.
    #[must_use]
    pub fn apply(
        &self,
        mut response: Response<ToAgent>,
        refusal: &Refusal,
        reference: &Reference<'_>,
    ) -> Response<ToAgent> {
        let refused = refused(refusal, reference);
        match self {
            Self::JsonRpc(Calls { ids, made, batch, events, mailbox }) if self.answers(refusal) => {
                let own = ids.iter().map(|id| denial::json_rpc(id, &refused));
                let answers: Vec<Value> = own.chain(made.iter().cloned()).collect();
                *response.status_mut() = self.status(refusal);
                if let Some(mailbox) = mailbox
                    && answers.iter().all(|answer| mailbox.put(denial::event(answer)))
                {
                    response.headers_mut().remove(CONTENT_TYPE);
                    *response.body_mut() = ToAgent::Own(Bytes::new());
                    return response;
                }
                let (kind, body) = rendered(answers, *batch, *events);
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                *response.body_mut() = ToAgent::Own(Bytes::from(body));
                response
            }
            Self::Provider(protocol) => provider(*protocol, response, &refused),
            Self::Problem | Self::JsonRpc(_) => response,
        }
    }
}

/// The refusal as aegis-tools words it.
pub fn refused<'a>(refusal: &'a Refusal, reference: &Reference<'a>) -> Refused<'a> {
    let denial = &*refusal.denial;
    let found = refusal.found();
    Refused {
        decision: denial.decision.name(),
        decision_id: reference.decision_id,
        reason: &denial.reason,
        rule: denial.rule.as_deref(),
        approval_id: reference.approval_id,
        next_steps: &denial.next_steps,
        detector: found.map(|finding| finding.detector.name()),
        place: found.map(|finding| finding.place.record()),
    }
}

/// Answers in the form that was asked for: its media type and text.
pub(super) fn rendered(mut answers: Vec<Value>, batch: bool, events: bool) -> (&'static str, String) {
    if events {
        return ("text/event-stream", answers.iter().map(denial::event).collect());
    }
    let whole = match (batch, answers.len()) {
        (false, 1) => answers.pop().unwrap_or_default(),
        _ => Value::Array(answers),
    };
    ("application/json", whole.to_string())
}

/// Whether the client takes nothing but events.
fn events_only(headers: &HeaderMap) -> bool {
    let accepts = |what: &str| {
        headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|accept| accept.contains(what)))
    };
    accepts("text/event-stream") && !accepts("application/json") && !accepts("*/*")
}

fn provider(protocol: Protocol, mut response: Response<ToAgent>, refused: &Refused<'_>) -> Response<ToAgent> {
    let (members, aws) = denial::members(protocol, response.status().as_u16(), refused);
    if let Some(kind) = aws {
        response.headers_mut().insert(AWS_ERROR, HeaderValue::from_static(kind));
    }
    let problem = match response.body() {
        ToAgent::Own(bytes) => serde_json::from_slice(bytes).ok(),
        _ => None,
    };
    // What is not JSON (gRPC) stays as it is.
    if let Some(Value::Object(mut problem)) = problem {
        problem.extend(members);
        *response.body_mut() = ToAgent::Own(Bytes::from(Value::Object(problem).to_string()));
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use aegis_policy::Denial;
    use serde_json::json;

    use super::*;
    use crate::flow::refusal;

    fn said(shape: &Shape, denial: Denial) -> (StatusCode, String, String) {
        let refusal = Refusal::from(denial);
        let reference = Reference { decision_id: "d1", agent_id: "a", approval_id: None };
        let response = shape.apply(refusal::response(&refusal, &reference, false), &refusal, &reference);
        assert_eq!(response.status(), shape.status(&refusal));
        let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let ToAgent::Own(body) = response.body() else { panic!("not our own") };
        (response.status(), kind.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    fn denied() -> Denial {
        Denial::new(DenialKind::Policy, "not today", "v1")
    }

    #[test]
    fn a_refusal_takes_the_form_that_the_client_reads() {
        let calls = |batch, events| {
            Shape::JsonRpc(Calls { ids: vec![json!(7)], made: Vec::new(), batch, events, mailbox: None })
        };
        let (status, kind, body) = said(&calls(false, false), denied());
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/json"));
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["id"], 7);
        let (_, _, body) = said(&calls(true, false), denied());
        assert!(body.starts_with('['), "{body}");
        let (_, kind, body) = said(&calls(false, true), denied());
        let event = body.starts_with("event: message\ndata: {") && body.ends_with("\n\n");
        assert!(kind == "text/event-stream" && event, "{body}");
        let (status, kind, body) = said(&Shape::Provider(Protocol::Anthropic), denied());
        assert_eq!((status, kind.as_str()), (StatusCode::FORBIDDEN, "application/problem+json"));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["error"]["type"], &body["reason"]), (&json!("permission_error"), &json!("not today")));
        let mailbox = Arc::new(Mailbox::default());
        let waits = Calls { ids: vec![json!(7)], mailbox: Some(mailbox), ..Calls::default() };
        assert_eq!(said(&Shape::JsonRpc(waits), denied()), (StatusCode::ACCEPTED, String::new(), String::new()));
    }

    #[test]
    fn trouble_that_is_not_the_policys_keeps_its_status() {
        let shape = Shape::JsonRpc(Calls { ids: vec![json!(7)], ..Calls::default() });
        assert_eq!(said(&shape, Denial::token("no", "v1")).0, StatusCode::UNAUTHORIZED);
        assert_eq!(said(&shape, Denial::unavailable("no", "v1")).0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
