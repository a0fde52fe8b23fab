//! Pinned definitions of tools.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/tools/pins`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct ToolPins {
    /// Whose they are.
    pub agent: String,
    /// How many there are.
    pub total: u64,
    /// At most 1000 of them, by server and tool.
    pub pins: Vec<ToolPin>,
}

/// One of them: the definition that an agent first got from a server.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct ToolPin {
    /// The server.
    pub server: String,
    /// The tool, as the server calls it; what looks like sensitive data in the name is masked.
    pub tool: String,
    /// SHA-256 of the definition as canonical JSON, hex.
    pub sha256: String,
}

/// Body of `POST /v1/tools/pins/reset`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetPins {
    /// Whose definitions are forgotten.
    pub agent: String,
    /// Of this server only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Of this tool only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct ResetResponse {
    /// Definitions that were forgotten: the next one that the agent gets is the one that is known.
    pub forgotten: u64,
}
