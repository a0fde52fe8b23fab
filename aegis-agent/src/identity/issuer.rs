//! Tokens: minted for an agent, checked on the agent's own sockets.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_token::{Algorithm, Claims, DelegationError, KeySet, TokenError, delegate};
use arc_swap::ArcSwap;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Enrolled;
use super::keys::{Keys, KeysError, Published};
use super::shown::{Shown, remembered};
use super::trust::{Trust, Unverified};
use super::trusted::{self, Outside};
use crate::config::{Config, Tokens, Trusted};

/// Scopes that the agent does not have: so many are named.
const NAMED: usize = 8;

/// Why a token is not made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error("a token lives between 1 and {max} seconds; {asked} were asked for")]
    Ttl { asked: u64, max: u64 },
    #[error("{} is not among the agent's scopes", .0.join(", "))]
    Excess(Vec<String>),
    #[error("a parent's token is for making a sub-agent's; name the sub-agent too")]
    ParentWithoutChild,
    #[error("the parent's token is another issuer's; that one makes its sub-agents' tokens too")]
    ForeignParent,
    #[error(transparent)]
    Delegation(#[from] DelegationError),
    #[error("the parent's token: {0}")]
    Parent(TokenRefused),
    #[error("the token cannot be made: {0}")]
    Token(TokenError),
}

/// What somebody wants of a new token; the default is the agent's own, with all its scopes.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub ttl: Option<Duration>,
    /// Fewer than there would be.
    pub scopes: Option<Vec<String>>,
    /// The sub-agent that it is for.
    pub child: Option<String>,
    /// The token of who makes it; without one the agent itself does.
    pub parent_token: Option<String>,
}

/// A new token.
#[derive(Clone, Debug)]
pub struct Minted {
    pub token: String,
    pub claims: Claims,
}

/// Why a presented token does not hold here.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefused {
    #[error("the token does not hold: {0}")]
    Invalid(TokenError),
    #[error(
        "the token names a key that its issuer has not published yet, as far as is known here; the issuer is being asked"
    )]
    KeyPending,
    #[error("the token says of the agent what is no longer so ({0})")]
    Outdated(&'static str),
    /// Stolen or passed on: somebody else's token on this agent's socket. Recorded as `token_theft`.
    #[error("the token belongs to another agent ({}) than the one that this connection comes from", .claims.sub)]
    OtherAgent { claims: Box<Claims> },
}

impl TokenRefused {
    /// The word for records and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OtherAgent { .. } => "token_theft",
            _ => "token_invalid",
        }
    }

    /// Whether a new token would help.
    #[must_use]
    pub fn is_renewable(&self) -> bool {
        match self {
            Self::Invalid(error) => error.is_renewable(),
            Self::KeyPending | Self::Outdated(_) => true,
            Self::OtherAgent { .. } => false,
        }
    }
}

/// The keys of a moment, to be shown.
pub struct Ring {
    pub place: PathBuf,
    pub keys: Vec<Published>,
    /// When the next rotation is due, in seconds since 1970; none where it is not ours to do.
    pub rotates_at: Option<u64>,
}

/// The host's token keys, and whose tokens are taken.
pub struct Issuer {
    tokens: Tokens,
    keys: Mutex<Keys>,
    trust: ArcSwap<Trust>,
    /// Held for the moment in which the view is replaced: two changes at once must not undo each other.
    replacing: Mutex<()>,
    outside: Vec<Arc<Outside>>,
    /// SHA-256 of a token that verified.
    verified: Cache<[u8; 32], Arc<Shown>>,
}

impl Issuer {
    /// The keys as the configuration has them, at `now`.
    ///
    /// # Errors
    /// When a key cannot be read or written, others may read it, or it is none.
    pub fn open(config: &Config, now: SystemTime) -> Result<Self, KeysError> {
        let tokens = config.tokens.clone();
        let mut keys = Keys::open(config, unix(now))?;
        // What was due while the daemon was away.
        keys.tick(unix(now))?;
        let trust = ArcSwap::from_pointee(Trust::new(&tokens, &keys)?);
        let outside = tokens.trusted.iter().map(|spec| Arc::new(Outside::new(spec.clone()))).collect();
        Ok(Self { tokens, keys: Mutex::new(keys), trust, replacing: Mutex::default(), outside, verified: remembered() })
    }

