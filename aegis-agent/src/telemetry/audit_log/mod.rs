//! The audit log: places reserved before a request is forwarded, records written by one thread.
//!
//! A [`Slot`] is a promise that a record can be written: the disk space for the longest possible record is set aside when it is given out. So a
//! full disk refuses the *next* request and never loses the record of one that was let through. Whatever happens to the task that holds a slot,
//! exactly one record comes of it: the one committed, or, when the slot is dropped (a panic, a cancelled task), one that says so. And whatever
//! happens to the daemon: what was [noted](Slot::note) before it was sent, the next daemon makes a record of.

mod file;
mod ledger;
mod note;
mod recover;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use aegis_audit::{Decision, Draft, SigningKey};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::config;
use crate::state::secret::{self, SecretError};
use file::Paths;
pub use ledger::Unrecordable;
use ledger::{Entry, Ledger};
pub use note::Noted;
use note::{Notes, Place};
use writer::Writer;

/// How long [`AuditLog::drain`] waits for a disk that does not take the records.
const DRAIN: Duration = Duration::from_secs(5);

/// How long [`AuditLog::room`] waits for records to be written.
const ROOM: Duration = Duration::from_secs(2);

/// Why the log cannot be opened, with the fix.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("audit log {path}: {source}; fix: make its directory writable, or set audit.path")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("audit log {path}: another daemon writes it; fix: stop that one, or set audit.path and state_dir")]
    Held { path: PathBuf },
    #[error(
        "audit log {path} cannot be continued, its last line: {why}; fix: keep it as evidence (mv {path} {path}.bad) and start again"
    )]
    NotContinuable { path: PathBuf, why: String },
    #[error("audit signing key: {0}")]
    Secret(#[from] SecretError),
    #[error("audit signing key {path}: {source}; fix: restore it, or move it aside for a new one")]
    Key { path: PathBuf, source: aegis_audit::KeyError },
}

/// How the log fares, for `status` and the metrics.
#[derive(Clone, Debug)]
pub struct AuditHealth {
    pub path: PathBuf,
    /// The signed checkpoints.
    pub checkpoints: PathBuf,
    /// The public half of the key that signs them.
    pub public_key: PathBuf,
    /// Whether records can be written right now.
    pub healthy: bool,
    /// The last record that was written.
    pub last_seq: u64,
    /// Records that wait for the writer.
    pub queued: usize,
    /// Places reserved by requests under way.
    pub open: usize,
    /// Requests that got no place since the start.
    pub refused: u64,
    /// Places that were dropped without a record of their own since the start.
    pub abandoned: u64,
    /// Bytes free on the log's file system; none when it cannot be asked.
    pub bytes_free: Option<u64>,
    /// The last trouble, while it lasts.
    pub error: Option<String>,
}

/// The log. Cheap to clone; the writer ends when the last clone and the last [`Slot`] are gone.
#[derive(Clone)]
pub struct AuditLog(Arc<Inner>);

struct Inner {
    ledger: Arc<Ledger>,
    paths: Paths,
    public_key: PathBuf,
    writer: Option<JoinHandle<()>>,
}

impl AuditLog {
    /// Opens the log for appending, continues its chain and starts the writer. What a crash left behind (a torn line, a file that ends before its
    /// last checkpoint) is moved aside, never deleted, and a record says so. What was under way then gets its record, before any new one.
    ///
    /// # Errors
    /// When the files cannot be had, another daemon holds them, or the last line was tampered with.
    pub fn open(config: &config::Audit, instance: &str, state_dir: &Path) -> Result<Self, OpenError> {
        let paths = Paths::new(&config.path);
        let fail = |source| OpenError::Io { path: paths.log.clone(), source };
        if let Some(dir) = paths.log.parent() {
            secret::private_dir(dir)?;
        }
        let lock = paths.lock().map_err(fail)?.ok_or_else(|| OpenError::Held { path: paths.log.clone() })?;
        let (key, public_key) = signing_key(state_dir)?;
        let fail_at_notes = |source| OpenError::Io { path: paths.notes.clone(), source };
        let (notes, left) = Notes::open(&paths.notes, Ledger::most_notes(config.queue)).map_err(fail_at_notes)?;
        // Before a log that lost records is moved aside.
        let mut unrecorded = recover::unrecorded(&paths, left.notes).map_err(fail)?;
        let mut resumed = recover::resume(&paths, instance, key.public())?;
        let file = Arc::new(file::append(&paths.log).map_err(fail)?);
        let ledger = Arc::new(Ledger::new(Arc::clone(&file), config.queue, notes).map_err(fail)?);
        ledger.written(resumed.chain.last_seq(), 0);
        ledger.unnote(&mut unrecorded.recorded).map_err(fail_at_notes)?;
        if left.unreadable > 0 {
            resumed.notes.push(format!("{} torn notes of what was about to be sent were left out", left.unreadable));
        }
        for note in &resumed.notes {
            tracing::warn!("audit log: {note}");
            ledger.promise_anyhow();
            ledger.commit(Entry { draft: about_the_log(note), note: None });
        }
        if !unrecorded.drafts.is_empty() {
            let records = unrecorded.drafts.len();
            tracing::warn!(records, "audit log: recorded is now what was under way when the last daemon ended");
        }
        for (place, draft) in unrecorded.drafts {
            ledger.promise_anyhow();
            ledger.commit(Entry { draft, note: Some(place) });
        }
        let writer = Writer::new(Arc::clone(&ledger), config, paths.clone(), file, resumed.chain, key, lock);
        let thread =
            std::thread::Builder::new().name("aegis-audit".to_owned()).spawn(move || writer.run()).map_err(fail)?;
        ledger.writer_is(thread.thread().clone());
        Ok(Self(Arc::new(Inner { ledger, paths, public_key, writer: Some(thread) })))
    }

