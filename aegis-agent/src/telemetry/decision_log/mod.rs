//! The decision log: what decisions read, for `policy explain`, `replay` and `suggest`.
//!
//! Not the audit log: nothing waits for it, nothing fails with it. Events are made and written by one thread behind a
//! bounded queue; what it cannot take, and what the disk refuses, is dropped and counted.

mod files;
mod queue;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use aegis_policy::decision_log::Event;

use self::files::Directory;
use self::queue::Queue;
use self::writer::Writer;
use crate::config::Decisions;

/// How long a reader waits for what was handed over before to be in the file.
const SETTLE: Duration = Duration::from_secs(2);

/// The decision log.
pub struct DecisionLog {
    enabled: bool,
    sample: f64,
    dir: PathBuf,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

/// How the log stands.
#[derive(Clone, Debug, Default)]
pub struct DecisionLogHealth {
    pub enabled: bool,
    pub dir: PathBuf,
    /// Since the start.
    pub written: u64,
    /// Dropped because the queue was full.
    pub dropped_full: u64,
    /// Dropped because they could not be written.
    pub dropped_unwritten: u64,
    /// Why the last ones could not be written, until some are.
    pub error: Option<String>,
}

impl DecisionLog {
    /// Opens the log in `state_dir/decisions`. A directory that cannot be written is no reason not to start: it is told, and
    /// tried again with each batch.
    #[must_use]
    pub fn open(config: &Decisions, state_dir: &Path) -> Self {
        let dir = state_dir.join("decisions");
        let queue = Arc::new(Queue::default());
        let mut log = Self { enabled: config.enabled, sample: config.sample, dir, queue, writer: None };
        if config.enabled {
            let directory = Directory::new(&log.dir, config.max_bytes, config.keep);
            let writer = Writer::new(Arc::clone(&log.queue), directory);
            match std::thread::Builder::new().name("decisions".to_owned()).spawn(move || writer.run()) {
                Ok(thread) => {
                    log.queue.serve(thread.thread().clone());
                    log.writer = Some(thread);
                }
                Err(error) => {
                    log.enabled = false;
                    log.queue.fails(format!("its thread cannot be started: {error}"));
                }
            }
        }
        log
    }

    /// Whether the event of this decision is to be handed over. Decided by the id, so that the share is even.
    #[must_use]
    pub fn wants(&self, decision_id: &str) -> bool {
        self.enabled && (self.sample >= 1.0 || share(decision_id) < self.sample)
    }

    /// Takes an event that is made later, on the log's own thread. `weight`: bytes that it holds until then.
    pub fn offer(&self, weight: usize, event: impl FnOnce() -> Event + Send + 'static) {
        self.queue.offer(weight, Box::new(event));
    }

    /// The event of a decision, by its id or its trace id; all that was handed over before is looked through.
    ///
    /// # Errors
    /// When the log's files cannot be read.
    pub fn find(&self, id: &str) -> io::Result<Option<Event>> {
        self.queue.settle(SETTLE);
        files::find(&self.dir, id)
    }

    #[must_use]
    pub fn health(&self) -> DecisionLogHealth {
        DecisionLogHealth { enabled: self.enabled, dir: self.dir.clone(), ..self.queue.health() }
    }
}

impl Drop for DecisionLog {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // It ends after what is in the queue; a panic of it has been told.
            let _ = writer.join();
        }
    }
}

/// Where in 0..1 an id falls: its last 32 bits, which are random in a UUID.
fn share(id: &str) -> f64 {
    let tail = id.get(id.len().saturating_sub(8)..).and_then(|tail| u32::from_str_radix(tail, 16).ok());
    f64::from(tail.unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}
