//! What the tables, the properties, the fuzz targets and the replay of their corpus share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use aegis_tools::stream::{Block, Blocks, Event, Frames, Lines};
use aegis_tools::{
    Body, MAX_CALLS, MAX_NAME, MAX_TOOL_CALLS, Observed, Observer, Protocol, Request, Tool, Understood, understand,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// A request in the form of a file: `METHOD URL`, fields, an empty line, the body.
pub struct Written {
    pub method: String,
    pub host: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub json: Option<Value>,
}

impl Written {
    pub fn new(method: &str, url: &str, fields: &[(&str, &str)], body: &str) -> Self {
        let (host, target) = url
            .trim_start_matches("https://")
            .split_once('/')
            .map_or((url, String::new()), |(h, t)| (h, format!("/{t}")));
        let (path, query) =
            target.split_once('?').map_or((target.clone(), None), |(p, q)| (p.to_owned(), Some(q.to_owned())));
        let field = |(name, value): &(&str, &str)| {
            Some((HeaderName::try_from(*name).ok()?, HeaderValue::try_from(*value).ok()?))
        };
        let headers = fields.iter().filter_map(field).collect();
        let json = aegis_tools::parse(body.as_bytes());
        Self { method: method.into(), host: host.into(), path, query, headers, body: body.into(), json }
    }

    pub fn post(url: &str, body: &str) -> Self {
        Self::new("POST", url, &[("content-type", "application/json")], body)
    }

    pub fn read(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (method, url) = lines.next()?.split_once(' ')?;
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
        Some(Self::new(method, url, &fields, body))
    }

    pub fn request(&self) -> Request<'_> {
        let body = match &self.json {
            Some(value) => Body::Json(value),
            None if self.body.is_empty() => Body::None,
            None => Body::Raw(&self.body),
        };
        let Self { method, host, path, query, headers, .. } = self;
        Request { method, host, path, query: query.as_deref(), headers, body }
    }

    pub fn understood(&self) -> Understood<'_> {
        understand(&self.request())
    }

    /// The names of what is called; `?` for one in doubt, and at the end for a request in doubt.
    pub fn names(&self) -> Vec<String> {
        let understood = self.understood();
        let name = |tool: &Tool| tool.name().map_or_else(|| "?".to_owned(), str::to_owned);
        let mut names: Vec<String> = understood.calls.iter().map(|call| name(&call.tool)).collect();
        names.extend(understood.doubt.map(|_| "?".to_owned()));
        names
    }
}

const TELLING: [Protocol; 9] = [
    Protocol::Mcp,
    Protocol::OpenAiChat,
    Protocol::OpenAiResponses,
    Protocol::OpenAiOther,
    Protocol::Anthropic,
    Protocol::Gemini,
    Protocol::BedrockConverse,
    Protocol::BedrockInvoke,
    Protocol::Ollama,
];
const TYPES: [&str; 4] =
    ["text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream", "application/json"];

/// Reads an answer in pieces of these lengths, over and over.
pub fn observe(protocol: Protocol, content_type: &str, bytes: &[u8], pieces: &[usize]) -> Observed {
    let mut observer = Observer::new(protocol, Some(content_type)).expect("answers tell");
    let mut rest = bytes;
    for piece in pieces.iter().map(|piece| (*piece).max(1)).cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(piece.min(rest.len()));
        observer.push(now);
        rest = later;
    }
    observer.finish()
}

/// Any request: no panic, and everything within its bounds.
pub fn check_request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(written) = Written::read(text) else { return };
    let understood = written.understood();
    assert!(understood.calls.len() <= MAX_CALLS);
    for call in &understood.calls {
        assert!(call.tool.name().is_none_or(|name| !name.is_empty() && name.len() <= MAX_NAME), "{:?}", call.tool);
        assert!(call.element < understood.batch.unwrap_or(1), "{understood:?}");
    }
    if let (Some(elements), None) = (understood.batch, understood.doubt) {
        // No element of a batch gets by without a name or a doubt of its own.
        assert!((0..elements).all(|at| understood.of_element(at).next().is_some()), "{understood:?}");
    }
}

/// Any answer in any protocol and form: no panic, bounded, and the same however it is cut. The first byte chooses.
pub fn check_answer(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let protocol = TELLING[usize::from(*choice >> 2) % TELLING.len()];
    let content_type = TYPES[usize::from(*choice & 3)];
    let whole = observe(protocol, content_type, bytes, &[usize::MAX]);
    for pieces in [&[1][..], &[2, 3], &[7, 1, 64]] {
        assert_eq!(observe(protocol, content_type, bytes, pieces), whole);
    }
    assert!(whole.tool_calls.len() <= MAX_TOOL_CALLS && whole.definitions.len() <= 512);
}

/// The bytes of a block, or of a part of one; and whether it is a block.
pub fn bytes<'a>(block: &Block<'a>) -> (&'a [u8], bool) {
    match *block {
        Block::Whole(bytes) => (bytes, true),
        Block::Part { bytes, .. } => (bytes, false),
    }
}

/// Any bytes as each kind of stream: the pieces put together are the stream, and do not depend on how it was cut.
pub fn check_stream(data: &[u8]) {
    let blocks = |pieces: &[usize]| {
        let (mut cutter, mut found) = (Blocks::default(), Vec::new());
        in_pieces(data, pieces, |piece| cutter.push(piece, |block| found.push(bytes(&block).0.to_vec())));
        found.push(cutter.rest().to_vec());
        found
    };
    let whole = blocks(&[usize::MAX]);
    assert_eq!(whole.concat(), data);
    for block in &whole {
        drop(Event::read(block));
    }
    let lines = |pieces: &[usize]| {
        let (mut cutter, mut found) = (Lines::default(), Vec::new());
        in_pieces(data, pieces, |piece| cutter.push(piece, |line| found.push(line.map(<[u8]>::to_vec))));
        (found, cutter.rest().to_vec())
    };
    let frames = |pieces: &[usize]| {
        let (mut cutter, mut found) = (Frames::default(), Vec::new());
        in_pieces(data, pieces, |piece| {
            cutter.push(piece, |frame| {
                found.push(frame.map(|frame| (frame.header(":event-type").map(str::to_owned), frame.payload.to_vec())));
            });
        });
        (found, cutter.broken())
    };
    for pieces in [&[1][..], &[2, 3], &[5, 1, 31]] {
        assert_eq!(blocks(pieces), whole);
        assert_eq!(lines(pieces), lines(&[usize::MAX]));
        assert_eq!(frames(pieces), frames(&[usize::MAX]));
    }
}

fn in_pieces(data: &[u8], pieces: &[usize], mut each: impl FnMut(&[u8])) {
    let mut rest = data;
    for piece in pieces.iter().cycle() {
        if rest.is_empty() {
            return;
        }
        let (now, later) = rest.split_at((*piece).min(rest.len()));
        each(now);
        rest = later;
    }
}

/// A frame of an AWS event stream with one string header.
pub fn frame(event: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":event-type", event), (":content-type", "application/json"), (":message-type", "event")] {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = u32::try_from(12 + headers.len() + payload.len() + 4).unwrap();
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}
