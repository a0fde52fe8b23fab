//! Tokens that are good for nobody any more: by an administrator, by the agent itself, or because they were stolen.
//!
//! A revocation holds on this host from the moment it is made, whether the store answers or not, and on the others once they have read of it:
//! each asks every second. A host that cannot ask does not rely on what it learned before ([`crate::state::Store::fresh`]).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_token::Claims;

use super::Enrolled;
use super::replay::{Known, LONGEST, Replay, kept_until};
use crate::state::{News, Revoked, TokenId, Unavailable};

/// Between two looks at the store while it answers.
const EVERY: Duration = Duration::from_secs(1);
/// After a failure: twice as long each time, from the first to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// As many news at once mean that there are more.
const MANY: usize = 500;
/// Revocations that wait for the store. Beyond it, who revokes is told that it cannot be done; half of it is not for agents.
const MAX_UNSAVED: usize = 10_000;

/// Revocations that the store has not taken yet.
#[derive(Default)]
pub(super) struct Unsaved {
    /// So that a request takes no lock while there are none.
    count: AtomicUsize,
    all: Mutex<HashMap<TokenId, Waiting>>,
}

#[derive(Clone, Debug)]
struct Waiting {
    until: SystemTime,
    by: String,
}

impl Unsaved {
    pub(super) fn holds(&self, id: &TokenId) -> bool {
        self.count.load(Ordering::SeqCst) > 0 && self.all().contains_key(id)
    }

    /// False where there is no room.
    fn add(&self, id: &TokenId, until: SystemTime, by: &str) -> bool {
        let mut all = self.all();
        let room = if by.is_empty() { MAX_UNSAVED } else { MAX_UNSAVED / 2 };
        if all.len() >= room && !all.contains_key(id) {
            return false;
        }
        all.insert(id.clone(), Waiting { until, by: by.to_owned() });
        self.count.store(all.len(), Ordering::SeqCst);
        true
    }

    fn saved(&self, id: &TokenId) {
        let mut all = self.all();
        all.remove(id);
        self.count.store(all.len(), Ordering::SeqCst);
    }

    fn list(&self) -> Vec<(TokenId, Waiting)> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        self.all().iter().map(|(id, waiting)| (id.clone(), waiting.clone())).collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<TokenId, Waiting>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who takes a token's worth away.
#[derive(Clone, Copy, Debug)]
pub enum Revoker<'a> {
    Administrator,
    /// An agent its own token.
    Agent(&'a Enrolled),
    /// It was shown by another agent.
    Theft,
}

/// How far a revocation came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// It holds everywhere.
    Stored,
    /// It holds on this host, and is stored as soon as the store answers.
    Here(Unavailable),
    /// It holds nowhere: too many wait for the store already.
    NotMade(Unavailable),
}

impl Replay {
    /// Revokes the token with `jti` of `issuer`, which ends at `exp` (seconds since 1970), or nobody knows when. None where the `jti` is empty.
    pub async fn revoke(
        &self,
        issuer: &str,
        jti: &str,
        exp: Option<u64>,
        revoker: Revoker<'_>,
        now: SystemTime,
    ) -> Option<(Revocation, SystemTime)> {
        let id = TokenId::new(issuer, jti)?;
        // Nothing that ends later is admitted.
        let latest = kept_until(numeric_date(now).saturating_add(LONGEST.as_secs()), now).unwrap_or(now);
        let until = exp.map_or(latest, |exp| kept_until(exp, now).unwrap_or(latest));
        let by = match revoker {
            Revoker::Agent(agent) => self.holder(agent.index),
            Revoker::Administrator | Revoker::Theft => String::new(),
        };
        // Shown again and again by a thief: each time costs the store nothing.
        if matches!(revoker, Revoker::Theft) && self.known.get(&id) == Some(Known::Revoked) && !self.unsaved.holds(&id)
        {
            return Some((Revocation::Stored, until));
        }
        let noted = self.unsaved.add(&id, until, &by);
        if noted {
            self.learn(&id);
        }
        let revocation = match self.store.revoke(&id, &by, until, now).await {
            Ok(()) => {
                self.learn(&id);
                self.unsaved.saved(&id);
                Revocation::Stored
            }
            Err(why) if noted => Revocation::Here(why),
            Err(why) => Revocation::NotMade(why),
        };
        Some((revocation, until))
    }

    /// Whether the token of `claims` is revoked.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn is_revoked(&self, claims: &Claims, now: SystemTime) -> Result<bool, Unavailable> {
        match TokenId::new(&claims.iss, &claims.jti) {
            Some(id) if self.known.get(&id) == Some(Known::Revoked) || self.unsaved.holds(&id) => Ok(true),
            Some(id) => self.store.revoked(&id, now).await,
            None => Ok(false),
        }
    }

    /// How many tokens are revoked, and at most `most` of them.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn revocations(&self, most: usize, now: SystemTime) -> Result<(u64, Vec<Revoked>), Unavailable> {
        self.store.revocations(most, now).await
    }

    /// Keeps up with the store, for ever: learns what was revoked elsewhere, and hands in what it could not take before.
    pub async fn keep_up(&self) {
        let mut retry = RETRY.0;
        loop {
            let pause = match self.keep_up_once(SystemTime::now()).await {
                Ok(more) => {
                    retry = RETRY.0;
                    if more { Duration::ZERO } else { EVERY }
                }
                Err(_) => {
                    let pause = retry;
                    retry = pause.saturating_mul(2).min(RETRY.1);
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Says whether there is more to be read.
    async fn keep_up_once(&self, now: SystemTime) -> Result<bool, Unavailable> {
        let more = match self.store.news(now).await? {
            News::Revoked(ids) => {
                ids.iter().for_each(|id| self.learn(id));
                ids.len() >= MANY
            }
            News::Lost => {
                self.learned.fetch_add(1, Ordering::SeqCst);
                self.known.invalidate_all();
                false
            }
        };
        let mut failed = None;
        for (id, Waiting { until, by }) in self.unsaved.list() {
            match self.store.revoke(&id, &by, until, now).await {
                Err(why) if until > now => failed = Some(why),
                _ => self.unsaved.saved(&id),
            }
        }
        failed.map_or(Ok(more), Err)
    }

    fn learn(&self, id: &TokenId) {
        self.learned.fetch_add(1, Ordering::SeqCst);
        self.known.insert(id.clone(), Known::Revoked);
    }
}

/// A time as RFC 7519 writes it: seconds since 1970.
#[must_use]
pub fn numeric_date(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
