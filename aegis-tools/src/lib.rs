//! What a request calls and what an answer says, in the protocols that agents speak: MCP, LLM APIs, A2A, JSON-RPC, GraphQL,
//! gRPC, AWS. The naming is documented in docs/tools.md.
//!
//! Pure: no clock, no file system, no network. Everything is bounded, nothing panics, and what can be read in two ways is
//! *in doubt*: whoever decides must not let doubt help the agent.
//!
//! ```text
//! Request --understand--> Understood { calls }       answer's bytes --Observer--> Observed { model, tool calls, usage, definitions }
//! ```

mod aws;
mod definition;
pub mod denial;
mod form;
pub mod graphql;
mod grpc;
mod jsonrpc;
mod keys;
mod llm;
mod protocol;
mod request;
mod response;
mod signed;
pub mod stream;
mod understood;

pub use definition::{Definition, canonical, definitions};
pub use jsonrpc::answers_to;
pub use protocol::Protocol;
pub use request::{Body, Request, understand};
pub use response::{MAX_TOOL_CALLS, Observed, Observer, Tokens, ToolCall};
pub use signed::{Signed, signed};
pub use understood::{Call, MAX_CALLS, MAX_NAME, Tool, Understood};

/// For the fuzz targets and the properties: JSON as the daemon reads it is strict, here any will do.
#[doc(hidden)]
pub fn parse(bytes: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(bytes).ok()
}
