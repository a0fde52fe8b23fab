//! Server-sent events (WHATWG HTML, section 9.2), looked through one by one: an event goes on as soon as it is whole.

use aegis_dlp::{Described, Opaque, Reason, Why};

use super::joins::Joins;
use super::look::{self, Look, Rules};
use super::stop::{Cause, Direction, Stop};
use super::tally::Tally;

/// Events that are looked at before others get their turn.
const AT_ONCE: usize = 256;

/// Splits a stream into events and looks into each.
pub struct Events {
    rules: Rules,
    /// The event that is coming in.
    held: Vec<u8>,
    /// Where the line begins that is coming in.
    line: usize,
    /// Bytes of `held` that were looked at for the end of a line.
    seen: usize,
    /// The last line that ended did so with a carriage return: a line feed after it belongs to it.
    after_return: bool,
    /// The last event was written anew, with line feeds.
    rewritten: bool,
    /// The longest event, in bytes.
    limit: usize,
    /// See [`Events::more`].
    more: bool,
    /// An event was too long and the rule only reports: the rest passes unread.
    unread: bool,
    number: u64,
    passed: u64,
    /// What the data of the events so far ended with.
    joins: Joins,
}

impl Events {
    /// Events of at most `limit` bytes.
    #[must_use]
    pub fn new(rules: Rules, limit: usize) -> Self {
        Self {
            joins: Joins::new(&rules),
            rules,
            held: Vec::new(),
            line: 0,
            seen: 0,
            after_return: false,
            rewritten: false,
            limit,
            more: false,
            unread: false,
            number: 0,
            passed: 0,
        }
    }

