//! The accounts between the flows and the writer: what was promised, what waits, what the disk has set aside.

use std::fs::File;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use aegis_audit::{Draft, MAX_LINE};
use tokio::sync::{Notify, broadcast, oneshot};

use super::file::{STEP, Space};
use super::note::{Notes, Place};

/// Each slot promises room for the longest record.
const SLOT: u64 = MAX_LINE as u64;

/// Slots that may be open at one time, for each record that may wait: a request holds its slot as long as its body flows.
const OPEN_PER_QUEUED: usize = 8;

/// Lines that a slow reader of `audit tail` may be behind.
const TAIL: usize = 1024;

/// Why no record can be promised.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unrecordable {
    #[error("the audit queue is full: {0} records wait for the disk")]
    QueueFull(usize),
    #[error("{0} requests under way hold a place in the audit log")]
    TooManyOpen(usize),
    #[error("no disk space can be set aside for the audit log: {0}")]
    NoSpace(io::ErrorKind),
    #[error("the audit log cannot be written: {0}")]
    Writer(String),
    #[error("what is about to be sent cannot be noted beside the audit log: {0}")]
    NotNoted(io::ErrorKind),
    #[error("the record is written already")]
    Ended,
}

/// A record for the writer, and the note that its line makes superfluous.
pub(super) struct Entry {
    pub(super) draft: Draft,
    pub(super) note: Option<Place>,
}

/// What the writer finds when it looks.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) entries: Vec<Entry>,
    pub(super) flushes: Vec<oneshot::Sender<()>>,
    pub(super) reopen: bool,
    pub(super) closing: bool,
    /// The writer is parked and wants to be woken.
    asleep: bool,
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.flushes.is_empty() && !self.reopen && !self.closing
    }
}

pub(super) struct Ledger {
    capacity: usize,
    open: AtomicUsize,
    queued: AtomicUsize,
    /// Bytes set aside and not yet written.
    available: AtomicU64,
    /// Bytes promised to open slots and queued records. Never more than `available`, except while one of them is being brought up.
    promised: AtomicU64,
    healthy: AtomicBool,
    last_seq: AtomicU64,
    refused: AtomicU64,
    abandoned: AtomicU64,
    notes: Notes,
    space: Mutex<Space>,
    inbox: Mutex<Inbox>,
    error: Mutex<Option<String>>,
    tail: broadcast::Sender<Arc<str>>,
    writer: OnceLock<Thread>,
    /// Told when records were written, or cannot be.
    moved: Notify,
}

/// The flows' side.
impl Ledger {
    pub(super) fn new(file: Arc<File>, capacity: usize, notes: Notes) -> io::Result<Self> {
        Ok(Self {
            capacity,
            open: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            available: AtomicU64::new(0),
            promised: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
            last_seq: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            notes,
            space: Mutex::new(Space::behind(file)?),
            inbox: Mutex::default(),
            error: Mutex::default(),
            tail: broadcast::Sender::new(TAIL),
            writer: OnceLock::new(),
            moved: Notify::new(),
        })
    }

    /// Whether waiting helps: half the records wait that may. A burst is slowed down before it has to be refused.
    pub(super) fn is_crowded(&self) -> bool {
        self.is_healthy() && self.queued() >= self.capacity.div_ceil(2)
    }

    pub(super) async fn room(&self) {
        while self.is_crowded() {
            let moved = self.moved.notified();
            // Looked at again: the writer may have been done before anybody listened.
            if self.is_crowded() {
                moved.await;
            }
        }
    }

    /// Takes a place, or says why there is none.
    pub(super) fn promise(&self) -> Result<(), Unrecordable> {
        self.try_promise().inspect_err(|_| {
            self.refused.fetch_add(1, Relaxed);
        })
    }

    fn try_promise(&self) -> Result<(), Unrecordable> {
        if !self.healthy.load(Relaxed) {
            return Err(Unrecordable::Writer(self.error().unwrap_or_default()));
        }
        let queued = self.queued.load(Relaxed);
        if queued >= self.capacity {
            return Err(Unrecordable::QueueFull(queued));
        }
        let open = self.open.fetch_add(1, Relaxed);
        if open >= self.capacity.saturating_mul(OPEN_PER_QUEUED) {
            self.open.fetch_sub(1, Relaxed);
            return Err(Unrecordable::TooManyOpen(open));
        }
        let promised = self.promised.fetch_add(SLOT, SeqCst).saturating_add(SLOT);
        if promised > self.available.load(SeqCst)
            && let Err(error) = self.set_aside()
        {
            self.promised.fetch_sub(SLOT, SeqCst);
            self.open.fetch_sub(1, Relaxed);
            return Err(Unrecordable::NoSpace(error.kind()));
        }
        Ok(())
    }

    /// Takes a place for a record that has to be written whatever the disk says; the writer waits for the space.
    pub(super) fn promise_anyhow(&self) {
        self.open.fetch_add(1, Relaxed);
        self.promised.fetch_add(SLOT, SeqCst);
    }

    /// How many notes there can be: of open slots, and of records that wait.
    pub(super) fn most_notes(capacity: usize) -> usize {
        capacity.saturating_mul(OPEN_PER_QUEUED + 1)
    }

    /// Notes the draft of an open slot, before anything of it is sent.
    pub(super) fn note(&self, draft: &Draft) -> Result<Place, Unrecordable> {
        let noted = match self.notes.set(draft) {
            Ok(Some(place)) => Ok(place),
            Ok(None) => Err(Unrecordable::TooManyOpen(self.open())),
            Err(error) => Err(Unrecordable::NotNoted(error.kind())),
        };
        noted.inspect_err(|_| {
            self.refused.fetch_add(1, Relaxed);
        })
    }

