//! What is done with an answer on its way back: read for the record, lists of tools compared, split batches put together.

use std::sync::Arc;

use aegis_tools::{Observer, Protocol};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

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
    /// The stream may be one on which an MCP server answers.
    pub listening: Option<Listening>,
    pub split: Split,
    /// Bytes of an answer that are held back at most.
    pub most: usize,
}

impl Answering {
    /// What is read on its way back comes as it is: asked for where nothing signed says otherwise.
    pub fn prepare(&self, headers: &mut HeaderMap, signed: impl FnOnce() -> bool) {
        let reads = self.notes.as_ref().is_some_and(|notes| notes.protocol().answers_tell());
        if (reads && !signed()) || !self.split.is_plain() {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
    }

    /// Nothing came back.
    pub fn failed(mut self, why: &str) {
        self.split.failed(why);
    }
}

/// The answer, watched where there is something to watch.
#[must_use]
pub fn watch(response: Response<ToAgent>, answering: Answering) -> Response<ToAgent> {
    let Answering { notes, pins, decision_id, listening, split, most } = answering;
    if notes.is_none() && split.is_plain() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let coded =
        parts.headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let content_type =
        parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
    let media = content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    let protocol = notes.as_ref().map(|notes| notes.protocol());
    let merges = !split.answers.is_empty() && parts.status.is_success();
    let gate = match (pins, protocol) {
        (Some(pins), Some(Protocol::Mcp)) => Some(Gate { pins, notes: notes.clone(), decision_id }),
        _ => None,
    };
    let mode = match media.as_str() {
        "text/event-stream" if !coded && (gate.is_some() || merges) => Mode::events(gate),
        "application/json" if !coded && (gate.is_some() || merges) => Mode::whole(gate, most, merges),
        _ if merges => Mode::whole(None, 0, true),
        _ if coded && gate.as_ref().is_some_and(|gate| gate.pins.denies()) => Mode::whole(gate, 0, false),
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
