//! What an answer says: the model that gave it, the tools that it wants called, what it cost in tokens, the tools that a server defines.

mod anthropic;
mod bedrock;
mod calls;
mod gemini;
mod jsonrpc;
mod ollama;
mod openai;

use serde_json::Value;

use calls::Calls;
pub use calls::{MAX_TOOL_CALLS, ToolCall};

use crate::stream::{Block, Blocks, Event, Frame, Frames, Lines, MAX_MESSAGE};
use crate::{Definition, Protocol};

/// Definitions of tools that are kept of one answer.
const MAX_DEFINITIONS: usize = 512;

/// What was read out of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The model as it names itself.
    pub model: Option<String>,
    pub tool_calls: Vec<ToolCall>,
    pub tokens: Tokens,
    /// Tools that an MCP server defines.
    pub definitions: Vec<Definition>,
    /// JSON-RPC errors.
    pub errors: u32,
    /// Not all could be read: a message was too long or broken, or there were more than are kept.
    pub cut: bool,
}

/// Tokens, as far as the answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All that went in, those from a cache included.
    pub input: Option<u64>,
    pub output: Option<u64>,
    /// Of the input, what came from a cache.
    pub cached: Option<u64>,
}

/// Reads an answer while it flows. Holds one message at most.
pub struct Observer {
    framing: Framing,
    reading: Reading,
}

enum Framing {
    Sse(Blocks),
    Lines(Lines),
    Frames(Frames),
    /// One JSON value.
    Whole(Vec<u8>),
}

/// What was read so far.
struct Reading {
    protocol: Protocol,
    found: Observed,
    calls: Calls,
}

impl Observer {
    /// For an answer of this type in this protocol; none where it says nothing.
    #[must_use]
    pub fn new(protocol: Protocol, content_type: Option<&str>) -> Option<Self> {
        if !protocol.answers_tell() {
            return None;
        }
        let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let framing = match media.as_str() {
            "text/event-stream" => Framing::Sse(Blocks::default()),
            "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Framing::Lines(Lines::default())
            }
            "application/vnd.amazon.eventstream" => Framing::Frames(Frames::default()),
            other if other == "application/json" || other.ends_with("+json") => Framing::Whole(Vec::new()),
            _ => return None,
        };
        let reading = Reading { protocol, found: Observed::default(), calls: Calls::default() };
        Some(Self { framing, reading })
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let reading = &mut self.reading;
        match &mut self.framing {
            Framing::Sse(blocks) => blocks.push(bytes, |block| match block {
                Block::Whole(block) => reading.event(&Event::read(block)),
                Block::Part { .. } => reading.found.cut = true,
            }),
            Framing::Lines(lines) => lines.push(bytes, |line| match line {
                Some(line) => reading.json("", line),
                None => reading.found.cut = true,
            }),
            Framing::Frames(frames) => {
                frames.push(bytes, |frame| match frame {
                    Some(frame) => reading.frame(frame),
                    None => reading.found.cut = true,
                });
                reading.found.cut |= frames.broken();
            }
            Framing::Whole(held) if !reading.found.cut && held.len() + bytes.len() <= MAX_MESSAGE => {
                held.extend_from_slice(bytes);
            }
            Framing::Whole(held) => {
                reading.found.cut = true;
                *held = Vec::new();
            }
        }
    }

    /// What was read, at the answer's end or wherever it broke off.
    #[must_use]
    pub fn finish(mut self) -> Observed {
        match &self.framing {
            Framing::Lines(lines) => self.reading.json("", lines.rest()),
            Framing::Whole(held) => self.reading.json("", held),
            // An event that no blank line ends is none.
            Framing::Sse(_) | Framing::Frames(_) => {}
        }
        let Reading { mut found, calls, .. } = self.reading;
        let (calls, cut) = calls.finish();
        found.tool_calls = calls;
        found.cut |= cut;
        found
    }
}

impl Reading {
    fn event(&mut self, event: &Event<'_>) {
        match event.data.as_deref() {
            None | Some("[DONE]" | "") => {}
            Some(data) => self.json(&event.kind, data.as_bytes()),
        }
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        let kind = frame.header(":event-type").unwrap_or_default();
        self.json(kind, frame.payload);
    }

    fn json(&mut self, kind: &str, bytes: &[u8]) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match serde_json::from_slice(bytes) {
            Ok(value) => self.value(kind, &value),
            Err(_) => self.found.cut = true,
        }
    }

    fn value(&mut self, kind: &str, value: &Value) {
        match self.protocol {
            Protocol::OpenAiChat | Protocol::OpenAiOther => openai::chat(self, value),
            Protocol::OpenAiResponses => openai::responses(self, value),
            Protocol::Anthropic => anthropic::message(self, value),
            Protocol::Gemini => gemini::answer(self, value),
            Protocol::BedrockConverse => bedrock::converse(self, kind, value),
            Protocol::BedrockInvoke => bedrock::invoked(self, kind, value),
            Protocol::Ollama => ollama::answer(self, value),
            Protocol::Mcp => jsonrpc::message(self, value),
            Protocol::A2a | Protocol::JsonRpc | Protocol::GraphQl | Protocol::Grpc | Protocol::Aws => {}
        }
    }

    fn model(&mut self, name: Option<&Value>) {
        if let Some(name) = name.and_then(Value::as_str).filter(|name| crate::llm::is_word(name)) {
            self.found.model = Some(name.to_owned());
        }
    }

    /// Later counts replace earlier ones: providers report sums.
    fn tokens(&mut self, input: Option<u64>, output: Option<u64>, cached: Option<u64>) {
        let known = &mut self.found.tokens;
        known.input = input.or(known.input);
        known.output = output.or(known.output);
        known.cached = cached.or(known.cached);
    }
}

/// A member that is a count.
fn count(of: &Value, key: &str) -> Option<u64> {
    of.get(key).and_then(Value::as_u64)
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of.get(key).and_then(Value::as_array).into_iter().flatten()
}
