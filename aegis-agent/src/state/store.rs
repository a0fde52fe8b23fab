//! The state store, wherever it is: what was claimed and what is revoked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::definitions::{Defined, Which};
use super::embedded::Embedded;
use super::health::StateHealth;
use super::redis::Redis;
use super::secret::SecretError;
use super::shares::Limits;
use super::token_id::TokenId;
use crate::config::{Config, StatePlace};
use crate::telemetry::Metrics;

/// Why the daemon cannot start with this state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("{path}: {why}")]
    Io { path: PathBuf, why: String },
    #[error("{path} is in use by another process; fix: stop the other daemon, or give this one a state_dir of its own")]
    InUse { path: PathBuf },
    #[error(
        "{path} cannot be read: {why}; it knows which tokens were used and which are revoked, so it is not replaced by an empty one. Fix: restore \
         it, or move it away and make the tokens of before worthless by moving {} away too", .path.with_file_name("keys").display()
    )]
    Unusable { path: PathBuf, why: String },
    #[error("the state store cannot be started: {0}")]
    Start(String),
    #[error("state.redis: {0}")]
    Redis(String),
    #[error("{0}")]
    Secret(#[from] SecretError),
}

/// The store did not answer, or not in time: nobody knows whether the token is good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(Arc<str>);

impl Unavailable {
    pub(super) fn new(why: impl Into<Arc<str>>) -> Self {
        Self(why.into())
    }
}

/// The answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody had the token: it is the holder's now.
    First,
    /// The holder has had it before.
    Same,
    /// Somebody else has it.
    Other,
    /// It is revoked, whoever has it.
    Revoked,
    /// Nobody has it, and the holder, or the store, has no room for one more.
    Full,
}

/// A revoked token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    pub id: TokenId,
    /// Until when this is remembered, in seconds since 1970.
    pub until: u64,
}

/// What happened in a shared store since it was asked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// These were revoked, by whomever.
    Revoked(Vec<TokenId>),
    /// Some of it is lost: nothing that was learned before can be relied on.
    Lost,
}

/// News, and what they are the answer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub news: News,
    pub asked: Asked,
    /// There is more to be read at once: what was learned so far is not all.
    pub more: bool,
}

/// A moment at which the store was asked for news, in milliseconds after it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked(pub(super) u64);

/// The state store.
pub struct Store {
    place: Place,
    metrics: Metrics,
}

enum Place {
    Embedded(Embedded),
    Redis(Box<Redis>),
}

impl Store {
    /// Opens the store that `config` names; `host` is this host's own name in it. A Redis need not be there yet.
    ///
    /// # Errors
    /// When the file, or a file that the configuration names, cannot be used.
    pub fn open(config: &Config, host: &str, metrics: &Metrics) -> Result<Self, StateError> {
        let place = match &config.state {
            StatePlace::Embedded => {
                Place::Embedded(Embedded::open(&config.state_dir.join("state.redb"), Limits::default())?)
            }
            StatePlace::Redis(redis) => Place::Redis(Box::new(Redis::new(redis, host)?)),
        };
        Ok(Self { place, metrics: metrics.clone() })
    }

