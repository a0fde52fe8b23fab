//! The keys that tokens are signed with: our own, generated and rotated with overlap, or one that is given and replaced by somebody else.

mod directory;
mod given;
mod ring;

use std::path::PathBuf;
use std::sync::Arc;

use aegis_token::{SigningKey, TokenError};

use crate::config::{Config, KeySource};
use crate::state::secret::SecretError;
use directory::Directory;
use given::Given;
pub use ring::MAX_RETIRED;

/// Added to the life of the longest token: verifiers' clocks may be this far behind, in seconds (the most that `tokens.leeway_s` may be).
const MAX_LEEWAY: u64 = 300;

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("the token keys cannot be used: {0}")]
    Secret(#[from] SecretError),
    #[error("{path} is no token key: {source}; correct it, or move it away to get a new one")]
    Malformed { path: PathBuf, source: TokenError },
    #[error(
        "{path} cannot be used: {why}; put back what is missing, or move the directory away to begin with new keys"
    )]
    Broken { path: PathBuf, why: String },
    #[error("{path} can be entered by others (mode {mode:04o}); fix: chmod 700 {path}")]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("no new key can be made: {0}")]
    Generate(TokenError),
    #[error("the key comes from {0}, which is not ours to rotate; put a new key there")]
    Given(PathBuf),
    #[error(
        "{MAX_RETIRED} retired keys are still valid; wait until the first of them has run out (aegisctl keys list)"
    )]
    TooMany,
}

/// What a key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Signs.
    Current,
    /// Published already, so that every verifier knows it before its first token comes; signs after the next rotation.
    Next,
    /// Signs no more; verifies until then (seconds since 1970), when the last of its tokens has expired.
    Retired { until: u64 },
}

/// One key of those that are published.
#[derive(Clone)]
pub struct Published {
    pub key: Arc<SigningKey>,
    /// Seconds since 1970.
    pub created: u64,
    pub used: Use,
}

/// All keys of this host.
pub enum Keys {
    Own(Directory),
    Given(Given),
}

impl Keys {
    /// The keys as the configuration has them, at `now` (seconds since 1970); new ones where there are none yet.
    ///
    /// # Errors
    /// When a key cannot be read or written, is none, or can be read by others.
    pub fn open(config: &Config, now: u64) -> Result<Self, KeysError> {
        let tokens = &config.tokens;
        match &tokens.keys {
            KeySource::Own { rotate_every } => {
                let policy = ring::Policy {
                    algorithm: tokens.algorithm,
                    rotate_every: rotate_every.map(|every| every.as_secs()),
                    longest: tokens.max_ttl.as_secs(),
                };
                Ok(Self::Own(Directory::open(&config.state_dir, policy, now)?))
            }
            KeySource::File(path) => Ok(Self::Given(Given::open(path, tokens.max_ttl.as_secs(), now)?)),
        }
    }

    /// Does what is due at `now`: rotates, takes up a replaced key, drops what has run out. Says whether anything changed.
    ///
    /// # Errors
    /// When that failed; the keys stay as they are.
    pub fn tick(&mut self, now: u64) -> Result<bool, KeysError> {
        match self {
            Self::Own(own) => own.tick(now),
            Self::Given(given) => given.tick(now),
        }
    }

    /// Begins to sign with the next key.
    ///
    /// # Errors
    /// When the keys are not ours, too many retired ones are still valid, or the disk says no; the keys stay as they are.
    pub fn rotate(&mut self, now: u64) -> Result<(), KeysError> {
        match self {
            Self::Own(own) => own.rotate(now),
            Self::Given(given) => Err(KeysError::Given(given.path().to_owned())),
        }
    }

    /// All keys that verify, the signing one first.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        match self {
            Self::Own(own) => own.ring().published(),
            Self::Given(given) => given.published(),
        }
    }

    /// When the next rotation is due, in seconds since 1970; none where we do not rotate.
    #[must_use]
    pub fn rotates_at(&self) -> Option<u64> {
        match self {
            Self::Own(own) => own.ring().rotates_at(),
            Self::Given(_) => None,
        }
    }

    /// Where the keys are.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        match self {
            Self::Own(own) => own.path().to_owned(),
            Self::Given(given) => given.path().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
