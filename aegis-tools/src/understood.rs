//! What a request was understood as.

use serde_json::Value;

use crate::Protocol;

/// Calls that one request may hold. With more it is in doubt as a whole.
pub const MAX_CALLS: usize = 64;
/// The longest name of a tool, in bytes; a longer one is in doubt.
pub const MAX_NAME: usize = 256;

/// What a request asks of the other side. With no protocol and no doubt it is a plain request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Understood<'a> {
    pub protocol: Option<Protocol>,
    /// The JSON-RPC method, the GraphQL operation's type, or what an LLM API is asked for (`chat`, `embeddings`, ...).
    pub operation: Option<String>,
    /// What is called; nothing where the protocol has no name for it. All calls of one element are parts of one message: none of
    /// them can be left out.
    pub calls: Vec<Call<'a>>,
    /// How many elements a JSON-RPC batch has; none where the message stands alone.
    pub batch: Option<usize>,
    /// Why it cannot be told what is called, where that is so for the request as a whole.
    pub doubt: Option<&'static str>,
    /// The model that is asked.
    pub model: Option<String>,
    /// How many tools are offered to it.
    pub tools_offered: usize,
    /// How many results of tools it is given.
    pub tool_results: usize,
    /// The answer is wanted as a stream.
    pub stream: bool,
    /// The MCP session.
    pub session: Option<String>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<'a> {
    /// Which element of the batch it is; 0 where there is no batch.
    pub element: usize,
    pub tool: Tool,
    /// The JSON-RPC method.
    pub method: Option<&'a str>,
    /// Its parameters: JSON-RPC's `params`, GraphQL's `variables`.
    pub params: Option<&'a Value>,
    /// JSON-RPC's id; none for a notification, which gets no answer.
    pub id: Option<&'a Value>,
}

/// The name of what is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    Named(String),
    /// It depends on who reads it; says why.
    Doubtful(&'static str),
}

impl Tool {
    /// A name that the agent chose, where it can be one.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Self::Doubtful("the tool's name is empty, too long or no text");
        }
        Self::Named(name)
    }

    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Doubtful(_) => None,
        }
    }
}

impl<'a> Understood<'a> {
    /// One more call of an unbatched message. Beyond the bound the whole is in doubt.
    pub(crate) fn add(&mut self, call: Call<'a>) {
        if self.calls.len() >= MAX_CALLS {
            self.doubt = Some("the request holds more calls than are looked at");
        } else {
            self.calls.push(call);
        }
    }

    /// The calls of one element.
    pub fn of_element(&self, element: usize) -> impl Iterator<Item = &Call<'a>> {
        self.calls.iter().filter(move |call| call.element == element)
    }

    /// The one tool that is called, where it is one.
    #[must_use]
    pub fn only_tool(&self) -> Option<&str> {
        match self.calls.as_slice() {
            [only] => only.tool.name(),
            _ => None,
        }
    }
}

impl Call<'_> {
    /// A call that is known by its name alone.
    pub(crate) fn of_tool(tool: Tool) -> Self {
        Self { element: 0, tool, method: None, params: None, id: None }
    }
}
