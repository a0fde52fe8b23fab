//! Which key signs, which is next, and until when the earlier ones verify.

use std::sync::Arc;

use aegis_token::{Algorithm, SigningKey};

use super::{KeysError, MAX_LEEWAY, Published, Use};

/// More retired keys than this are not kept: each is published, and tried to be stolen.
pub const MAX_RETIRED: usize = 32;

/// How keys are made and when they are replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) algorithm: Algorithm,
    /// Seconds; none where only somebody's command rotates.
    pub(super) rotate_every: Option<u64>,
    /// The longest life of a token that may be minted, in seconds.
    pub(super) longest: u64,
}

/// A key with its age.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) key: Arc<SigningKey>,
    /// Seconds since 1970.
    pub(super) created: u64,
}

impl Held {
    pub(super) fn generate(algorithm: Algorithm, now: u64) -> Result<Self, KeysError> {
        let key = SigningKey::generate(algorithm).map_err(KeysError::Generate)?;
        Ok(Self { key: Arc::new(key), created: now })
    }
}

/// The keys of one host. Changed by making the one that comes after it, which is written down first.
#[derive(Clone)]
pub(super) struct Ring {
    pub(super) policy: Policy,
    pub(super) current: Held,
    /// When the current key began to sign.
    pub(super) since: u64,
    /// The longest life of a token that the current key may have signed; the configuration may have said more before.
    pub(super) longest: u64,
    pub(super) next: Held,
    /// With the time from which each verifies no more.
    pub(super) retired: Vec<(Held, u64)>,
}

impl Ring {
    /// After a rotation at `now`: `fresh` is the one that comes next.
    pub(super) fn rotated(&self, fresh: Held, now: u64) -> Result<Self, KeysError> {
        let mut retired = self.without_expired(now).retired;
        if retired.len() >= MAX_RETIRED {
            return Err(KeysError::TooMany);
        }
        retired.push((self.current.clone(), now.saturating_add(self.longest).saturating_add(MAX_LEEWAY)));
        Ok(Self {
            policy: self.policy,
            current: self.next.clone(),
            since: now,
            longest: self.policy.longest,
            next: fresh,
            retired,
        })
    }

    /// Without the retired keys whose last token has expired by `now`.
    pub(super) fn without_expired(&self, now: u64) -> Self {
        let retired = self.retired.iter().filter(|(_, until)| *until > now).cloned().collect();
        Self { retired, ..self.clone() }
    }

    pub(super) fn rotates_at(&self) -> Option<u64> {
        self.policy.rotate_every.map(|every| self.since.saturating_add(every))
    }

    pub(super) fn published(&self) -> Vec<Published> {
        let of = |held: &Held, used| Published { key: Arc::clone(&held.key), created: held.created, used };
        let retired = self.retired.iter().rev().map(|(held, until)| of(held, Use::Retired { until: *until }));
        [of(&self.current, Use::Current), of(&self.next, Use::Next)].into_iter().chain(retired).collect()
    }
}
