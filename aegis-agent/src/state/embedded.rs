//! The state store in one file, `state_dir/state.redb`: for one host, without any other service.
//!
//! A file that cannot be read is never replaced by an empty one: that would forget which tokens were used and which are revoked. The daemon
//! refuses to start, and the message says what to do.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::Database;
use redb::backends::FileBackend;
use tokio::sync::{mpsc, oneshot};

use super::definitions::{self, Defined, Which};
use super::shares::Limits;
use super::store::{Claim, Revoked, StateError, Unavailable};
use super::tables;
use super::token_id::TokenId;
use super::writer::{Job, Slot, Writer};

/// Jobs that may wait for the writer.
const QUEUE: usize = 1024;
/// The longest that a request waits for the disk.
const WAIT: Duration = Duration::from_secs(2);
/// Between two sweeps, in seconds.
const SWEEP_S: u64 = 60;
/// Memory for pages, in bytes.
const CACHE: usize = 16 << 20;

pub(super) struct Embedded {
    slot: Arc<Slot>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    path: PathBuf,
    /// When it was swept last, in seconds since 1970.
    swept: AtomicU64,
}

impl Embedded {
    /// The store in `path`, made where there is none.
    pub(super) fn open(path: &Path, limits: Limits) -> Result<Self, StateError> {
        let slot = Arc::new(Slot::default());
        let writer = Writer::new(path.to_owned(), database(path, Found::OrMade)?, limits, Arc::clone(&slot))
            .map_err(|error| unusable(path, error.to_string()))?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("aegis-state".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|error| StateError::Start(error.to_string()))?;
        Ok(Self { slot, jobs: Some(jobs), writer: Some(writer), path: path.to_owned(), swept: AtomicU64::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Why the last write failed.
    pub(super) fn broken(&self) -> Option<String> {
        self.slot.broken()
    }

    pub(super) async fn claim(&self, id: &TokenId, holder: &str, until: u64, now: u64) -> Result<Claim, Unavailable> {
        let (id, holder) = (id.clone(), holder.to_owned());
        self.ask(|answer| Job::Claim { id, holder, until, now, answer }).await
    }

    pub(super) async fn revoke(&self, id: &TokenId, by: &str, until: u64, now: u64) -> Result<(), Unavailable> {
        let (id, by) = (id.clone(), by.to_owned());
        self.ask(|answer| Job::Revoke { id, by, until, now, answer }).await
    }

    /// What is known of each of an agent's definitions; those that are new are kept.
    pub(super) async fn define(&self, agent: &str, all: Vec<Defined>, now: u64) -> Result<Vec<String>, Unavailable> {
        let (whose, looked) = (agent.to_owned(), all.clone());
        let known = self.read(move |db| definitions::known(db, &whose, &looked)).await?;
        if let Some(known) = known.into_iter().collect() {
            return Ok(known);
        }
        let agent = agent.to_owned();
        self.ask(|answer| Job::Define { agent, all, now, answer }).await
    }

    /// How many definitions an agent has, and at most so many of them.
    pub(super) async fn definitions(&self, agent: &str, most: usize) -> Result<(u64, Vec<Defined>), Unavailable> {
        let agent = agent.to_owned();
        self.read(move |db| definitions::list(db, &agent, most)).await
    }

    /// Forgets some of an agent's definitions.
    pub(super) async fn forget(&self, agent: &str, which: Which, now: u64) -> Result<u64, Unavailable> {
        let agent = agent.to_owned();
        self.ask(|answer| Job::Forget { agent, which, now, answer }).await
    }

    /// Removes some of what is over, not too often: what is left goes with the next ones. After a failure it tries the file again.
    pub(super) fn sweep(&self, now: u64) {
        if now.saturating_sub(self.swept.load(Relaxed)) < SWEEP_S && self.broken().is_none() {
            return;
        }
        self.swept.store(now, Relaxed);
        // A full queue sweeps by itself.
        let _ = self.jobs.as_ref().map(|jobs| jobs.try_send(Job::Sweep { now }));
    }

    pub(super) async fn revoked(&self, id: &TokenId, now: u64) -> Result<bool, Unavailable> {
        let id = id.clone();
        self.read(move |db| tables::revoked(db, id.as_str(), now)).await
    }

    pub(super) async fn revocations(&self, now: u64, most: usize) -> Result<(u64, Vec<Revoked>), Unavailable> {
        self.read(move |db| tables::revocations(db, now, most)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let closed = || Unavailable::new(self.broken().unwrap_or_else(|| "state.redb is closed".to_owned()));
        let db = self.slot.get().ok_or_else(closed)?;
        tokio::task::spawn_blocking(move || look(&db))
            .await
            .map_err(|error| Unavailable::new(error.to_string()))?
            .map_err(|error| Unavailable::new(format!("state.redb cannot be read: {error}")))
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Unavailable>>) -> Job) -> Result<T, Unavailable> {
        let gone = || {
            let why = self.broken().unwrap_or_else(|| "the write broke off".to_owned());
            Unavailable::new(format!("state.redb cannot be written: {why}"))
        };
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        let asking = async {
            let (answer, receiver) = oneshot::channel();
            jobs.send(job(answer)).await.map_err(|_| gone())?;
            receiver.await.map_err(|_| gone())?
        };
        let late = |_| Unavailable::new(format!("state.redb: the disk took longer than {} s", WAIT.as_secs()));
        tokio::time::timeout(WAIT, asking).await.map_err(late)?
    }
}

impl Drop for Embedded {
    /// The file is free for the next one when this returns.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// What may be in the place of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// At the start: a file of ours, or none yet.
    OrMade,
    /// After an error: the file that was there. An empty one in its place would have forgotten which tokens were used and which are revoked.
    Again,
}

/// Opens the file, or makes it where there may be none yet.
pub(super) fn database(path: &Path, found: Found) -> Result<Database, StateError> {
    let again = found == Found::Again;
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound if again => unusable(path, "it is gone".to_owned()),
        _ => StateError::Io { path: path.to_owned(), why: error.to_string() },
    };
    let file =
        OpenOptions::new().read(true).write(true).create(!again).truncate(false).mode(0o600).open(path).map_err(io)?;
    if again && file.metadata().map_err(io)?.len() == 0 {
        return Err(unusable(path, "it has been emptied".to_owned()));
    }
    file.set_permissions(Permissions::from_mode(0o600)).map_err(io)?;
    // Every page is checked now: a damaged one found later would refuse requests for no reason that anybody sees at the start. In builds with
    // debug assertions redb panics at some damage instead of saying so.
    let opened = catch_unwind(AssertUnwindSafe(|| -> Result<Database, redb::Error> {
        let backend = FileBackend::new(file)?;
        let mut builder = Database::builder();
        let db = builder.set_cache_size(CACHE).set_check_integrity_on_open(true).create_with_backend(backend)?;
        tables::prepare(&db, again)?;
        Ok(db)
    }));
    match opened {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(redb::Error::DatabaseAlreadyOpen)) => Err(StateError::InUse { path: path.to_owned() }),
        Ok(Err(error)) => Err(unusable(path, error.to_string())),
        Err(_) => Err(unusable(path, "its pages contradict each other".to_owned())),
    }
}

fn unusable(path: &Path, why: String) -> StateError {
    StateError::Unusable { path: path.to_owned(), why }
}

#[cfg(test)]
#[path = "embedded_tests.rs"]
mod tests;
