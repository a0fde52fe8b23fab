//! What all processes of a run share: the sign to stop, how often each call succeeded and failed, and the last calls.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use nix::errno::Errno;
use serde_json::{Value, json};

use crate::calls::Call;
use crate::system::Shared;

/// Calls kept. A crowd makes some ten thousand a second, so that a test that looks every 50 ms stops in time.
const LINES: usize = 1 << 15;
const WIDTH: usize = 120;
const CALLS: usize = Call::ALL.len();

/// Memory that is shared with every child; all zeros at first.
pub struct Board(Shared<Content>);

pub struct Content {
    stopped: AtomicBool,
    succeeded: [AtomicU64; CALLS],
    failed: [AtomicU64; CALLS],
    next: AtomicU64,
    lines: [Line; LINES],
}

/// Two that write the same line at once may mix their words: only when one is a whole round behind.
struct Line {
    number: AtomicU64,
    words: [AtomicU64; WIDTH / 8],
}

impl Board {
    pub fn new() -> nix::Result<Board> {
        Shared::new().map(Board)
    }

    pub fn stop(&self) {
        self.0.stopped.store(true, Relaxed);
    }

    pub fn stopped(&self) -> bool {
        self.0.stopped.load(Relaxed)
    }

    /// Counts and writes down one call.
    pub fn note(&self, who: &str, number: u64, call: Call, what: &str, answer: nix::Result<i64>) {
        let counters = if succeeded(answer) { &self.0.succeeded } else { &self.0.failed };
        counters[call as usize].fetch_add(1, Relaxed);
        let place = self.0.next.fetch_add(1, Relaxed);
        let line = &self.0.lines[place as usize % LINES];
        let text = match answer {
            Ok(value) => format!("{who} #{number} {} {what} = {value}", call.name()),
            Err(errno) => format!("{who} #{number} {} {what} = {errno:?}", call.name()),
        };
        line.number.store(place + 1, Relaxed);
        let mut bytes = [0; WIDTH];
        let length = text.len().min(WIDTH);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        for (word, bytes) in line.words.iter().zip(bytes.chunks_exact(8)) {
            word.store(u64::from_ne_bytes(bytes.try_into().unwrap()), Relaxed);
        }
    }

    /// The last calls of all processes, in order.
    pub fn trace(&self) -> String {
        let mut lines: Vec<(u64, String)> = self.0.lines.iter().filter_map(Line::read).collect();
        lines.sort();
        lines.into_iter().fold(String::new(), |mut text, (number, line)| {
            let _ = writeln!(text, "{number} {line}");
            text
        })
    }

    /// `{"connect": {"ok": 12, "failed": 34}, ...}`
    pub fn tally(&self) -> Value {
        let of = |call: &Call| {
            let count = |counters: &[AtomicU64; CALLS]| counters[*call as usize].load(Relaxed);
            (call.name().to_owned(), json!({"ok": count(&self.0.succeeded), "failed": count(&self.0.failed)}))
        };
        Call::ALL.iter().map(of).collect()
    }
}

impl Line {
    fn read(&self) -> Option<(u64, String)> {
        let number = self.number.load(Relaxed);
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.load(Relaxed).to_ne_bytes()).collect();
        let text = String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned();
        (number > 0).then_some((number, text))
    }
}

/// A connection that does not wait has begun, which is what counts here.
fn succeeded(answer: nix::Result<i64>) -> bool {
    matches!(answer, Ok(_) | Err(Errno::EINPROGRESS))
}