    /// Hands over the record of a place taken before.
    pub(super) fn commit(&self, entry: Entry) {
        self.queued.fetch_add(1, Relaxed);
        self.open.fetch_sub(1, Relaxed);
        self.tell(|inbox| inbox.entries.push(entry));
    }

    pub(super) fn ask_flush(&self) -> oneshot::Receiver<()> {
        let (done, receiver) = oneshot::channel();
        self.tell(|inbox| inbox.flushes.push(done));
        receiver
    }

    pub(super) fn ask_reopen(&self) {
        self.tell(|inbox| inbox.reopen = true);
    }

    pub(super) fn ask_close(&self) {
        self.tell(|inbox| inbox.closing = true);
    }

    /// The writer is woken only when it sleeps for long: a wake-up costs more than all the rest of a commit.
    fn tell(&self, what: impl FnOnce(&mut Inbox)) {
        let asleep = {
            let mut inbox = locked(&self.inbox);
            what(&mut inbox);
            mem::take(&mut inbox.asleep)
        };
        if asleep && let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<str>> {
        self.tail.subscribe()
    }

    pub(super) fn count_abandoned(&self) {
        self.abandoned.fetch_add(1, Relaxed);
    }

    pub(super) fn writer_is(&self, thread: Thread) {
        // Nobody else sets it. A writer that went to sleep before is woken, lest it missed a call.
        let thread = self.writer.get_or_init(|| thread);
        thread.unpark();
    }
}

/// The writer's side.
impl Ledger {
    /// All that came in since the last look.
    pub(super) fn take(&self) -> Inbox {
        mem::take(&mut locked(&self.inbox))
    }

    /// Says that the writer is about to sleep; false when something came in meanwhile.
    pub(super) fn may_sleep(&self) -> bool {
        let mut inbox = locked(&self.inbox);
        inbox.asleep = inbox.is_empty();
        inbox.asleep
    }

    pub(super) fn is_closing(&self) -> bool {
        locked(&self.inbox).closing
    }

    /// Bytes that are in the file now and need no space any more.
    pub(super) fn spent(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        // Saturating: a record that had to be written whatever the disk said was not set aside for.
        let _ = self.available.fetch_update(SeqCst, SeqCst, |available| Some(available.saturating_sub(bytes)));
    }

    /// Records up to `last_seq` are written; their promises are kept.
    pub(super) fn written(&self, last_seq: u64, records: usize) {
        self.last_seq.store(last_seq, Relaxed);
        self.queued.fetch_sub(records, Relaxed);
        self.promised.fetch_sub(SLOT.saturating_mul(u64::try_from(records).unwrap_or(0)), SeqCst);
        self.moved.notify_waiters();
    }

    /// The records of these notes are in the log. Those that are left could not be taken back, for this reason.
    pub(super) fn unnote(&self, notes: &mut Vec<Place>) -> io::Result<()> {
        while let Some(place) = notes.last() {
            self.notes.clear(place)?;
            if let Some(place) = notes.pop() {
                self.notes.give_back(place);
            }
        }
        Ok(())
    }

    /// Sets space aside before it is needed, so that a request seldom has to.
    pub(super) fn keep_ahead(&self) {
        let promised = self.promised.load(SeqCst);
        if self.available.load(SeqCst).saturating_sub(promised) < STEP / 2 {
            let mut space = locked(&self.space);
            // A refusal shows with the next request that needs the space.
            if space.extend(promised).is_ok() {
                self.available.fetch_add(STEP, SeqCst);
            }
        }
    }

    /// From now on space is set aside behind another file (log rotation).
    pub(super) fn moved_to(&self, file: Arc<File>) -> io::Result<()> {
        {
            let mut space = locked(&self.space);
            *space = Space::behind(file)?;
            self.available.store(0, SeqCst);
        }
        // Open slots keep their promise if the disk can; else the writer waits for it as for any full disk.
        self.set_aside()
    }

    fn set_aside(&self) -> io::Result<()> {
        let mut space = locked(&self.space);
        loop {
            let promised = self.promised.load(SeqCst);
            if promised <= self.available.load(SeqCst) {
                return Ok(());
            }
            space.extend(promised)?;
            self.available.fetch_add(STEP, SeqCst);
        }
    }

    pub(super) fn show(&self, lines: impl Iterator<Item = String>) {
        if self.tail.receiver_count() > 0 {
            for line in lines {
                // No receiver any more is no trouble.
                let _ = self.tail.send(line.into());
            }
        }
    }

    /// Records cannot be written: no more places are given out.
    pub(super) fn fails(&self, error: String) {
        *locked(&self.error) = Some(error);
        self.healthy.store(false, SeqCst);
        self.moved.notify_waiters();
    }

    /// Something is wrong that does not keep records from being written.
    pub(super) fn complains(&self, error: String) {
        tracing::error!("audit log: {error}");
        *locked(&self.error) = Some(error);
    }

    /// Records can be written again.
    pub(super) fn recovers(&self) {
        if !self.healthy.swap(true, SeqCst) {
            tracing::warn!("the audit log can be written again");
            *locked(&self.error) = None;
        }
    }

    /// A complaint is settled.
    pub(super) fn settled(&self) {
        if self.is_healthy() {
            *locked(&self.error) = None;
        }
    }
}

/// For `status`.
impl Ledger {
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(SeqCst)
    }

    pub(super) fn error(&self) -> Option<String> {
        locked(&self.error).clone()
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq.load(Relaxed)
    }

    pub(super) fn queued(&self) -> usize {
        self.queued.load(Relaxed)
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(super) fn abandoned(&self) -> u64 {
        self.abandoned.load(Relaxed)
    }
}

/// A poisoned lock holds data that is still right: no code panics between two changes that belong together.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
