//! Tokens of other issuers: the same claims in other words.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::claims::{Actor, Claims};
use crate::error::TokenError;

/// The longest `jti`, in bytes: it is kept as long as the token lives.
const MAX_JTI: usize = 256;

/// Claims that mean something of their own: none of them can be the one that names the agent, but for `sub`.
const RESERVED: [&str; 14] = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "org",
    "tenant",
    "agent_id",
    "parent_agent_id",
    "act",
    "scope",
    "scopes",
    "scp",
];

/// Whether `name` cannot be the claim of an outside issuer that holds the agent's name: it means something else.
#[must_use]
pub fn is_reserved_claim(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The claims as others write them (RFC 7519, RFC 8693, RFC 9068).
#[derive(Deserialize)]
pub(crate) struct Outside {
    iss: String,
    aud: OneOrMany,
    #[serde(default)]
    sub: Option<String>,
    exp: NumericDate,
    #[serde(default)]
    nbf: Option<NumericDate>,
    #[serde(default)]
    iat: Option<NumericDate>,
    #[serde(default)]
    jti: Option<String>,
    /// Of another type it is refused, not taken for missing: what is missing is not held against the agent's description.
    #[serde(default)]
    org: Option<String>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    parent_agent_id: Option<String>,
    #[serde(default)]
    act: Option<Actor>,
    /// RFC 8693: one string, scopes separated by blanks.
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    scopes: Option<OneOrMany>,
    /// As Okta (a list) and Entra ID (a string) name them.
    #[serde(default)]
    scp: Option<OneOrMany>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }

    fn words(self) -> Vec<String> {
        match self {
            Self::One(text) => words(&text),
            Self::Many(many) => many,
        }
    }
}

/// RFC 7519, section 2: seconds, which may have a fraction.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum NumericDate {
    Whole(u64),
    Fraction(f64),
}

impl NumericDate {
    fn seconds(self) -> Result<u64, TokenError> {
        match self {
            Self::Whole(seconds) => Ok(seconds),
            // Far below 2^53: nothing is lost.
            Self::Fraction(seconds) if (0.0..1e15).contains(&seconds) => Ok(seconds as u64),
            Self::Fraction(_) => Err(TokenError::Claims("a time is out of range".to_owned())),
        }
    }
}

impl Outside {
    pub(crate) fn issuer(&self) -> &str {
        &self.iss
    }

    pub(crate) fn is_for(&self, audience: &str) -> bool {
        self.aud.contains(audience)
    }

    /// The claims in our own words; `agent_claim` names the one that says whose token it is.
    ///
    /// # Errors
    /// When one is missing or has the wrong type.
    pub(crate) fn into_claims(self, agent_claim: &str, audience: &str, token: &str) -> Result<Claims, TokenError> {
        let agent = match agent_claim {
            "sub" => self.sub.clone(),
            other => self.rest.get(other).and_then(Value::as_str).map(str::to_owned),
        };
        let sub = agent.ok_or_else(|| TokenError::Claims(format!("there is no text in `{agent_claim}`")))?;
        let (exp, iat) = (self.exp.seconds()?, self.iat.map_or(Ok(0), NumericDate::seconds)?);
        Ok(Claims {
            aud: audience.to_owned(),
            agent_id: self.agent_id.unwrap_or_else(|| sub.clone()),
            sub,
            org: self.org.unwrap_or_default(),
            tenant: self.tenant.unwrap_or_default(),
            parent_agent_id: self.parent_agent_id,
            act: self.act,
            scopes: scopes(self.scope, self.scopes, self.scp)?,
            nbf: self.nbf.map_or(Ok(iat), NumericDate::seconds)?,
            iat,
            exp,
            jti: jti(self.jti, token)?,
            iss: self.iss,
        })
    }
}

fn scopes(scope: Option<String>, scopes: Option<OneOrMany>, scp: Option<OneOrMany>) -> Result<Vec<String>, TokenError> {
    match (scope, scopes, scp) {
        (None, None, None) => Ok(Vec::new()),
        (Some(text), None, None) => Ok(words(&text)),
        (None, Some(list), None) | (None, None, Some(list)) => Ok(list.words()),
        _ => Err(TokenError::Claims("more than one of `scope`, `scopes` and `scp` is there".to_owned())),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// A token without an id is known by the digest of what is signed. Not of the signature: there is more than one for the same text (of ES256 also
/// (r, -s)), and each would be another token's id.
fn jti(said: Option<String>, token: &str) -> Result<String, TokenError> {
    match said {
        Some(jti) if jti.is_empty() || jti.len() > MAX_JTI => {
            Err(TokenError::Claims(format!("`jti` is {} bytes long, allowed are 1 to {MAX_JTI}", jti.len())))
        }
        Some(jti) => Ok(jti),
        None => {
            let (signed, _) = token.rsplit_once('.').ok_or(TokenError::Malformed("it does not have three parts"))?;
            Ok(format!("sha256:{}", BASE64URL_NOPAD.encode(digest(&SHA256, signed.as_bytes()).as_ref())))
        }
    }
}
