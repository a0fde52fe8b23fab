//! The one thread that writes `state.redb`. What waits is written in one transaction with one flush to disk, and answered only after it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::definitions::{self, Defined, Which};
use super::embedded::{Found, database};
use super::shares::{Limits, Shares};
use super::store::{Claim, Unavailable};
use super::tables::{self, Full};
use super::token_id::TokenId;

/// Most jobs of one transaction.
const BATCH: usize = 256;
/// Entries removed beside every batch, so that what ends keeps pace with what is made.
const SWEPT: usize = 512;
/// Between attempts to open the file again.
const REOPEN: Duration = Duration::from_secs(1);

/// What is to be written, and where the answer goes. Times are seconds since 1970.
pub(super) enum Job {
    Claim {
        id: TokenId,
        holder: String,
        until: u64,
        now: u64,
        answer: oneshot::Sender<Result<Claim, Unavailable>>,
    },
    Revoke {
        id: TokenId,
        by: String,
        until: u64,
        now: u64,
        answer: oneshot::Sender<Result<(), Unavailable>>,
    },
    /// Definitions of tools that an agent got from a server for the first time.
    Define {
        agent: String,
        all: Vec<Defined>,
        now: u64,
        answer: oneshot::Sender<Result<Vec<String>, Unavailable>>,
    },
    /// Definitions of tools that an agent is to know no more.
    Forget {
        agent: String,
        which: Which,
        now: u64,
        answer: oneshot::Sender<Result<u64, Unavailable>>,
    },
    /// Nothing but the removal of what is over.
    Sweep {
        now: u64,
    },
}

/// The open file, none after a failure, and why.
#[derive(Default)]
pub(super) struct Slot(Mutex<(Option<Arc<Database>>, Option<String>)>);

impl Slot {
    pub(super) fn get(&self) -> Option<Arc<Database>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(super) fn broken(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub(super) fn set(&self, db: Option<Arc<Database>>, broken: Option<String>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), (db, broken));
        // Closing a file takes a while: not under the lock.
        drop(before);
    }
}

pub(super) struct Writer {
    path: PathBuf,
    slot: Arc<Slot>,
    shares: Shares,
    tried: Instant,
}

impl Writer {
    pub(super) fn new(path: PathBuf, db: Database, limits: Limits, slot: Arc<Slot>) -> Result<Self, redb::Error> {
        let shares = tables::shares(&db, limits)?;
        slot.set(Some(Arc::new(db)), None);
        Ok(Self { path, slot, shares, tried: Instant::now() })
    }

    /// Writes until nobody can send any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(BATCH);
        while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
            if let Err(why) = self.write(&mut batch) {
                tracing::error!("the state store: {why}; tokens are refused");
                // redb writes nothing more after an error of the disk: only a file that is opened anew is believed.
                self.slot.set(None, Some(why));
            }
        }
        self.slot.set(None, None);
    }

    fn write(&mut self, batch: &mut Vec<Job>) -> Result<(), String> {
        let mut answers = Vec::with_capacity(batch.len());
        let written = match self.db() {
            Ok(db) => transaction(&db, &mut self.shares, batch, &mut answers).map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        let why = written.as_ref().err().map(|why| Unavailable::new(format!("state.redb cannot be written: {why}")));
        // What was not reached is dropped here, and so are the senders of its answers.
        batch.clear();
        answers.into_iter().for_each(|answer| answer.give(why.as_ref()));
        written
    }

    fn db(&mut self) -> Result<Arc<Database>, String> {
        if let Some(db) = self.slot.get() {
            return Ok(db);
        }
        if self.tried.elapsed() < REOPEN {
            return Err(self.slot.broken().unwrap_or_default());
        }
        self.tried = Instant::now();
        let db = Arc::new(database(&self.path, Found::Again).map_err(|error| error.to_string())?);
        self.shares = tables::shares(&db, self.shares.limits).map_err(|error| error.to_string())?;
        self.slot.set(Some(Arc::clone(&db)), None);
        tracing::info!("the state store is open again");
        Ok(db)
    }
}

/// An answer that is given once the transaction is on disk.
enum Answer {
    Claim(oneshot::Sender<Result<Claim, Unavailable>>, Result<Claim, Unavailable>),
    Revoke(oneshot::Sender<Result<(), Unavailable>>, Result<(), Unavailable>),
    Define(oneshot::Sender<Result<Vec<String>, Unavailable>>, Result<Vec<String>, Unavailable>),
    Forget(oneshot::Sender<Result<u64, Unavailable>>, Result<u64, Unavailable>),
}

impl Answer {
    /// A receiver that is gone has given up waiting.
    fn give(self, failed: Option<&Unavailable>) {
        let failed = failed.cloned();
        match self {
            Self::Claim(to, answer) => _ = to.send(failed.map_or(answer, Err)),
            Self::Revoke(to, answer) => _ = to.send(failed.map_or(answer, Err)),
            Self::Define(to, answer) => _ = to.send(failed.map_or(answer, Err)),
            Self::Forget(to, answer) => _ = to.send(failed.map_or(answer, Err)),
        }
    }
}

fn transaction(
    db: &Database,
    shares: &mut Shares,
    batch: &mut Vec<Job>,
    answers: &mut Vec<Answer>,
) -> Result<(), redb::Error> {
    let transaction = db.begin_write()?;
    let mut latest = 0;
    for job in batch.drain(..) {
        let (now, answer) = one(&transaction, shares, job)?;
        latest = now.max(latest);
        answers.extend(answer);
    }
    tables::sweep(&transaction, shares, latest, SWEPT)?;
    transaction.commit()?;
    Ok(())
}

fn one(transaction: &WriteTransaction, shares: &mut Shares, job: Job) -> Result<(u64, Option<Answer>), redb::Error> {
    Ok(match job {
        Job::Claim { id, holder, until, now, answer } => {
            let made = tables::claim(transaction, shares, id.as_str(), &holder, (until, now))?;
            (now, Some(Answer::Claim(answer, Ok(made.unwrap_or(Claim::Full)))))
        }
        Job::Revoke { id, by, until, now, answer } => {
            let made = tables::revoke(transaction, shares, id.as_str(), &by, (until, now))?;
            (now, Some(Answer::Revoke(answer, made.map_err(|why| full(why, shares.limits)))))
        }
        Job::Define { agent, all, now, answer } => {
            let kept = definitions::keep(transaction, &agent, &all)?;
            let kept =
                kept.ok_or_else(|| Unavailable::new(format!("more than {} definitions of tools", definitions::MOST)));
            (now, Some(Answer::Define(answer, kept)))
        }
        Job::Forget { agent, which, now, answer } => {
            let forgotten = definitions::forget(transaction, &agent, &which)?;
            (now, Some(Answer::Forget(answer, Ok(forgotten))))
        }
        Job::Sweep { now } => (now, None),
    })
}

fn full(why: Full, most: Limits) -> Unavailable {
    Unavailable::new(match why {
        Full::Store => format!("state.redb is full: {} tokens that have not ended yet", most.entries),
        Full::Share => format!("this agent has {} tokens that have not ended yet, the most for one", most.share),
    })
}
