//! The one thread that writes: seals, appends, forces to disk, signs. It keeps what it could not write and tries again.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aegis_audit::{Chain, Draft, Sealed, SigningKey};

use super::file::{self, Lock, Paths};
use super::ledger::{Entry, Inbox, Ledger};
use super::note::Place;
use crate::config::{self, Fsync};

/// Records in one write: about 256 KiB.
const BATCH: usize = 256;

/// Records that are sealed before others may have the processor, while few wait.
const SEALED_AT_ONCE: usize = 8;

/// Records that come one by one are gathered for this long: one write for many.
const GATHER: Duration = Duration::from_millis(5);

/// After this time without a record the writer sleeps until it is woken.
const DOZE: Duration = Duration::from_millis(20);

/// A record is signed at the latest after this time, also when few come in.
const SIGN_WITHIN: Duration = Duration::from_secs(10);

/// Between two tries at a disk that refuses, doubling from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// How long a daemon that ends tries to write what is left.
const LAST_TRY: Duration = Duration::from_secs(2);

pub(super) struct Writer {
    ledger: Arc<Ledger>,
    paths: Paths,
    file: Arc<File>,
    chain: Chain,
    key: SigningKey,
    fsync: Fsync,
    checkpoint_every: u64,
    unsigned: u64,
    signed_at: Instant,
    /// Held as long as this log is written.
    _lock: Lock,
}

/// Records that are sealed and not yet all in the file.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    records: Vec<Sealed>,
    notes: Vec<Place>,
}