    /// Takes the next bytes of the stream and appends to `out` the events that are whole.
    ///
    /// # Errors
    /// Why an event must not go on.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>, tally: &Tally) -> Result<(), Stop> {
        if self.unread {
            out.extend_from_slice(chunk);
            return Ok(());
        }
        let mut chunk = chunk;
        // The second half of an event's very end: whoever reads lines by CR LF waits for it.
        if self.after_return
            && self.held.is_empty()
            && let Some((b'\n', rest)) = chunk.split_first()
        {
            if !self.rewritten {
                out.push(b'\n');
            }
            self.after_return = false;
            chunk = rest;
        }
        self.held.extend_from_slice(chunk);
        self.go_on(out, tally)?;
        if !self.more && self.held.len() > self.limit {
            return self.too_long(out);
        }
        Ok(())
    }

    /// Whether whole events may be left that [`Events::push`] has not looked at: it takes some at a time.
    #[must_use]
    pub fn more(&self) -> bool {
        self.more
    }

    /// Looks at the next events that are whole.
    fn go_on(&mut self, out: &mut Vec<u8>, tally: &Tally) -> Result<(), Stop> {
        let held = std::mem::take(&mut self.held);
        let (mut begin, mut looked) = (0, Ok(()));
        self.more = false;
        for number in 0..=AT_ONCE {
            let Some(end) = self.next_end(&held) else { break };
            looked = self.event(held.get(begin..end).unwrap_or_default(), out, tally);
            begin = end;
            self.more = number == AT_ONCE;
            if looked.is_err() {
                break;
            }
        }
        self.held = held;
        self.held.drain(..begin);
        (self.line, self.seen) = (self.line.saturating_sub(begin), self.seen.saturating_sub(begin));
        looked
    }

    /// Ends the stream: an event that is not whole is looked into as it is.
    ///
    /// # Errors
    /// As [`Events::push`].
    pub fn finish(&mut self, out: &mut Vec<u8>, tally: &Tally) -> Result<(), Stop> {
        while self.more {
            self.go_on(out, tally)?;
        }
        let rest = std::mem::take(&mut self.held);
        if rest.is_empty() {
            return Ok(());
        }
        self.event(&rest, out, tally)?;
        if self.rewritten {
            // Without its empty line it is no event to a client, and is to be none.
            out.pop();
        }
        Ok(())
    }

    /// Where the next whole event in `held` ends: behind an empty line.
    fn next_end(&mut self, held: &[u8]) -> Option<usize> {
        while let Some(byte) = held.get(self.seen).copied() {
            let at = self.seen;
            self.seen += 1;
            let second_half = byte == b'\n' && std::mem::take(&mut self.after_return);
            if second_half {
                self.line = self.seen;
                continue;
            }
            self.after_return = byte == b'\r';
            if !matches!(byte, b'\r' | b'\n') {
                continue;
            }
            let empty = self.line == at;
            self.line = self.seen;
            if empty {
                if self.after_return && held.get(self.seen) == Some(&b'\n') {
                    self.after_return = false;
                    self.seen += 1;
                    self.line = self.seen;
                }
                return Some(self.seen);
            }
        }
        None
    }

    fn event(&mut self, event: &[u8], out: &mut Vec<u8>, tally: &Tally) -> Result<(), Stop> {
        self.number += 1;
        // A mark at the beginning of the stream belongs to no line.
        let mark: &[u8] = if self.number == 1 { b"\xEF\xBB\xBF" } else { b"" };
        let lines = event
            .strip_prefix(mark)
            .unwrap_or(event)
            .split(|byte| matches!(byte, b'\r' | b'\n'))
            .filter(|line| !line.is_empty());
        let (data, other): (Vec<&[u8]>, Vec<&[u8]>) =
            lines.partition(|line| *line == b"data" || line.starts_with(b"data:"));
        let value = |line: &&[u8]| {
            let value = line.strip_prefix(b"data:").unwrap_or_default();
            value.strip_prefix(b" ").unwrap_or(value).to_vec()
        };
        let has_data = !data.is_empty();
        let (data, other) = (data.iter().map(value).collect::<Vec<_>>().join(&b'\n'), other.join(&b'\n'));
        let (new_data, new_other) = (self.look(&data, tally)?, self.look(&other, tally)?);
        let new_data = self.joins.message(new_data, &format!("response!event:{}", self.number), tally)?;
        let before = out.len();
        self.rewritten = new_data != data || new_other != other;
        if !self.rewritten {
            out.extend_from_slice(event);
        } else {
            for line in new_other.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            for line in new_data.split(|byte| *byte == b'\n').filter(|_| has_data) {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            out.push(b'\n');
        }
        self.passed = self.passed.saturating_add((out.len() - before) as u64);
        match self.rules.most() {
            Some(most) if self.passed > most => {
                out.truncate(before);
                Err(Stop { cause: Cause::TooLong(most), place: None, direction: Direction::Back })
            }
            _ => Ok(()),
        }
    }

    fn look(&self, text: &[u8], tally: &Tally) -> Result<Vec<u8>, Stop> {
        let mut out = Vec::with_capacity(text.len());
        // Signs alone say nothing: keep-alives cost nothing.
        if !text.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii()) {
            out.extend_from_slice(text);
            return Ok(out);
        }
        let prefix = format!("response!event:{}", self.number);
        let mut look = Look::new(&self.rules, &Described::default())?;
        let looked = look.push(text, &mut out).and_then(|()| look.finish(&mut out));
        tally.found(look.findings().iter().map(|finding| look::within(finding, &prefix)));
        tally.noted(look.notes());
        looked.map(|()| out).map_err(|stop| Stop { place: stop.place.map(|at| look::placed(at, &prefix)), ..stop })
    }

    fn too_long(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        if !self.rules.enforces() {
            self.unread = true;
            out.append(&mut self.held);
            return Ok(());
        }
        let reason = Reason::TooLarge("one event is longer than `limits.inspect_body_bytes`");
        let opaque = Opaque { reason, approvable: false, path: format!("event:{}", self.number + 1).into() };
        Err(Stop::content(Why::Opaque(opaque), &[], Direction::Back))
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
