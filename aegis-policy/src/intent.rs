//! What is asked: the values that an adapter (proxy, DNS, CLI) builds and hands to the snapshot.

use std::net::SocketAddr;
use std::time::SystemTime;

use aegis_dlp::Finding;

use crate::{Agent, Usage};

/// What the first bytes of a connection look like.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// A TLS ClientHello.
    Tls,
    /// A plain HTTP/1 request or the HTTP/2 preface.
    Http,
    /// Anything else, and silence.
    Other,
}

/// A connection, before any of its bytes went anywhere.
#[derive(Clone, Debug)]
pub struct Connect<'a> {
    /// The server name of the ClientHello, where there was one. For raw TCP: the name for which the enforcer's own
    /// resolver last gave this agent the destination's address, where that is known. Never a name the agent claims.
    pub host: Option<&'a str>,
    /// Where the agent wanted to connect to.
    pub destination: SocketAddr,
    /// What its first bytes look like.
    pub protocol: Sniffed,
}

/// One request, as the enforcer parsed it. `host` is the request's own authority; that it agrees with the
/// connection's SNI is for the caller to check.
#[derive(Clone, Debug)]
pub struct Intent<'a> {
    /// The agent by the kernel's attribution.
    pub agent: &'a Agent,
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The authority's host, without a port; brackets of an IPv6 literal allowed.
    pub host: &'a str,
    /// The authority's port, or the scheme's default.
    pub port: u16,
    /// The method, as sent (methods are case-sensitive, RFC 9110 section 9.1).
    pub method: &'a str,
    /// The path, as sent and still percent-encoded; `*` for `OPTIONS *`.
    pub path: &'a str,
    /// The query without its `?`, as sent.
    pub query: Option<&'a str>,
    /// All header fields that will be forwarded.
    pub headers: &'a http::HeaderMap,
    /// The tool's name as a protocol in the request gives it (an MCP call's, say), where one was understood. Declared tools
    /// need none: the policy names them by host, method and path.
    pub tool: Option<&'a str>,
    /// The request may call a tool whose name cannot be told: its body is not read, or could be read in two ways.
    pub tool_in_doubt: bool,
    /// When it is asked.
    pub now: SystemTime,
    /// What the agent has used before this request, where [`Needs::usage`] asked for it.
    pub usage: Usage,
}

/// What [`crate::Snapshot::decide`] must be given for this request.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// A candidate rule reads the body. Buffer it up to the limit and parse it with
    /// [`crate::parse_strict_json`] *whatever its Content-Type says* (an origin may do so too):
    /// an empty body is [`JsonBody::None`], what does not parse is [`JsonBody::Invalid`].
    pub json: bool,
    /// A candidate rule names tools: find out which the request calls, for which its body may have to be read.
    pub tool: bool,
    /// A candidate rule reads what the agent has used so far.
    pub usage: bool,
    /// The decision may take as long as the agent's body makes it, up to the engine's limit (some 50 ms): a rule for the host
    /// has raw Rego, or goes through arrays. Not to be made where others wait for the thread.
    pub heavy: bool,
}

/// The body as JSON.
#[derive(Copy, Clone, Debug, Default)]
pub enum JsonBody<'a> {
    /// There is no body, or no rule asked for it.
    #[default]
    None,
    /// The body, read by [`crate::parse_strict_json`].
    Value(&'a serde_json::Value),
    /// There is a body and it is not strict JSON.
    Invalid,
    /// The body is longer than may be buffered.
    TooLarge,
}

/// What inspection brought to light before the decision.
#[derive(Copy, Clone, Debug, Default)]
pub struct Content<'a> {
    /// The body, where [`Needs::json`] asked for it.
    pub json: JsonBody<'a>,
    /// Findings of the data-loss scan so far.
    pub findings: &'a [Finding],
}
