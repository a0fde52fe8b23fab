//! Lines of JSON (NDJSON, JSON Lines, JSON text sequences of RFC 7464): what a string goes on with that another one began, at the
//! same place in a line before, is looked at together with that.
//!
//! A line is taken as it leaves, by itself looked through already, and goes on when it is whole.

use std::ops::Range;

use memchr::{memchr, memchr_iter};
use serde_json::value::RawValue;

use crate::stream::{Content, Step, Why, join};
use crate::{Finding, Place, Seam};

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

/// What was found in some lines, each with how many line ends are before it, in that order.
#[derive(Default)]
pub(super) struct Found(std::vec::IntoIter<(usize, Finding)>);

impl Found {
    /// What was found in `bytes`, which begin at an offset.
    pub(super) fn of(findings: Vec<Finding>, bytes: &[u8], offset: u64) -> Found {
        let (mut seen, mut lines) = (0, 0);
        let mut line = |finding: &Finding| {
            let Place::Body { offset: place, .. } = finding.place else { return 0 };
            let at = usize::try_from(place.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
            if at < seen {
                (seen, lines) = (0, 0);
            }
            lines += memchr_iter(b'\n', bytes.get(seen..at).unwrap_or_default()).count();
            seen = at;
            lines
        };
        let mut list: Vec<_> = findings.into_iter().map(|finding| (line(&finding), finding)).collect();
        list.sort_by_key(|(line, _)| *line);
        Found(list.into_iter())
    }

    /// Hands over what was found before a line end.
    fn hand_over(&mut self, line: usize, content: &mut Content, path: &str) {
        while self.0.as_slice().first().is_some_and(|(before, _)| *before <= line)
            && let Some((_, finding)) = self.0.next()
        {
            content.found(vec![finding], path);
        }
    }
}

impl Lines {
    /// Whether there may be lines of JSON, which is not known yet: what goes out has to come line by line.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Begin | State::First)
    }

    /// Whether there are.
    pub(super) fn are_read(&self) -> bool {
        matches!(self.state, State::Rows | State::Passing)
    }

    /// Looks at what stands in `out` from `from` on, and takes back of it what may not go yet. What was `found` in it is handed
    /// over line by line: what is found in a line comes before what is found in the next.
    pub(super) fn follow(
        &mut self,
        content: &mut Content,
        within: &Within,
        (out, from): (&mut Vec<u8>, usize),
        mut found: Found,
    ) -> Step {
        let new = out.get(from..).unwrap_or_default();
        let rows = match self.state {
            _ if new.is_empty() => None,
            State::Off => None,
            State::Begin | State::First => self.first(content, within, new),
            State::Rows | State::Passing => Some(0),
        };
        if let Some(rows) = rows {
            self.rows(content, within, (out, from + rows), &mut found)?;
        }
        found.hand_over(usize::MAX, content, &within.path);
        Ok(())
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

    /// Looks at the lines in `out` from `at` on.
    fn rows(
        &mut self,
        content: &mut Content,
        within: &Within,
        (out, mut at): (&mut Vec<u8>, usize),
        found: &mut Found,
    ) -> Step {
        for line in 0.. {
            let Some(end) = memchr(b'\n', out.get(at..).unwrap_or_default()) else { break };
            found.hand_over(line, content, &within.path);
            let mut end = at + end + 1;
            if !self.held.is_empty() {
                end += self.held.len();
                out.splice(at..at, self.held.drain(..));
            }
            self.number += 1;
            if self.state == State::Rows && end - at <= LONGEST {
                end = self.line(content, within, out, at..end)?;
            }
            (self.state, at) = (State::Rows, end);
        }
        let rest = out.get(at..).unwrap_or_default();
        if self.state == State::Passing {
            return Ok(());
        }
        if self.held.len() + rest.len() > LONGEST {
            self.state = State::Passing;
            out.splice(at..at, self.held.drain(..));
        } else {
            self.held.extend_from_slice(rest);
            out.truncate(at);
        }
        Ok(())
    }

    /// Looks at the line that is whole; gives where the next one begins.
    fn line(
        &mut self,
        content: &mut Content,
        within: &Within,
        out: &mut Vec<u8>,
        at: Range<usize>,
    ) -> Result<usize, Why> {
        let line = out.get(at.clone()).unwrap_or_default();
        let lead = line.iter().take_while(|byte| is_blank(**byte)).count();
        let row = trimmed(line.get(lead..).unwrap_or_default());
        let (Some(seam), false) = (&mut self.seam, row.is_empty()) else { return Ok(at.end) };
        let (row, begin) = (row.len(), at.start + lead);
        let joined = seam.message(line.get(lead..lead + row).unwrap_or_default());
        if joined.is_nothing() {
            return Ok(at.end);
        }
        let path = join(&within.path, Some(&format!("line:{}", self.number)));
        match content.joined(joined, &path) {
            Ok(None) => Ok(at.end),
            Ok(Some(changed)) => {
                let end = at.end - row + changed.len();
                out.splice(begin..begin + row, changed);
                Ok(end)
            }
            Err(why) => {
                // Neither this line goes out nor what is behind it.
                out.truncate(at.start);
                Err(why)
            }
        }
    }

    /// Ends the text: the last line need not end.
    pub(super) fn finish(&mut self, content: &mut Content, within: &Within, out: &mut Vec<u8>) -> Step {
        if self.state == State::Rows {
            self.number += 1;
            let from = out.len();
            out.append(&mut self.held);
            self.line(content, within, out, from..out.len())?;
        }
        Ok(())
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