    /// A token for `agent`, or for a sub-agent of it, that holds from `now`.
    ///
    /// # Errors
    /// When more is wanted than the agent, or the parent's token, has; see [`MintError`].
    pub fn mint(&self, agent: &Enrolled, wanted: &Wanted, now: SystemTime) -> Result<Minted, MintError> {
        let ttl = wanted.ttl.unwrap_or(self.tokens.default_ttl).as_secs();
        let max = self.tokens.max_ttl.as_secs();
        if ttl == 0 || ttl > max {
            return Err(MintError::Ttl { asked: ttl, max });
        }
        let base = match &wanted.parent_token {
            Some(_) if wanted.child.is_none() => return Err(MintError::ParentWithoutChild),
            Some(token) => {
                let parent = self.check(token, agent, now).map_err(MintError::Parent)?;
                // What hangs on another's keys must not live on under ours.
                if parent.claims.iss != self.tokens.issuer {
                    return Err(MintError::ForeignParent);
                }
                parent.claims.clone()
            }
            None => self.own_claims(agent, ttl, unix(now)),
        };
        let claims = match &wanted.child {
            Some(child) => {
                let scopes = wanted.scopes.as_ref().unwrap_or(&base.scopes);
                delegate(&base, child, scopes, ttl, unix(now), jti())?
            }
            None => narrowed(base, wanted.scopes.as_deref())?,
        };
        let token = aegis_token::mint(&self.trust.load().signing, &claims).map_err(MintError::Token)?;
        Ok(Minted { token, claims })
    }

    fn own_claims(&self, agent: &Enrolled, ttl: u64, now: u64) -> Claims {
        let who = &agent.agent;
        Claims {
            iss: self.tokens.issuer.clone(),
            aud: self.tokens.audience.clone(),
            sub: who.name.clone(),
            org: who.org.clone(),
            tenant: who.tenant.clone(),
            agent_id: who.name.clone(),
            parent_agent_id: who.parent.clone(),
            act: None,
            scopes: who.scopes.clone(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(ttl),
            jti: jti(),
        }
    }

    /// What `token` says, presented on a socket of `agent`.
    ///
    /// # Errors
    /// When nobody whom we trust has issued the token, it is not valid at `now`, or another agent's.
    pub fn check(&self, token: &str, agent: &Enrolled, now: SystemTime) -> Result<Arc<Shown>, TokenRefused> {
        let shown = self.verify(token, now)?;
        bound(&shown.claims, agent, shown.claims.iss == self.tokens.issuer)?;
        Ok(shown)
    }

    /// Whether `token`, which held as `shown` when the request began, holds still: its time may have run out, and its key been withdrawn, while the rest
    /// of the request came.
    ///
    /// # Errors
    /// When it does not.
    pub fn still(&self, shown: &Shown, token: &str, now: SystemTime) -> Result<(), TokenRefused> {
        let at = unix(now);
        if shown.generation == self.trust.load().generation && at < shown.claims.exp {
            return Ok(());
        }
        self.verify(token, now).map(drop)
    }

    /// What `token` says, whoever presents it.
    ///
    /// # Errors
    /// When nobody whom we trust has issued it, or it is not valid at `now`.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Shown>, TokenRefused> {
        let now = unix(now);
        let trust = self.trust.load();
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        // Without leeway: what has just run out goes to the verifier, which has one. So does what was verified with other keys than those of now.
        let holds = |shown: &Arc<Shown>| {
            shown.generation == trust.generation && shown.claims.nbf <= now && now < shown.claims.exp
        };
        if let Some(shown) = self.verified.get(&digest).filter(holds) {
            return Ok(shown);
        }
        let claims = trust.verify(token, now, |issuer| self.outside(issuer).is_some()).map_err(|why| match why {
            Unverified::Refused(error) => TokenRefused::Invalid(error),
            Unverified::KeyUnknown { issuer, .. } => {
                if let Some(outside) = self.outside(&issuer) {
                    outside.want();
                }
                TokenRefused::KeyPending
            }
        })?;
        let shown = Arc::new(Shown::new(claims, trust.generation));
        self.verified.insert(digest, Arc::clone(&shown));
        Ok(shown)
    }

