//! Tokens that are good for nobody any more.

use serde::{Deserialize, Serialize};

/// Body of `POST /v1/tokens/revoke`: the token itself, or its `jti` (administrators only).
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// The JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Its `jti`, where the token is not at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Who issued the `jti`; none is this daemon's own issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RevokeResponse {
    /// The token's `jti`.
    pub jti: String,
    /// Who issued it.
    pub issuer: String,
    /// Until when it is remembered, in seconds since 1970: past the token's own end.
    pub kept_until: u64,
    /// It is in the state store, and so holds on every host that shares it; otherwise on this host alone until the store answers.
    pub stored: bool,
    /// Why it is not stored yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Answer of `GET /v1/tokens/revoked`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct RevokedTokens {
    /// How many there are.
    pub total: u64,
    /// At most 1000 of them, those that end last first.
    pub tokens: Vec<RevokedToken>,
}

/// One of them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RevokedToken {
    /// `ISSUER/JTI`; `~` and a hash where one of both has unusual characters.
    pub id: String,
    /// Until when it is remembered, in seconds since 1970.
    pub kept_until: u64,
}
