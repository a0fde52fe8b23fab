//! The one thread that makes events and writes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::files::Directory;
use super::queue::Queue;

/// Events in one write.
const BATCH: usize = 256;
/// Between two looks at the queue while events come. What is gathered is made at one go, and requests on the same core wait for it.
const GATHER: Duration = Duration::from_millis(5);
/// After this time without an event the writer sleeps until it is woken.
const DOZE: Duration = Duration::from_millis(200);
/// Between two looks for files that are too old.
const TIDY: Duration = Duration::from_secs(60);
/// After a write that failed the disk is left alone for this long: what comes meanwhile is dropped.
const REST: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    queue: Arc<Queue>,
    directory: Directory,
    tidied: Instant,
    failed: Option<(Instant, String)>,
}

impl Writer {
    pub(super) fn new(queue: Arc<Queue>, directory: Directory) -> Self {
        Self { queue, directory, tidied: Instant::now(), failed: None }
    }

    pub(super) fn run(mut self) {
        self.directory.tidy();
        let mut last_event = Instant::now();
        loop {
            let closing = self.queue.is_closing();
            if self.batch() {
                last_event = Instant::now();
                continue;
            }
            if closing {
                return;
            }
            if self.tidied.elapsed() >= TIDY {
                self.directory.tidy();
                self.tidied = Instant::now();
            }
            if last_event.elapsed() < DOZE {
                std::thread::park_timeout(GATHER);
            } else if self.queue.may_sleep() {
                std::thread::park_timeout(TIDY);
            }
        }
    }

    /// Writes what is there; false when there is nothing.
    fn batch(&mut self) -> bool {
        let events = self.queue.take(BATCH);
        if events.is_empty() {
            return false;
        }
        if let Some((at, why)) = &self.failed
            && at.elapsed() < REST
        {
            self.queue.lost(events.len(), why.clone());
            return true;
        }
        let mut bytes = Vec::with_capacity(events.len() * 2048);
        let mut lines = 0;
        for event in &events {
            let before = bytes.len();
            match serde_json::to_writer(&mut bytes, event) {
                Ok(()) => {
                    bytes.push(b'\n');
                    lines += 1;
                }
                Err(error) => {
                    bytes.truncate(before);
                    self.queue.lost(1, format!("an event cannot be written as JSON: {error}"));
                }
            }
        }
        match self.directory.append(&bytes) {
            Ok(()) => {
                self.failed = None;
                self.queue.wrote(lines);
            }
            Err(error) => {
                let why = error.to_string();
                self.queue.lost(lines, why.clone());
                self.failed = Some((Instant::now(), why));
            }
        }
        true
    }
}