    /// Waits until there is room for more records, 2 s at most: a burst that is faster than the disk is slowed down. [`AuditLog::reserve`] then says
    /// whether there is.
    pub async fn room(&self) {
        if self.0.ledger.is_crowded() {
            // What is not written by then is told by whoever reserves.
            let _ = tokio::time::timeout(ROOM, self.0.ledger.room()).await;
        }
    }

    /// Reserves the place of a record. Costs well under a microsecond, except once in about a thousand records, when disk space is set aside.
    ///
    /// # Errors
    /// At once, when a record might not be written: then nothing may be forwarded.
    pub fn reserve(&self) -> Result<Slot, Unrecordable> {
        self.0.ledger.promise()?;
        Ok(Slot { log: Some(Arc::clone(&self.0)), note: None })
    }

    /// How the log fares.
    #[must_use]
    pub fn health(&self) -> AuditHealth {
        let ledger = &self.0.ledger;
        AuditHealth {
            path: self.0.paths.log.clone(),
            checkpoints: self.0.paths.checkpoints.clone(),
            public_key: self.0.public_key.clone(),
            healthy: ledger.is_healthy(),
            last_seq: ledger.last_seq(),
            queued: ledger.queued(),
            open: ledger.open(),
            refused: ledger.refused(),
            abandoned: ledger.abandoned(),
            bytes_free: file::bytes_free(&self.0.paths.log),
            error: ledger.error(),
        }
    }

    /// Opens the file anew, for log rotation: the chain goes on in the new file. Returns at once; the writer does it between two batches.
    pub fn reopen(&self) {
        self.0.ledger.ask_reopen();
    }

    /// Waits until all that was committed is written, forced to disk and signed; 5 s at most.
    pub async fn drain(&self) {
        let done = self.0.ledger.ask_flush();
        if tokio::time::timeout(DRAIN, done).await.is_err() {
            let error = self.0.ledger.error().unwrap_or_default();
            tracing::error!(queued = self.0.ledger.queued(), "audit records are still unwritten: {error}");
        }
    }

    /// The lines from now on as they are written, each without its newline. A slow reader misses lines; the file has them.
    #[must_use]
    pub fn tail(&self) -> BoxStream<'static, String> {
        stream::unfold(self.0.ledger.subscribe(), |mut lines| async move {
            loop {
                match lines.recv().await {
                    Ok(line) => return Some((line.trim_end().to_owned(), lines)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ledger.ask_close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so in the ledger already.
            let _ = writer.join();
        }
    }
}

/// A reserved place in the log. Commit it; dropped, it writes that its request ended without a decision of its own.
#[must_use = "a slot that is dropped writes a record of an abandoned request"]
pub struct Slot {
    log: Option<Arc<Inner>>,
    note: Option<Place>,
}

impl Slot {
    /// Notes what is known of the record, before anything of its request leaves the host. Should the daemon not live to commit it, the next one
    /// makes a record of the note. Costs one write into the page cache; the draft is cut to the record's bounds.
    ///
    /// # Errors
    /// When it cannot be noted: then nothing may leave.
    pub fn note(&mut self, draft: &mut Draft) -> Result<Noted, Unrecordable> {
        let log = self.log.as_ref().ok_or(Unrecordable::Ended)?;
        if self.note.is_none() {
            draft.cut();
            self.note = Some(log.ledger.note(draft)?);
        }
        Ok(Noted(()))
    }

    /// Hands the record to the writer. Never waits for the disk, never fails. Of one that was noted the `decision_id` must be the same.
    pub fn commit(mut self, draft: Draft) {
        if let Some(log) = self.log.take() {
            log.ledger.commit(Entry { draft, note: self.note.take() });
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            log.ledger.count_abandoned();
            let draft =
                about_the_log("a request ended before its decision was written: its task was dropped or it panicked");
            log.ledger.commit(Entry { draft, note: self.note.take() });
        }
    }
}

/// A record that is about the log and not about a decision.
fn about_the_log(note: &str) -> Draft {
    Draft {
        ts: SystemTime::now(),
        decision_id: Uuid::now_v7().to_string(),
        trace_id: Uuid::new_v4().simple().to_string(),
        decision: Decision::None,
        reason: note.to_owned(),
        ..Draft::default()
    }
}

/// The key that signs checkpoints, made at the first start, and the path of its public half.
fn signing_key(state_dir: &Path) -> Result<(SigningKey, PathBuf), OpenError> {
    secret::private_dir(state_dir)?;
    let path = state_dir.join("audit.key");
    let pem = secret::load_or_create(&path, || SigningKey::generate().map(|key| key.to_pem()))?;
    let key = SigningKey::from_pem(&pem).map_err(|source| OpenError::Key { path, source })?;
    let public = state_dir.join("audit.pub");
    secret::write_atomically(&public, key.public().to_pem().as_bytes(), 0o644)?;
    Ok((key, public))
}