    fn outside(&self, issuer: &str) -> Option<&Outside> {
        self.outside.iter().find(|outside| outside.spec.issuer == issuer).map(|outside| &**outside)
    }

    /// The outside issuers.
    #[must_use]
    pub fn trusted(&self) -> &[Arc<Outside>] {
        &self.outside
    }

    /// The settings that tokens are made by.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The public keys, as a JWK set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.trust.load().jwks)
    }

    /// The algorithms of the public keys.
    #[must_use]
    pub fn algorithms(&self) -> Arc<[Algorithm]> {
        Arc::clone(&self.trust.load().algorithms)
    }

    /// The keys that verify, the signing one first.
    #[must_use]
    pub fn keys(&self) -> Ring {
        let keys = self.locked();
        Ring { place: keys.place(), keys: keys.published(), rotates_at: keys.rotates_at() }
    }

    /// Begins to sign with the next key; tokens of the one so far hold until they expire. Blocks.
    ///
    /// # Errors
    /// When the keys are not ours to rotate, or cannot be written.
    pub fn rotate(&self, now: SystemTime) -> Result<(), KeysError> {
        let mut keys = self.locked();
        keys.rotate(unix(now))?;
        self.publish(&keys)
    }

    /// Does with the keys what is due at `now`. Blocks.
    ///
    /// # Errors
    /// When that failed; the keys stay as they are.
    pub fn tick(&self, now: SystemTime) -> Result<(), KeysError> {
        let mut keys = self.locked();
        if keys.tick(unix(now))? { self.publish(&keys) } else { Ok(()) }
    }

    fn publish(&self, keys: &Keys) -> Result<(), KeysError> {
        let _order = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.trust.load().with_own(&self.tokens, keys)?;
        tracing::info!(kid = next.signing.kid(), algorithm = %next.signing.algorithm(), "the token keys have changed");
        self.trust.store(Arc::new(next));
        Ok(())
    }

    /// Takes up the keys of an outside issuer, or drops them.
    pub(super) fn outside_keys(&self, spec: &Trusted, keys: Option<KeySet>) {
        let verifier = keys.map(|keys| trusted::verifier(spec, keys, self.tokens.leeway));
        let _order = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.trust.load().with_outside(&spec.issuer, verifier);
        self.trust.store(Arc::new(next));
    }

    fn locked(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With these scopes only, each once however often it was asked for.
fn narrowed(base: Claims, scopes: Option<&[String]>) -> Result<Claims, MintError> {
    let Some(scopes) = scopes else { return Ok(base) };
    let scopes = BTreeSet::from_iter(scopes);
    let excess: Vec<String> =
        scopes.iter().filter(|scope| !base.scopes.contains(scope)).take(NAMED).map(|scope| (*scope).clone()).collect();
    if !excess.is_empty() {
        return Err(MintError::Excess(excess));
    }
    Ok(Claims { scopes: scopes.into_iter().cloned().collect(), ..base })
}

/// Whether the claims are this agent's, as it is now. An outside issuer need not know of the agent what we know; what it says must be right.
fn bound(claims: &Claims, agent: &Enrolled, ours: bool) -> Result<(), TokenRefused> {
    let who = &agent.agent;
    // The rest of the chain has been checked against the subject.
    if claims.sub != who.name {
        return Err(TokenRefused::OtherAgent { claims: Box::new(claims.clone()) });
    }
    let differs = |said: &str, is: &str| said != is && (ours || !said.is_empty());
    if differs(&claims.org, &who.org) || differs(&claims.tenant, &who.tenant) {
        return Err(TokenRefused::Outdated("its org or tenant"));
    }
    let parent = claims.parent_agent_id.as_deref().filter(|_| claims.agent_id == claims.sub);
    if parent.is_some_and(|parent| who.parent.as_deref() != Some(parent)) {
        return Err(TokenRefused::Outdated("its parent"));
    }
    // What we minted was the agent's when we did; a right that was taken away since is gone at once.
    if ours && !claims.scopes.iter().all(|scope| who.scopes.contains(scope)) {
        return Err(TokenRefused::Outdated("its scopes"));
    }
    Ok(())
}

fn jti() -> String {
    Uuid::new_v4().to_string()
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;
