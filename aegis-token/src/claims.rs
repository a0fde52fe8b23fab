//! What a token says, minting it, and looking into it without believing it.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};

use crate::error::TokenError;
use crate::key::SigningKey;

/// A longer token is refused unread. HTTP servers bound a header at about 8 KiB; ours take a few hundred bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// The claims of an agent token (RFC 7519, section 4.1, and Aegis' own). Times are seconds since the Unix epoch.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The subject; the agent's name as well.
    pub sub: String,
    pub org: String,
    pub tenant: String,
    pub agent_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_agent_id: Option<String>,
    #[serde(default)]
    pub scopes: Vec<String>,
    pub iat: u64,
    pub nbf: u64,
    pub exp: u64,
    /// Unique to the token: what is revoked and replay-checked.
    pub jti: String,
}

/// The part of a JOSE header (RFC 7515, section 4.1) that Aegis looks at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub alg: String,
    #[serde(default)]
    pub typ: Option<String>,
    #[serde(default)]
    pub kid: Option<String>,
    #[serde(default)]
    pub crit: Option<Vec<String>>,
}

/// Signs the claims.
///
/// # Errors
/// When the claims do not fit into [`MAX_TOKEN_BYTES`], are valid at no time, or the key fails.
pub fn mint(key: &SigningKey, claims: &Claims) -> Result<String, TokenError> {
    if claims.exp <= claims.nbf {
        return Err(TokenError::Claims("`exp` is not after `nbf`: valid at no time".to_owned()));
    }
    let mut header = jsonwebtoken::Header::new(Algorithm::EdDSA);
    header.kid = Some(key.kid().to_owned());
    let token = jsonwebtoken::encode(&header, claims, key.encoding())
        .map_err(|error| TokenError::Signing(error.to_string()))?;
    if token.len() > MAX_TOKEN_BYTES { Err(TokenError::TooLarge(token.len())) } else { Ok(token) }
}

/// What a token says, **unverified**: for showing it to a person, never for a decision.
///
/// # Errors
/// When it is no JWT or has other claims.
pub fn inspect(token: &str) -> Result<(Header, Claims), TokenError> {
    let (header, payload) = split(token)?;
    let claims = BASE64URL_NOPAD
        .decode(payload.as_bytes())
        .map_err(|_| TokenError::Malformed("its claims are not base64url"))?;
    let claims = serde_json::from_slice(&claims).map_err(|error| TokenError::Claims(error.to_string()))?;
    Ok((header, claims))
}

/// The header, decoded, and the encoded claims of a token of bounded size with exactly three parts.
pub(crate) fn split(token: &str) -> Result<(Header, &str), TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLarge(token.len()));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(TokenError::Malformed("it does not have three parts"));
    };
    let header =
        BASE64URL_NOPAD.decode(header.as_bytes()).map_err(|_| TokenError::Malformed("its header is not base64url"))?;
    let header =
        serde_json::from_slice(&header).map_err(|_| TokenError::Malformed("its header is not a JOSE header"))?;
    Ok((header, payload))
}
