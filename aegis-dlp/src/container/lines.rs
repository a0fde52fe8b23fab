//! Lines of JSON (NDJSON, JSON Lines, JSON text sequences of RFC 7464): what a string goes on with that another one began, at the
//! same place in a line before, is looked at together with that.
//!
//! A line is taken as it leaves, by itself looked through already, and goes on when it is whole.

use memchr::memchr;
use serde_json::value::RawValue;

use crate::Seam;
use crate::stream::{Content, Step, join};

use super::Within;

/// The longest line that is read together with others, in bytes.
const LONGEST: usize = 32 * 1024;

/// Follows the lines of a text as it goes out.
#[derive(Default)]
pub(super) struct Lines {
    state: State,
    /// The line under way; the first one has gone out.
    held: Vec<u8>,
    number: u64,
    seam: Option<Seam>,
}

#[derive(Copy, Clone, Default, PartialEq, Eq)]
enum State {
    /// Nothing but blanks so far.
    #[default]
    Begin,
    /// In the first line.
    First,
    /// Lines of JSON.
    Rows,
    /// In a line that is too long.
    Passing,
    /// Something else.
    Off,
}

impl Lines {
    /// Whether there are lines of JSON, as far as is known.
    pub(super) fn may_be(&self) -> bool {
        self.state != State::Off
    }

    /// Looks at what stands in `out` from `from` on, and takes back of it what may not go yet.
    pub(super) fn follow(&mut self, content: &mut Content, within: &Within, out: &mut Vec<u8>, from: usize) -> Step {
        if self.state == State::Off || out.len() == from {
            return Ok(());
        }
        let taken = match self.state {
            State::Begin | State::First => {
                let Some(rows) = self.first(content, within, out.get(from..).unwrap_or_default()) else {
                    return Ok(());
                };
                out.split_off(from + rows)
            }
            _ => out.split_off(from),
        };
        self.rows(content, within, &taken, out)
    }

    /// Looks at the first line; where it is one of JSON, gives where the next one begins.
    fn first(&mut self, content: &Content, within: &Within, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if self.state == State::Begin {
            let mark = if self.number == 0 && bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
            let blanks = bytes.get(mark..)?.iter().take_while(|byte| is_blank(**byte)).count();
            at = mark + blanks;
            self.state = match bytes.get(at)? {
                b'{' | b'[' => State::First,
                _ => State::Off,
            };
        }
        let rest = bytes.get(at..).filter(|_| self.state == State::First)?;
        let end = memchr(b'\n', rest);
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if self.held.len() + line.len() > LONGEST {
            self.end();
            return None;
        }
        self.held.extend_from_slice(line);
        let end = end?;
        // What goes on in the next line is one document.
        if serde_json::from_slice::<&RawValue>(trimmed(&self.held)).is_err() {
            self.end();
            return None;
        }
        let mut seam = Seam::of_records(&within.profile(content));
        // Nothing stands before it.
        let _ = seam.message(trimmed(&self.held));
        self.held.clear();
        (self.state, self.number, self.seam) = (State::Rows, 1, Some(seam));
        Some(at + end + 1)
    }

    fn end(&mut self) {
        self.state = State::Off;
        self.held = Vec::new();
    }

    fn rows(&mut self, content: &mut Content, within: &Within, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, more) = rest.split_at(end + 1);
            rest = more;
            self.add(line, out);
            if self.state == State::Passing {
                self.number += 1;
                self.state = State::Rows;
                continue;
            }
            self.line(content, within, out)?;
        }
        self.add(rest, out);
        Ok(())
    }

    /// Adds to the line under way, or lets all of it out once it is too long.
    fn add(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.state == State::Rows && self.held.len() + bytes.len() > LONGEST {
            self.state = State::Passing;
            out.append(&mut self.held);
        }
        let to = if self.state == State::Passing { out } else { &mut self.held };
        to.extend_from_slice(bytes);
    }

    /// Looks at the line that is whole.
    fn line(&mut self, content: &mut Content, within: &Within, out: &mut Vec<u8>) -> Step {
        self.number += 1;
        let (lead, row) = self.held.split_at(self.held.iter().take_while(|byte| is_blank(**byte)).count());
        let row = trimmed(row);
        let (Some(seam), false) = (&mut self.seam, row.is_empty()) else {
            out.append(&mut self.held);
            return Ok(());
        };
        let path = join(&within.path, Some(&format!("line:{}", self.number)));
        match content.joined(seam.message(row), &path)? {
            Some(changed) => {
                out.extend_from_slice(lead);
                out.extend_from_slice(&changed);
                out.extend_from_slice(self.held.get(lead.len() + row.len()..).unwrap_or_default());
                self.held.clear();
            }
            None => out.append(&mut self.held),
        }
        Ok(())
    }

    /// Ends the text: the last line need not end.
    pub(super) fn finish(&mut self, content: &mut Content, within: &Within, out: &mut Vec<u8>) -> Step {
        if self.state == State::Rows { self.line(content, within, out) } else { Ok(()) }
    }

    pub(super) fn held(&self) -> usize {
        self.held.capacity() + self.seam.as_ref().map_or(0, Seam::held)
    }
}

/// Blanks, line ends, and what begins a text of a sequence.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x1E)
}

fn trimmed(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last + 1);
    line.get(..end).unwrap_or_default()
}
