//! The request, read once: its body as JSON, and what it calls.

use aegis_policy::decision_log::{BodyKnown, OwnTool};
use aegis_policy::{JSON_DEPTH, JsonBody, Needs, ReadBody, Snapshot, parse_strict_json};
use aegis_tools::{Body, Protocol, Request, Tool, Understood, understand};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method};
use serde_json::Value;
use serde_json::value::RawValue;

use super::batch::Batch;
use super::notes::Told;
use super::shape::Shape;
use crate::flow::inspect::{Head, Payload};

/// A request as far as it was read.
#[derive(Default)]
pub struct Reading {
    pub json: Json,
    /// A rule reads the body: the policy gets to see it.
    shown: bool,
    pub called: Called,
    /// What it calls is known: all of it that could say so was looked at.
    looked: bool,
    /// For the record; none where nothing is known of the protocol.
    pub told: Option<Told>,
    /// How a refusal is said.
    pub shape: Shape,
    /// The calls of a JSON-RPC batch, to be decided one by one.
    pub batch: Option<Batch>,
}

/// A body as JSON, read strictly.
#[derive(Default)]
pub enum Json {
    /// There is none, or nobody asked for it.
    #[default]
    None,
    Value(Value),
    /// A message of protocol buffers, as JSON has it.
    Message(Value),
    Invalid,
    TooLarge,
}

/// What one message calls. All of it is carried out, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Called {
    pub names: Vec<String>,
    pub in_doubt: bool,
}

impl Reading {
    /// Reads what `needs` asks for, and what the record should tell; all that can be, where somebody is `curious`.
    #[must_use]
    pub fn of(snapshot: &Snapshot, head: &Head, payload: &Payload, needs: &Needs, curious: bool) -> Self {
        let asked = needs.json || needs.tool;
        if !asked && !curious && !tells(head) {
            return Self::default();
        }
        let json = match payload {
            Payload::TooLarge => Json::TooLarge,
            Payload::Whole(bytes) => match snapshot.read_body(&head.path, &head.headers, bytes) {
                ReadBody::Json(value) => Json::Value(value),
                ReadBody::Message(value) => Json::Message(value),
                ReadBody::Invalid => Json::Invalid,
            },
            Payload::Empty | Payload::Streaming(_) => Json::None,
        };
        let understood = understand(&request(head, payload, &json));
        let mut reading = Self { shown: needs.json, ..Self::default() };
        reading.told = Told::of(&understood, head);
        reading.shape = Shape::of(&understood, &head.headers);
        match (payload, &json, understood.batch) {
            (Payload::Whole(bytes), Json::Value(_), Some(_)) if asked => {
                reading.batch = Some(Batch::new(bytes, &understood));
            }
            _ => {
                reading.called = Called::of(&understood);
                reading.looked = !matches!(payload, Payload::Streaming(_));
            }
        }
        if needs.tool && head.websocket.is_some() {
            // What is called in its messages is not seen.
            reading.called.in_doubt = true;
        }
        if !needs.tool && reading.called.names.len() > 1 {
            // Nobody asks for any of them: one stands for all in the record.
            reading.called.names.truncate(1);
            reading.looked = false;
        }
        reading.json = json;
        reading
    }

    /// One element of a batch, as if it had come alone.
    pub(super) fn of_element(element: &RawValue, called: Called, shown: bool) -> Self {
        let json = parse_strict_json(element.get().as_bytes(), JSON_DEPTH).map_or(Json::Invalid, Json::Value);
        Self { json, shown, called, looked: true, ..Self::default() }
    }

    /// What is known of the tool, for the decision log.
    #[must_use]
    pub fn tool(&self) -> OwnTool {
        match (self.called.names.as_slice(), self.looked) {
            ([], true) if self.called.in_doubt => OwnTool::InDoubt,
            ([], true) => OwnTool::None,
            ([one], true) if !self.called.in_doubt => OwnTool::Named(one.clone()),
            _ => OwnTool::Unread,
        }
    }

