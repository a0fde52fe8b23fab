//! Tokens for agents, and the keys that they are signed with.

use serde::{Deserialize, Serialize};

/// Body of `POST /v1/token`. Empty (`{}`): the caller's own agent, found by its cgroup.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Another agent's token: for administrators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Lifetime in seconds; none takes the daemon's default. At most `tokens.max_ttl_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u64>,
    /// Only these scopes; each must be the agent's (of a sub-agent: its parent's). None takes all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The name of a sub-agent that the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// The token of the sub-agent that makes it; without one the agent itself does. Only with `child`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_token: Option<String>,
}

/// A fresh token.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TokenResponse {
    /// The JWT, for the header `Aegis-Token`.
    pub token: String,
    /// Name of the agent that it names; it holds only on this agent's sockets.
    pub agent: String,
    /// Who acts with it: the agent, or a sub-agent (`agent/child`).
    #[serde(default)]
    pub agent_id: String,
    /// What it allows.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Its `exp`, seconds since 1970.
    pub expires_at: u64,
    /// Its `jti`.
    pub jti: String,
}

/// Body of `POST /v1/token/inspect`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InspectRequest {
    /// The JWT.
    pub token: String,
}

/// Whether a token holds by the daemon's keys and clock. What it says stands in the token itself.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Signed by a trusted key, meant for this daemon, valid now.
    pub verified: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a key is used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Signs.
    Current,
    /// Published, and signs after the next rotation.
    Next,
    /// Signs no more; its tokens hold until they expire.
    Retired,
}

/// One key that tokens are verified with.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its id: the RFC 7638 thumbprint.
    pub kid: String,
    /// `EdDSA`, `ES256` or `RS256`.
    pub alg: String,
    /// What it is used for.
    pub state: KeyState,
    /// When it was made, or first seen.
    pub created: String,
    /// When a retired key verifies no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires: Option<String>,
}

/// An outside issuer whose tokens are taken.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TrustedIssuer {
    /// Its `iss`.
    pub issuer: String,
    /// Where its keys come from.
    pub jwks: String,
    /// How many of its keys are used.
    pub keys: usize,
    /// How many are for something else and left out.
    pub skipped: usize,
    /// When the keys were last confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<String>,
    /// Why the last look failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Whose tokens hold (`GET /v1/keys`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Keys {
    /// `iss` of tokens minted here.
    pub issuer: String,
    /// Where the keys are kept.
    pub place: String,
    /// When the next rotation is due; none where only a command or somebody else rotates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotates: Option<String>,
    /// The signing key first.
    pub keys: Vec<KeyInfo>,
    /// Outside issuers.
    #[serde(default)]
    pub trusted: Vec<TrustedIssuer>,
}