    /// Gives `id` to `holder` if nobody has it: atomic, over all hosts that share the store. Kept until `until`.
    ///
    /// # Errors
    /// When the store does not answer in time. The claim may have been made all the same.
    pub async fn claim(
        &self,
        id: &TokenId,
        holder: &str,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<Claim, Unavailable> {
        let (until, now) = (unix(until), unix(now));
        let started = Instant::now();
        let answer = match &self.place {
            Place::Embedded(store) => store.claim(id, holder, until, now).await,
            Place::Redis(store) => store.claim(id, holder, until.saturating_sub(now)).await,
        };
        self.count(&answer, started.elapsed());
        answer
    }

    /// Revokes `id` until `until`. `by` is the holder that asks, empty for an administrator: nobody fills the store for all others.
    ///
    /// # Errors
    /// When the store does not answer in time.
    pub async fn revoke(&self, id: &TokenId, by: &str, until: SystemTime, now: SystemTime) -> Result<(), Unavailable> {
        let (until, now) = (unix(until), unix(now));
        let started = Instant::now();
        let answer = match &self.place {
            Place::Embedded(store) => store.revoke(id, by, until, now).await,
            Place::Redis(store) => store.revoke(id, until, now).await,
        };
        self.count(&answer, started.elapsed());
        answer
    }

    /// What is known of each of these definitions, in their order; those that the agent gets for the first time are kept. `all` is
    /// not empty.
    ///
    /// # Errors
    /// When the store does not answer in time, or has no room for more of this agent's.
    pub async fn define(&self, agent: &str, all: Vec<Defined>, now: SystemTime) -> Result<Vec<String>, Unavailable> {
        let started = Instant::now();
        let asked = all.len();
        let answer = match &self.place {
            Place::Embedded(store) => store.define(agent, all, unix(now)).await,
            Place::Redis(store) => store.define(agent, &all).await,
        };
        self.count(&answer, started.elapsed());
        answer.and_then(|known| {
            if known.len() == asked { Ok(known) } else { Err(Unavailable::new("the answer makes no sense")) }
        })
    }

    /// How many definitions of tools an agent knows, and at most `most` of them, by server and tool.
    ///
    /// # Errors
    /// When the store does not answer in time.
    pub async fn definitions(&self, agent: &str, most: usize) -> Result<(u64, Vec<Defined>), Unavailable> {
        let started = Instant::now();
        let answer = match &self.place {
            Place::Embedded(store) => store.definitions(agent, most).await,
            Place::Redis(store) => store.definitions(agent, most).await,
        };
        self.count(&answer, started.elapsed());
        answer
    }

    /// Makes an agent forget some of its definitions; says how many.
    ///
    /// # Errors
    /// When the store does not answer in time. They may be forgotten all the same.
    pub async fn forget(&self, agent: &str, which: Which, now: SystemTime) -> Result<u64, Unavailable> {
        let started = Instant::now();
        let answer = match &self.place {
            Place::Embedded(store) => store.forget(agent, which, unix(now)).await,
            Place::Redis(store) => store.forget(agent, &which).await,
        };
        self.count(&answer, started.elapsed());
        answer
    }

    /// Whether `id` is revoked.
    ///
    /// # Errors
    /// When the store does not answer in time.
    pub async fn revoked(&self, id: &TokenId, now: SystemTime) -> Result<bool, Unavailable> {
        let started = Instant::now();
        let answer = match &self.place {
            Place::Embedded(store) => store.revoked(id, unix(now)).await,
            Place::Redis(store) => store.revoked(id).await,
        };
        self.count(&answer, started.elapsed());
        answer
    }

    /// How many tokens are revoked, and at most `most` of them, those that end last first.
    ///
    /// # Errors
    /// When the store does not answer in time.
    pub async fn revocations(&self, most: usize, now: SystemTime) -> Result<(u64, Vec<Revoked>), Unavailable> {
        match &self.place {
            Place::Embedded(store) => store.revocations(unix(now), most).await,
            Place::Redis(store) => store.revocations(unix(now), most).await,
        }
    }

    /// Asks what was revoked elsewhere, and whether the store can be written at all; tidies up. To be called again and again.
    ///
    /// # Errors
    /// When the store does not answer in time.
    pub async fn news(&self, now: SystemTime) -> Result<Heard, Unavailable> {
        match &self.place {
            Place::Embedded(store) => {
                store.sweep(unix(now));
                let nothing = Heard { news: News::Revoked(Vec::new()), asked: Asked(0), more: false };
                store.broken().map_or(Ok(nothing), |why| Err(Unavailable::new(why)))
            }
            Place::Redis(store) => {
                let started = Instant::now();
                let answer = store.news().await;
                self.count(&answer, started.elapsed());
                answer
            }
        }
    }

    /// All that was to be heard at `asked` has been learned: what was learned before can be relied on for a while from then.
    pub fn caught_up(&self, asked: Asked) {
        match &self.place {
            Place::Embedded(_) => {}
            Place::Redis(store) => store.caught_up(asked),
        }
    }

    /// Whether what was learned from the store can still be relied on: a revocation made elsewhere would be known.
    #[must_use]
    pub fn fresh(&self) -> bool {
        match &self.place {
            Place::Embedded(_) => true,
            Place::Redis(store) => store.fresh(),
        }
    }

    /// How it stands.
    #[must_use]
    pub fn health(&self) -> StateHealth {
        let (kind, place, error) = match &self.place {
            Place::Embedded(store) => ("embedded", store.path().display().to_string(), store.broken()),
            Place::Redis(store) => ("redis", store.address(), store.error()),
        };
        let state = self.metrics.state();
        StateHealth {
            kind,
            place,
            reachable: error.is_none(),
            error,
            calls: state.calls(),
            failed: state.failed(),
            mean_latency: state.mean_latency(),
        }
    }

    fn count<T>(&self, answer: &Result<T, Unavailable>, took: Duration) {
        self.metrics.state().call(answer.is_ok(), took);
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