    pub(super) fn shown(&self) -> bool {
        self.shown
    }

    /// The body as the policy gets it, and what the decision log says of it.
    #[must_use]
    pub fn body(&self, payload: &Payload) -> (JsonBody<'_>, BodyKnown) {
        match &self.json {
            Json::TooLarge => (JsonBody::TooLarge, BodyKnown::TooLarge),
            Json::Value(value) | Json::Message(value) if self.shown => (JsonBody::Value(value), BodyKnown::Json),
            Json::Invalid if self.shown => (JsonBody::Invalid, BodyKnown::Invalid),
            _ if matches!(payload, Payload::TooLarge) => (JsonBody::TooLarge, BodyKnown::TooLarge),
            _ if matches!(payload, Payload::Empty) => (JsonBody::None, BodyKnown::None),
            _ => (JsonBody::None, BodyKnown::Unread),
        }
    }
}

impl Called {
    fn of(understood: &Understood<'_>) -> Self {
        Self::of_calls(understood.calls.iter().map(|call| &call.tool), understood.doubt.is_some())
    }

    pub(super) fn of_calls<'a>(tools: impl Iterator<Item = &'a Tool>, in_doubt: bool) -> Self {
        let mut called = Self { names: Vec::new(), in_doubt };
        for tool in tools {
            match tool {
                Tool::Named(name) if called.names.contains(name) => {}
                Tool::Named(name) => called.names.push(name.clone()),
                Tool::Doubtful(_) => called.in_doubt = true,
            }
        }
        called
    }
}

/// The request as aegis-tools reads it.
fn request<'a>(head: &'a Head, payload: &'a Payload, json: &'a Json) -> Request<'a> {
    let body = match (payload, json) {
        (_, Json::Value(value)) => Body::Json(value),
        (Payload::Empty, _) => Body::None,
        (Payload::Whole(bytes), _) => Body::Raw(bytes),
        (Payload::Streaming(_), _) => Body::Unread,
        (Payload::TooLarge, _) => Body::TooLarge,
    };
    let Head { method, host, path, query, headers, .. } = head;
    Request { method: method.as_str(), host, path, query: query.as_deref(), headers, body }
}

/// Whether the head alone names the call: gRPC, of a service and method that can be read in one way.
#[must_use]
pub fn names_grpc(head: &Head) -> bool {
    let Head { method, host, path, query, headers, .. } = head;
    let request = Request { method: method.as_str(), host, path, query: query.as_deref(), headers, body: Body::Unread };
    let understood = understand(&request);
    head.grpc && understood.doubt.is_none() && matches!(&*understood.calls, [call] if call.tool.name().is_some())
}

/// Whether the head alone lets expect that the record has something to tell, though no rule asks. Cheap: every request pays it.
fn tells(head: &Head) -> bool {
    let headers = &head.headers;
    let field = |name| headers.get(name).map(|value: &http::HeaderValue| value.as_bytes()).unwrap_or_default();
    if head.method == Method::POST {
        return head.grpc || holds(field(CONTENT_TYPE), b"json") || field(AUTHORIZATION).starts_with(b"AWS4-");
    }
    // The stream on which an MCP server answers.
    head.method == Method::GET && is_event_stream(headers) && (speaks_mcp(headers) || head.path.ends_with("/sse"))
}

pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| holds(accept.as_bytes(), b"text/event-stream"))
}

fn speaks_mcp(headers: &HeaderMap) -> bool {
    headers.contains_key("mcp-session-id") || headers.contains_key("mcp-protocol-version")
}

/// The protocol in which a stream without a request of its own is spoken.
pub(super) fn of_stream(head: &Head) -> Option<Protocol> {
    (head.method == Method::GET && tells(head)).then_some(Protocol::Mcp)
}

fn holds(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|part| part.eq_ignore_ascii_case(what))
}
