//! Between the requests and the writer: bounded in number and bytes, and never a wait for whoever hands over.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use aegis_policy::decision_log::Event;

use super::DecisionLogHealth;

/// Events that wait.
pub(super) const MAX_EVENTS: usize = 8192;
/// Bytes of requests that they hold.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// With fewer events than that the writer lets others go first.
const YIELDING: u64 = 128;

/// Makes an event.
pub(super) type Work = Box<dyn FnOnce() -> Event + Send>;

/// An event that waits, and what it weighs.
pub(super) struct Entry {
    weight: usize,
    work: Work,
}

pub(super) struct Queue {
    sender: SyncSender<Entry>,
    /// The writer's, taken once.
    receiver: Mutex<Receiver<Entry>>,
    held: AtomicUsize,
    thread: OnceLock<Thread>,
    /// The writer sleeps until it is woken.
    asleep: AtomicBool,
    closing: AtomicBool,
    /// Events handed over, and those that are done with (written or dropped).
    offered: AtomicU64,
    done: AtomicU64,
    written: AtomicU64,
    dropped_full: AtomicU64,
    dropped_unwritten: AtomicU64,
    error: Mutex<Option<String>>,
}

impl Default for Queue {
    fn default() -> Self {
        let (sender, receiver) = sync_channel(MAX_EVENTS);
        Self {
            sender,
            receiver: Mutex::new(receiver),
            held: AtomicUsize::new(0),
            thread: OnceLock::new(),
            asleep: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            offered: AtomicU64::new(0),
            done: AtomicU64::new(0),
            written: AtomicU64::new(0),
            dropped_full: AtomicU64::new(0),
            dropped_unwritten: AtomicU64::new(0),
            error: Mutex::new(None),
        }
    }
}

impl Queue {
    /// From now on `thread` takes out.
    pub(super) fn serve(&self, thread: Thread) {
        // There is one writer, set once.
        let _ = self.thread.set(thread);
    }

    pub(super) fn offer(&self, weight: usize, work: Work) {
        if self.held.fetch_add(weight, Ordering::Relaxed).saturating_add(weight) > MAX_BYTES {
            self.held.fetch_sub(weight, Ordering::Relaxed);
            self.dropped_full.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.sender.try_send(Entry { weight, work }) {
            Ok(()) => {
                self.offered.fetch_add(1, Ordering::SeqCst);
                self.wake();
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.held.fetch_sub(weight, Ordering::Relaxed);
                self.dropped_full.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Up to `limit` events, made.
    pub(super) fn take(&self, limit: usize) -> Vec<Event> {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = receiver.try_iter().take(limit);
        entries
            .map(|entry| {
                self.held.fetch_sub(entry.weight, Ordering::Relaxed);
                if self.waiting() < YIELDING {
                    // Requests come first: a batch at one go would hold them up for a whole time slice. Not where the processor has no time
                    // left: who gives way then gives a whole slice away, and events would be dropped.
                    std::thread::yield_now();
                }
                (entry.work)()
            })
            .collect()
    }

    /// Events that are not written yet.
    fn waiting(&self) -> u64 {
        self.offered.load(Ordering::Relaxed).saturating_sub(self.done.load(Ordering::Relaxed))
    }

    pub(super) fn wrote(&self, events: usize) {
        self.written.fetch_add(count(events), Ordering::Relaxed);
        self.done.fetch_add(count(events), Ordering::SeqCst);
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn lost(&self, events: usize, why: String) {
        self.dropped_unwritten.fetch_add(count(events), Ordering::Relaxed);
        self.done.fetch_add(count(events), Ordering::SeqCst);
        self.fails(why);
    }

    /// Why events cannot be written; told in the daemon's own log when it begins.
    pub(super) fn fails(&self, why: String) {
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if error.is_none() {
            tracing::warn!("decision log: {why}; events are dropped and counted, requests are not affected");
        }
        *error = Some(why);
    }

    /// Waits until all that was handed over before is written or dropped, at most `limit`.
    pub(super) fn settle(&self, limit: Duration) {
        let (wanted, end) = (self.offered.load(Ordering::SeqCst), Instant::now() + limit);
        while self.done.load(Ordering::SeqCst) < wanted && Instant::now() < end {
            self.wake();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.unpark();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// The writer is about to sleep until it is woken: false where there is something to do.
    pub(super) fn may_sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        let idle = self.offered.load(Ordering::SeqCst) == self.done.load(Ordering::SeqCst);
        if !idle || self.is_closing() {
            self.asleep.store(false, Ordering::SeqCst);
            return false;
        }
        true
    }

    /// A system call only where the writer sleeps, that is after a pause.
    fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub(super) fn health(&self) -> DecisionLogHealth {
        DecisionLogHealth {
            written: self.written.load(Ordering::Relaxed),
            dropped_full: self.dropped_full.load(Ordering::Relaxed),
            dropped_unwritten: self.dropped_unwritten.load(Ordering::Relaxed),
            error: self.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..DecisionLogHealth::default()
        }
    }
}

fn count(events: usize) -> u64 {
    u64::try_from(events).unwrap_or(u64::MAX)
}
