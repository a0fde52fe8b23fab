//! Tokens for agents.

use serde::{Deserialize, Serialize};

/// Body of `POST /v1/token`. Empty (`{}`): the caller's own agent, found by its cgroup.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Another agent's token: for administrators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Lifetime in seconds; none takes the daemon's default, and the daemon may shorten it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u64>,
}

/// A fresh token.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TokenResponse {
    /// The JWT, for the header `Aegis-Token`.
    pub token: String,
    /// Name of the agent that it names; it holds only on this agent's sockets.
    pub agent: String,
    /// Its `exp`, seconds since 1970.
    pub expires_at: u64,
    /// Its `jti`.
    pub jti: String,
}
