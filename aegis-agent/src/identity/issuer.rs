//! Tokens: minted for an agent, checked on the agent's own sockets.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_token::{Algorithm, Claims, DEFAULT_LEEWAY, KeySet, SigningKey, TokenError, Verifier};
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Enrolled;
use crate::config::Config;
use crate::state::secret::{SecretError, load_or_create, private_dir};

/// `aud` of every token: it holds for Aegis and for nobody else.
const AUDIENCE: &str = "aegis";
/// The longest life of a token.
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);
/// Tokens remembered as good: an agent uses one or two at a time, and there are at most 4096 agents.
const CACHED_TOKENS: u64 = 16_384;

#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("the token key cannot be used: {0}")]
    Key(#[from] SecretError),
    #[error("{path} is not a token key: {source}; correct it, or move it away to get a new one")]
    Malformed { path: PathBuf, source: TokenError },
    #[error("a token lives between 1 second and {} hours; {} seconds were asked for", MAX_TTL.as_secs() / 3600, .0.as_secs())]
    Ttl(Duration),
    #[error("the token cannot be made: {0}")]
    Mint(TokenError),
}

/// A new token.
#[derive(Clone, Debug)]
pub struct Minted {
    pub token: String,
    /// Seconds since 1970.
    pub exp: u64,
    pub jti: String,
}

/// Why a presented token does not hold here.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefused {
    #[error("the token does not hold: {0}")]
    Invalid(TokenError),
    /// Stolen or passed on: somebody else's token on this agent's socket. Recorded as `token_theft`.
    #[error("the token belongs to another agent ({claimed}) than the one that this connection comes from")]
    OtherAgent { claimed: String },
}

impl TokenRefused {
    /// The word for records and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "token_invalid",
            Self::OtherAgent { .. } => "token_theft",
        }
    }
}

/// The host's token key and what is verified with it.
pub struct Issuer {
    key: SigningKey,
    verifier: Verifier,
    jwks: String,
    issuer: String,
    /// SHA-256 of a token that verified -> its claims. Never the token itself: memory is readable too.
    verified: Cache<[u8; 32], Claims>,
}

impl Issuer {
    /// The key in `state_dir/token.key`, made at the first start.
    ///
    /// # Errors
    /// When the file cannot be read or written, others may read it, or it holds no key.
    pub fn open(config: &Config) -> Result<Self, IssuerError> {
        private_dir(&config.state_dir)?;
        let path = config.state_dir.join("token.key");
        let pem = load_or_create(&path, || SigningKey::generate(Algorithm::default()).map(|key| key.to_pem()))?;
        let issuer = format!("aegis:{}", config.instance);
        let malformed = |source| IssuerError::Malformed { path: path.clone(), source };
        let key = SigningKey::from_pem(&pem).map_err(malformed)?;
        let jwks = aegis_token::jwks([&key]).map_err(malformed)?;
        let keys = KeySet::own(&jwks).map_err(malformed)?;
        let verifier = Verifier::own(keys, issuer.as_str(), AUDIENCE, DEFAULT_LEEWAY);
        Ok(Self { key, verifier, jwks, issuer, verified: Cache::new(CACHED_TOKENS) })
    }

    /// A token for `agent` that holds from `now` for `ttl` (1 second to 24 hours).
    ///
    /// # Errors
    /// When `ttl` is out of range.
    pub fn mint(&self, agent: &Enrolled, ttl: Duration, now: SystemTime) -> Result<Minted, IssuerError> {
        if ttl < Duration::from_secs(1) || ttl > MAX_TTL {
            return Err(IssuerError::Ttl(ttl));
        }
        let iat = unix(now);
        let exp = iat.saturating_add(ttl.as_secs());
        let jti = Uuid::new_v4().to_string();
        let who = &agent.agent;
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: who.name.clone(),
            org: who.org.clone(),
            tenant: who.tenant.clone(),
            agent_id: who.name.clone(),
            parent_agent_id: who.parent.clone(),
            act: None,
            scopes: who.scopes.clone(),
            iat,
            nbf: iat,
            exp,
            jti: jti.clone(),
        };
        let token = aegis_token::mint(&self.key, &claims).map_err(IssuerError::Mint)?;
        Ok(Minted { token, exp, jti })
    }

    /// The claims of `token`, presented on a socket of `agent`.
    ///
    /// # Errors
    /// When the token is not one of ours, not valid at `now`, or another agent's.
    pub fn check(&self, token: &str, agent: &Enrolled, now: SystemTime) -> Result<Claims, TokenRefused> {
        let now = unix(now);
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        // Without leeway: what has just run out goes to the verifier, which has one.
        let cached = self.verified.get(&digest).filter(|claims| claims.nbf <= now && now < claims.exp);
        let claims = match cached {
            Some(claims) => claims,
            None => {
                let claims = self.verifier.verify(token, now).map_err(TokenRefused::Invalid)?;
                self.verified.insert(digest, claims.clone());
                claims
            }
        };
        // The rest of the chain has been checked against the subject.
        if claims.sub != agent.agent.name {
            return Err(TokenRefused::OtherAgent { claimed: claims.sub });
        }
        Ok(claims)
    }

    /// The public half, as a JWK set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> String {
        self.jwks.clone()
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;
