//! What both directions of one exchange tell the record.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use aegis_audit::FindingEntry;
use aegis_dlp::Finding;
use aegis_policy::Denial;

use super::stop::Direction;

/// Findings of one exchange that are kept one by one; further ones are counted on the last of their kind.
const MAX_FINDINGS: usize = 256;

/// Counts and findings of one exchange.
#[derive(Debug, Default)]
pub struct Tally {
    /// Bytes that came from either side, whether they have gone on or are held back.
    came: AtomicU64,
    bytes_out: AtomicU64,
    bytes_in: AtomicU64,
    messages_out: AtomicU64,
    messages_in: AtomicU64,
    findings: Mutex<Vec<Finding>>,
    notes: Mutex<Vec<FindingEntry>>,
    stopped: OnceLock<Denial>,
}

impl Tally {
    /// Body bytes that went to the origin, after redaction.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    /// Body bytes that came back.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    pub fn add_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn add_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A message of a WebSocket, or with `whole` false a part of one, went on.
    pub fn message(&self, direction: Direction, bytes: u64, whole: bool) {
        let messages = match direction {
            Direction::Out => {
                self.add_out(bytes);
                &self.messages_out
            }
            Direction::Back => {
                self.add_in(bytes);
                &self.messages_in
            }
        };
        messages.fetch_add(u64::from(whole), Ordering::Relaxed);
    }

    /// Messages that went on, to the origin and to the agent.
    pub fn messages(&self) -> (u64, u64) {
        (self.messages_out.load(Ordering::Relaxed), self.messages_in.load(Ordering::Relaxed))
    }

    /// What was found on the way.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What else the record tells beside findings.
    pub fn notes(&self) -> Vec<FindingEntry> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The denial of what was stopped on its way, where something was.
    pub fn stopped(&self) -> Option<&Denial> {
        self.stopped.get()
    }

    /// Bytes came from one of the sides.
    pub fn came(&self, bytes: usize) {
        self.came.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Grows whenever a byte comes or goes, in either direction.
    pub fn moved(&self) -> u64 {
        self.came.load(Ordering::Relaxed).wrapping_add(self.bytes_out()).wrapping_add(self.bytes_in())
    }

    /// Adds to what was found.
    pub fn found(&self, findings: impl IntoIterator<Item = Finding>) {
        let mut findings = findings.into_iter().peekable();
        if findings.peek().is_none() {
            return;
        }
        let mut kept = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        for finding in findings {
            let like = |one: &&mut Finding| one.detector == finding.detector && one.action == finding.action;
            let same = if kept.len() < MAX_FINDINGS { None } else { kept.iter_mut().rev().find(like) };
            match same {
                Some(same) => same.count = same.count.saturating_add(finding.count),
                None => kept.push(finding),
            }
        }
    }

    /// Adds to what else is told. Those beyond the bound are not counted: nothing of them was found.
    pub fn noted(&self, notes: Vec<FindingEntry>) {
        if !notes.is_empty() {
            let mut kept = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            let room = MAX_FINDINGS.saturating_sub(kept.len());
            kept.extend(notes.into_iter().take(room));
        }
    }

    pub(super) fn stop(&self, denial: Denial) {
        // The first counts.
        let _ = self.stopped.set(denial);
    }
}

#[cfg(test)]
mod tests {
    use aegis_dlp::{Action, Confidence, Detector, Place};

    use super::*;

    #[test]
    fn findings_without_end_are_counted_in_bounded_memory() {
        let tally = Tally::default();
        let finding = |detector, offset| Finding {
            detector,
            action: Action::Redact,
            confidence: Confidence::High,
            place: Place::at(offset),
            count: 1,
        };
        for offset in 0..10_000 {
            tally.found([finding(Detector::Email, offset), finding(Detector::Ssn, offset)]);
        }
        let found = tally.findings();
        assert_eq!(found.len(), MAX_FINDINGS);
        assert_eq!(found.iter().map(|finding| finding.count).sum::<u64>(), 20_000);
        tally.message(Direction::Out, 3, false);
        tally.message(Direction::Out, 4, true);
        tally.message(Direction::Back, 5, true);
        assert_eq!((tally.bytes_out(), tally.bytes_in(), tally.messages()), (7, 5, (1, 1)));
    }
}
