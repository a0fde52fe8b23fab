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
use crate::state::{Heard, News, Revoked, TokenId, Unavailable};

/// Between two looks at the store while it answers.
const EVERY: Duration = Duration::from_secs(1);
/// After a failure: twice as long each time, from the first to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// Revocations that wait for the store. Beyond it, who revokes is told that it cannot be done; half of it is not for agents, and none has more than a share.
const MAX_UNSAVED: usize = 10_000;
const MAX_UNSAVED_EACH: usize = 500;

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

    /// False where there is no room. Of two revocations of one token the longer one counts, whoever's it is.
    pub(super) fn add(&self, id: &TokenId, until: SystemTime, by: &str) -> bool {
        let mut all = self.all();
        if let Some(waiting) = all.get_mut(id) {
            waiting.until = waiting.until.max(until);
            return true;
        }
        let room = if by.is_empty() { MAX_UNSAVED } else { MAX_UNSAVED / 2 };
        let own = || all.values().filter(|waiting| waiting.by == by).count();
        if all.len() >= room || (!by.is_empty() && own() >= MAX_UNSAVED_EACH) {
            return false;
        }
        all.insert(id.clone(), Waiting { until, by: by.to_owned() });
        self.count.store(all.len(), Ordering::SeqCst);
        true
    }

    /// The store has it until then. One that is to last longer waits on.
    pub(super) fn saved(&self, id: &TokenId, until: SystemTime) {
        let mut all = self.all();
        if all.get(id).is_some_and(|waiting| waiting.until <= until) {
            all.remove(id);
        }
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
    /// It was shown by another agent than its owner, who is named here where this host knows it; the thief otherwise. Counted as that one's: whoever lets
    /// tokens be stolen by the thousand fills no store for all others.
    Theft(&'a Enrolled),
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
            Revoker::Agent(agent) | Revoker::Theft(agent) => self.holder(agent.index),
            Revoker::Administrator => String::new(),
        };
        // Shown again and again by a thief: each time costs the store nothing.
        if matches!(revoker, Revoker::Theft(_))
            && self.known.get(&id) == Some(Known::Revoked)
            && !self.unsaved.holds(&id)
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
                self.unsaved.saved(&id, until);
                Revocation::Stored
            }
            Err(why) if noted => Revocation::Here(why),
            Err(why) => Revocation::NotMade(why),
        };
        Some((revocation, until))
    }

    /// Whether the token of `claims` is known to be revoked. Asks nobody.
    #[must_use]
    pub fn known_revoked(&self, claims: &Claims) -> bool {
        TokenId::new(&claims.iss, &claims.jti)
            .is_some_and(|id| self.known.get(&id) == Some(Known::Revoked) || self.unsaved.holds(&id))
    }

    /// Whether the token of `claims` is revoked.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn is_revoked(&self, claims: &Claims, now: SystemTime) -> Result<bool, Unavailable> {
        match TokenId::new(&claims.iss, &claims.jti) {
            Some(_) if self.known_revoked(claims) => Ok(true),
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
        let Heard { news, asked, more } = self.store.news(now).await?;
        match news {
            News::Revoked(ids) => ids.iter().for_each(|id| self.learn(id)),
            News::Lost => self.lost(),
        }
        // Only now, and for the moment of asking: what came between is not known yet.
        if !more {
            self.store.caught_up(asked);
        }
        let mut failed = None;
        for (id, Waiting { until, by }) in self.unsaved.list() {
            match self.store.revoke(&id, &by, until, now).await {
                Err(why) if until > now => failed = Some(why),
                _ => self.unsaved.saved(&id, until),
            }
        }
        failed.map_or(Ok(more), Err)
    }

    /// What was good before may be revoked by now; what was used or revoked is so for ever.
    pub(super) fn lost(&self) {
        self.learned.fetch_add(1, Ordering::SeqCst);
        self.era.fetch_add(1, Ordering::SeqCst);
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
