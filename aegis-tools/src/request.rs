//! From a request to what it calls.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;

use crate::understood::{Call, MAX_CALLS, Understood};
use crate::{aws, graphql, grpc, jsonrpc, llm};

/// A request as far as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Lower case, no port.
    pub host: &'a str,
    /// As sent, percent-encoded.
    pub path: &'a str,
    /// Without its `?`, as sent.
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    pub body: Body<'a>,
}

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    None,
    /// Nobody looked, and nobody wants to know.
    Unread,
    /// It is longer than may be read.
    TooLarge,
    /// One JSON value that every reader understands in the same way: no key twice in an object.
    Json(&'a Value),
    /// All of it, and it is no such JSON.
    Raw(&'a [u8]),
}

/// What `request` calls. Never fails: what cannot be told is in doubt.
#[must_use]
pub fn understand<'a>(request: &Request<'a>) -> Understood<'a> {
    let mut understood = of_body(request);
    // What the head alone says counts too: a server may listen to either.
    if let Some((protocol, call)) = aws::call(request).or_else(|| grpc::call(request)) {
        understood.protocol = understood.protocol.or(Some(protocol));
        for element in 0..understood.batch.unwrap_or(1).min(MAX_CALLS) {
            understood.add(Call { element, ..call.clone() });
        }
    }
    understood
}

fn of_body<'a>(request: &Request<'a>) -> Understood<'a> {
    if let Some(why) = unreadable(request) {
        // An LLM's name, or a session's, stands in the head.
        return Understood { doubt: Some(why), ..llm::understand(request).unwrap_or_default() };
    }
    // One body may be a message in several protocols; whoever receives it takes it for its own.
    let mut understood = jsonrpc::understand(request).or_else(|| llm::understand(request)).unwrap_or_default();
    if let Some(found) = graphql::understand(request) {
        let apart = understood.batch.is_some();
        understood.protocol = understood.protocol.or(found.protocol);
        understood.operation = understood.operation.or(found.operation);
        understood.doubt = understood.doubt.or(found.doubt);
        for call in found.calls {
            understood.add(Call { element: if apart { call.element } else { 0 }, ..call });
        }
    }
    understood
}

/// Why a message may be in the body that is not seen there.
fn unreadable(request: &Request<'_>) -> Option<&'static str> {
    let coded = request.headers.get_all(CONTENT_ENCODING).iter();
    let coded = coded.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    match request.body {
        Body::None | Body::Unread => None,
        Body::TooLarge => Some("the body is longer than may be read"),
        Body::Json(_) | Body::Raw(_) if coded => Some("the body is compressed"),
        Body::Json(_) => None,
        // A document of GraphQL's begins as JSON does, and is none.
        Body::Raw(bytes) if graphql::is_document(request, bytes) => None,
        Body::Raw(bytes) => looks_like_json(bytes).then_some("the body is no JSON that all would read in the same way"),
    }
}

/// Whether a generous reader could take it for a JSON object or list: in UTF-8, 16 or 32, with a byte order mark or without.
fn looks_like_json(bytes: &[u8]) -> bool {
    let mut significant = bytes
        .iter()
        .filter(|byte| !matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf | 0xfe | 0xff));
    matches!(significant.next(), Some(b'{' | b'['))
}

impl Request<'_> {
    /// The media type of the body, lower case, without parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        let value = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let bare = value.split(';').next().unwrap_or_default().trim();
        (!bare.is_empty()).then(|| bare.to_ascii_lowercase())
    }

    /// The path without its query, for comparing ends; a trailing slash is none.
    pub(crate) fn ends_with(&self, end: &str) -> bool {
        self.path.trim_end_matches('/').ends_with(end)
    }
}
