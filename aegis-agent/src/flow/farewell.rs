//! How a response that must not go on says so, in what the agent's client understands after the head has gone.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::json;

/// What the response is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Bytes: only breaking them off says that something is missing.
    Plain,
    /// gRPC over HTTP/2: the status comes last.
    Grpc,
    /// Server-sent events.
    Events,
}

impl Dialect {
    /// As the head of the response says. `grpc`: the request was one.
    #[must_use]
    pub fn of(headers: &HeaderMap, grpc: bool) -> Self {
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default().to_ascii_lowercase();
        // gRPC-Web has its trailers in the body: there is no room for them here.
        let web = kind.starts_with(b"application/grpc-web");
        if kind.starts_with(b"text/event-stream") {
            Self::Events
        } else if grpc && kind.starts_with(b"application/grpc") && !web {
            Self::Grpc
        } else {
            Self::Plain
        }
    }
}

/// Trailers with status 7, PERMISSION_DENIED, why, and what would pass.
#[must_use]
pub fn grpc(why: &str, next_steps: &[String]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", HeaderValue::from_static("7"));
    if let Some(message) = grpc_message(why, next_steps) {
        fields.insert("grpc-message", message);
    }
    fields
}

/// The text that gRPC's clients show: why, and what would pass.
#[must_use]
pub fn grpc_message(why: &str, next_steps: &[String]) -> Option<HeaderValue> {
    let steps = next_steps.join(" ");
    let text = if steps.is_empty() { why.to_owned() } else { format!("{why}. {steps}") };
    HeaderValue::from_str(&percent_encoded(&text)).ok()
}

/// An event of type `error` with why and what would pass. It begins with an empty line: the last event of the origin's may not have ended.
#[must_use]
pub fn event(why: &str, next_steps: &[String]) -> Bytes {
    let error = json!({"type": "aegis_denied", "message": why, "next_steps": next_steps});
    let data = json!({"type": "error", "error": error});
    Bytes::from(format!("\n\nevent: error\ndata: {data}\n\n"))
}

/// `grpc-message` is percent-encoded outside of printable ASCII.
#[must_use]
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'$' | b'&'..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
