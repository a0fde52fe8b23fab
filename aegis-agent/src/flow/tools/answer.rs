//! What is done with an answer on its way back: read for the record, lists of tools compared, split batches put together.

use std::sync::Arc;

use aegis_tools::{Observer, Protocol};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use super::batch::Split;
use super::gate::Gate;
use super::mailbox::Listening;
use super::notes::Notes;
use super::pins::Pins;
use super::watched::{Mode, Watched};
use crate::flow::response::ToAgent;

/// All that an answer needs.
#[derive(Default)]
pub struct Answering {
    pub notes: Option<Arc<Notes>>,
    pub pins: Option<Pins>,
    pub decision_id: Arc<str>,
    /// The calls that wait for an answer, and whether they came as a batch.
    pub waiting: (Vec<Value>, bool),
    /// The stream may be one on which an MCP server answers.
    pub listening: Option<Listening>,
    pub split: Split,
    /// Bytes of an answer that are held back at most.
    pub most: usize,
}

impl Answering {
    /// What is read on its way back comes as it is: asked for where nothing signed says otherwise.
    pub fn prepare(&self, headers: &mut HeaderMap, signed: impl FnOnce() -> bool) {
        let reads = self.pins.is_some() || self.notes.as_ref().is_some_and(|notes| notes.protocol().answers_tell());
        if (reads && !signed()) || !self.split.is_plain() {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
    }
}

/// What an answer says it is, read as generously as clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Events,
    Json,
    Other,
}

impl Kind {
    fn of(media: &str) -> Self {
        match media {
            media if media.contains("event-stream") => Self::Events,
            media if media.contains("json") => Self::Json,
            _ => Self::Other,
        }
    }
}

/// The answer, watched where there is something to watch.
#[must_use]
pub fn watch(response: Response<ToAgent>, answering: Answering) -> Response<ToAgent> {
    let Answering { notes, pins, decision_id, waiting: (ids, batch), listening, split, most } = answering;
    if notes.is_none() && pins.is_none() && split.is_plain() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let mut codings = parts.headers.get_all(CONTENT_ENCODING).iter();
    let coded = codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let content_type =
        parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
    let media = content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    let protocol = notes.as_ref().map(|notes| notes.protocol());
    let merges = !split.answers.is_empty() && parts.status.is_success();
    let kind = Kind::of(&media);
    // Any stream may be one on which an MCP server answers; of other answers only those to its calls are.
    let pins = pins.filter(|_| protocol == Some(Protocol::Mcp) || kind == Kind::Events);
    let gate = pins.map(|pins| Gate { pins, notes: notes.clone(), decision_id, ids: ids.into(), batch });
    let denies = gate.as_ref().is_some_and(|gate| gate.pins.denies());
    let mode = match kind {
        Kind::Events if !coded && (gate.is_some() || merges) => Mode::events(gate),
        Kind::Json if !coded && (gate.is_some() || merges) => Mode::whole(gate, most, merges),
        _ if merges => Mode::whole(None, 0, true),
        _ if coded && denies => Mode::whole(gate, 0, false),
        // A client may take it for JSON all the same.
        Kind::Other if denies && parts.status.is_success() => Mode::whole(gate, most, false),
        _ => Mode::Through,
    };
    match &mode {
        Mode::Through => {}
        Mode::Events { .. } => _ = parts.headers.remove(CONTENT_LENGTH),
        Mode::Whole { .. } => {
            parts.headers.remove(CONTENT_LENGTH);
            if merges || coded {
                parts.status = if merges { StatusCode::OK } else { parts.status };
                parts.headers.remove(CONTENT_ENCODING);
                parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
        }
    }
    let observer = protocol.filter(|_| !coded).and_then(|protocol| Observer::new(protocol, content_type.as_deref()));
    let watched = Watched::new(body, mode, observer, notes, split, merges).listening(listening);
    Response::from_parts(parts, ToAgent::Watched(Box::new(watched)))
}