impl Writer {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        config: &config::Audit,
        paths: Paths,
        file: Arc<File>,
        chain: Chain,
        key: SigningKey,
        lock: Lock,
    ) -> Self {
        Self {
            ledger,
            paths,
            file,
            chain,
            key,
            fsync: config.fsync,
            checkpoint_every: config.checkpoint_every,
            unsigned: 0,
            signed_at: Instant::now(),
            _lock: lock,
        }
    }

    /// Writes until the log is closed.
    pub(super) fn run(mut self) {
        // Also when this thread panics: no more places are given out, so nothing is forwarded unrecorded.
        let _stopped = Stopped(Arc::clone(&self.ledger));
        let mut last_record = Instant::now();
        loop {
            self.ledger.keep_ahead();
            let inbox = self.ledger.take();
            if !inbox.entries.is_empty() {
                last_record = Instant::now();
            }
            let closing = inbox.closing;
            if !self.serve(inbox) || closing {
                break;
            }
            self.wait(last_record.elapsed());
        }
        self.release();
    }

    /// Does what came in; false when the disk refused to the end.
    fn serve(&mut self, inbox: Inbox) -> bool {
        let mut entries = inbox.entries.into_iter();
        loop {
            let mut batch = self.seal(entries.by_ref().take(BATCH));
            if batch.records.is_empty() {
                break;
            }
            if let Err(left) = self.write(&mut batch, inbox.closing) {
                tracing::error!("{} audit records could not be written", left + entries.len());
                return false;
            }
        }
        let due = self.unsigned >= self.checkpoint_every || self.signed_at.elapsed() >= SIGN_WITHIN;
        if due || inbox.reopen || inbox.closing || !inbox.flushes.is_empty() {
            self.sign();
        }
        if inbox.reopen {
            self.reopen();
        }
        for done in inbox.flushes {
            // Who asked may have stopped waiting.
            let _ = done.send(());
        }
        true
    }

    fn seal(&mut self, entries: impl Iterator<Item = Entry>) -> Batch {
        let mut batch = Batch::default();
        for (number, Entry { draft, note }) in entries.enumerate() {
            if number % SEALED_AT_ONCE == 0 && self.ledger.queued() < BATCH {
                // Requests come first: a batch at one go would hold them up for a whole time slice. Not where the processor has no time left:
                // who gives way then gives a whole slice away, and the records would only become more.
                std::thread::yield_now();
            }
            let (ts, decision_id, decision) = (draft.ts, draft.decision_id.clone(), draft.decision);
            let sealed = self.chain.seal(draft).or_else(|error| {
                let reason = format!("the record could not be written as JSON: {error}");
                self.chain.seal(Draft { ts, decision_id, decision, reason, ..Draft::default() })
            });
            match sealed {
                Ok(sealed) => {
                    batch.bytes.extend_from_slice(sealed.line.as_bytes());
                    batch.records.push(sealed);
                    batch.notes.extend(note);
                }
                Err(error) => self.ledger.fails(error.to_string()),
            }
        }
        batch
    }

    /// Appends the batch, forces it to disk and takes its notes back, however often that takes. Only a daemon that ends gives up, with the number
    /// of records lost; what was noted of them the next one finds.
    fn write(&mut self, batch: &mut Batch, closing: bool) -> Result<(), usize> {
        let mut pause = Pause::new(closing);
        let mut rest = batch.bytes.as_slice();
        while !rest.is_empty() {
            match (&*self.file).write(rest) {
                Ok(0) => self.refused(&io::ErrorKind::WriteZero.into(), &mut pause, batch)?,
                Ok(written) => {
                    self.ledger.spent(written);
                    rest = rest.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.refused(&error, &mut pause, batch)?,
            }
        }
        if self.fsync == Fsync::Batch {
            while let Err(error) = self.file.sync_data() {
                self.refused(&error, &mut pause, batch)?;
            }
        }
        // Only when the lines are safe; and before the next batch, so that a line whose note is still there is among the last ones.
        while let Err(error) = self.ledger.unnote(&mut batch.notes) {
            self.refused(&error, &mut pause, batch)?;
        }
        self.ledger.recovers();
        self.ledger.written(self.chain.last_seq(), batch.records.len());
        self.unsigned = self.unsigned.saturating_add(u64::try_from(batch.records.len()).unwrap_or(u64::MAX));
        self.ledger.show(batch.records.iter().map(|record| record.line.clone()));
        Ok(())
    }

    fn refused(&self, error: &io::Error, pause: &mut Pause, batch: &Batch) -> Result<(), usize> {
        let what = format!("{}: {error}", self.paths.log.display());
        if self.ledger.is_healthy() {
            tracing::error!("audit log {what}; nothing more is forwarded until it can be written");
        }
        self.ledger.fails(what);
        if pause.wait(&self.ledger) { Ok(()) } else { Err(batch.records.len()) }
    }

    /// Signs where the chain stands. Failing at it keeps no record from being written; it is tried again with the next batch.
    fn sign(&mut self) {
        if self.unsigned == 0 {
            self.signed_at = Instant::now();
            return;
        }
        let signed = self.chain.checkpoint(&self.key, SystemTime::now()).map_err(io::Error::from);
        match signed.and_then(|line| append_whole(&self.paths.checkpoints, &line)) {
            Ok(()) => {
                self.unsigned = 0;
                self.ledger.settled();
            }
            Err(error) => self.ledger.complains(format!("{}: {error}", self.paths.checkpoints.display())),
        }
        self.signed_at = Instant::now();
    }

    /// Goes on in the file that is at the path now, if it is another one. A file that has something in it already is not ours to continue.
    fn reopen(&mut self) {
        let reopened = file::append(&self.paths.log).and_then(|fresh| {
            let (ours, theirs) = (self.file.metadata()?, fresh.metadata()?);
            let same = (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino());
            if !same && theirs.len() > 0 {
                return Err(io::Error::other(
                    "there is a file already, and it is not empty; the old one is written on",
                ));
            }
            if !same {
                self.release();
            }
            let fresh = Arc::new(fresh);
            // A file cut to nothing in place (copytruncate) lost the space set aside behind it: so also for the same file.
            self.file = Arc::clone(&fresh);
            self.ledger.moved_to(fresh)
        });
        match reopened {
            Ok(()) => self.ledger.settled(),
            Err(error) => self.ledger.complains(format!("reopening {}: {error}", self.paths.log.display())),
        }
    }

    /// Gives back the space behind the file's end.
    fn release(&self) {
        let released = self.file.metadata().and_then(|meta| self.file.set_len(meta.len()));
        if let Err(error) = released {
            tracing::debug!("the space behind the audit log could not be given back: {error}");
        }
    }

    fn wait(&self, idle: Duration) {
        if idle < DOZE {
            std::thread::park_timeout(GATHER);
        } else if self.ledger.may_sleep() {
            if self.unsigned > 0 {
                std::thread::park_timeout(SIGN_WITHIN.saturating_sub(self.signed_at.elapsed()));
            } else {
                std::thread::park();
            }
        }
    }
}

/// Appends a line as a whole: what was written of it when the disk refused is taken back, it can be signed anew.
fn append_whole(path: &Path, line: &str) -> io::Result<()> {
    let mut file = file::append(path)?;
    let before = file.metadata()?.len();
    file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).inspect_err(|_| {
        let _ = file.set_len(before);
    })
}

/// The time between tries.
struct Pause {
    next: Duration,
    give_up: Option<Instant>,
    closing: bool,
}

impl Pause {
    fn new(closing: bool) -> Self {
        Self { next: RETRY.0, give_up: None, closing }
    }

    /// Waits; false when there is no time left to try again.
    fn wait(&mut self, ledger: &Ledger) -> bool {
        if self.closing || ledger.is_closing() {
            let until = *self.give_up.get_or_insert_with(|| Instant::now() + LAST_TRY);
            if Instant::now() >= until {
                return false;
            }
        }
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(RETRY.1);
        true
    }
}

struct Stopped(Arc<Ledger>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.fails("the audit writer has stopped".to_owned());
    }
}
