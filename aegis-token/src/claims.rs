//! What a token says, minting it, and looking into it without believing it.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::TokenError;
use crate::key::SigningKey;

/// A longer token is refused unread. HTTP servers bound a header at about 8 KiB; ours take a few hundred bytes.
pub const MAX_TOKEN_BYTES: usize = 8192;

/// The claims of an agent token (RFC 7519, section 4.1, and Aegis' own). Times are seconds since the Unix epoch.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The agent, as the kernel attributes its sockets.
    pub sub: String,
    /// Empty where an outside issuer says nothing of it.
    pub org: String,
    /// Empty where an outside issuer says nothing of it.
    pub tenant: String,
    /// Who acts: the agent, or a sub-agent of it (`agent/child`).
    pub agent_id: String,
    /// The agent that started this one; of a sub-agent the one that made its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_agent_id: Option<String>,
    /// The chain of sub-agents, the acting one outermost (RFC 8693, section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    #[serde(default)]
    pub scopes: Vec<String>,
    pub iat: u64,
    pub nbf: u64,
    pub exp: u64,
    /// Unique to the token of its issuer: what is revoked and replay-checked.
    pub jti: String,
}

/// One of a chain of actors, with those before it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    /// `agent/child`, as in `agent_id`.
    pub sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

/// The part of a JOSE header (RFC 7515, section 4.1) that Aegis looks at. Keys that a token brings along (`jwk`, `jku`, `x5u`, `x5c`) are not looked at.
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
    let mut header = jsonwebtoken::Header::new(key.algorithm().jose());
    header.kid = Some(key.kid().to_owned());
    let token = jsonwebtoken::encode(&header, claims, key.encoding())
        .map_err(|error| TokenError::Signing(error.to_string()))?;
    if token.len() > MAX_TOKEN_BYTES { Err(TokenError::TooLarge(token.len())) } else { Ok(token) }
}

/// What one of our own tokens says, **unverified**: for showing it to a person, never for a decision.
///
/// # Errors
/// When it is no JWT or has other claims.
pub fn inspect(token: &str) -> Result<(Header, Claims), TokenError> {
    parts(token)
}

/// As [`inspect`], with the claims as they stand there: an outside issuer's too.
///
/// # Errors
/// When it is no JWT.
pub fn peek(token: &str) -> Result<(Header, Map<String, Value>), TokenError> {
    parts(token)
}

fn parts<T: DeserializeOwned>(token: &str) -> Result<(Header, T), TokenError> {
    let (header, payload) = split(token)?;
    let claims = serde_json::from_slice(&decoded(payload)?).map_err(|error| TokenError::unreadable(&error))?;
    Ok((header, claims))
}

/// The issuer that a token names, **unverified**: it says whose keys are tried, and those must fit.
///
/// # Errors
/// When it is no JWT, or names none.
pub fn issuer(token: &str) -> Result<String, TokenError> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        iss: Cow<'a, str>,
    }
    let (_, payload) = split(token)?;
    let payload = decoded(payload)?;
    let named: Named<'_> = serde_json::from_slice(&payload).map_err(|error| TokenError::unreadable(&error))?;
    Ok(named.iss.into_owned())
}

fn decoded(payload: &str) -> Result<Vec<u8>, TokenError> {
    BASE64URL_NOPAD.decode(payload.as_bytes()).map_err(|_| TokenError::Malformed("its claims are not base64url"))
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
