//! Escapes that another escape makes: `%2540`, `\u0025\u0034\u0030`, `%26%2364;`, `%5Cu0040`.

use super::Encoding;
use super::escape::{Escape, hex, read};

/// How often an escape may be made by another one.
pub(super) const TIMES: usize = 4;
/// Decoded bytes that are looked at: enough for a character that was encoded three times, each digit of it.
const SYMBOLS: usize = 72;

/// The bytes that an escape begins, with one level of escapes undone.
pub(super) struct Again {
    bytes: [u8; SYMBOLS],
    /// Where each byte begins, and where the last ends.
    starts: [usize; SYMBOLS + 1],
    length: usize,
    /// More bytes may come.
    open: bool,
}

impl Again {
    /// What follows an escape for `first`, of `length` raw bytes, where that may begin an escape again.
    pub(super) fn of(
        encoding: Encoding,
        raw: &[u8],
        first: u8,
        length: usize,
        end: bool,
    ) -> Result<Option<Self>, Escape> {
        let next = match raw.get(length) {
            Some(next) => *next,
            None if end => return Ok(None),
            None => return Err(Escape::Partial),
        };
        let begins = match first {
            // What JSON writes as two backslashes its own reader has dealt with.
            b'\\' => !raw.starts_with(b"\\\\") && matches!(next, b'u' | b'U' | b'x' | b'/'),
            b'%' => next.is_ascii_hexdigit(),
            b'&' => next == b'#' || encoding == Encoding::Xml && next.is_ascii_alphabetic(),
            _ => return Ok(None),
        };
        if !begins && !matches!(next, b'\\' | b'%' | b'&') {
            return Ok(None);
        }
        let mut again = Again { bytes: [0; SYMBOLS], starts: [0; SYMBOLS + 1], length: 0, open: !end };
        again.push(first, length);
        again.fill(encoding, raw, end);
        Ok(Some(again))
    }

    fn fill(&mut self, encoding: Encoding, raw: &[u8], end: bool) {
        while self.length < SYMBOLS {
            let at = self.at(self.length);
            let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) else { return };
            let first = rest.first().copied().unwrap_or_default();
            let escape = match first {
                b'%' => hex(rest, 1, 2).map_or_else(|why| why, |code| Escape::Byte(u8::try_from(code).unwrap_or(0), 3)),
                _ => read(encoding, rest, end),
            };
            let (byte, length) = match escape {
                Escape::Byte(byte, length) => (byte, length),
                Escape::Literal => (first, 1),
                Escape::Partial if end => (first, 1),
                Escape::Partial => return,
                // No escape has such a character.
                Escape::Char(_, length) | Escape::Wide(_, length) => (0, length),
            };
            self.push(byte, at + length);
            if !(byte.is_ascii_alphanumeric() || b"\\%&#;/".contains(&byte)) {
                break;
            }
        }
        self.open = false;
    }

    fn push(&mut self, byte: u8, end: usize) {
        if let (Some(slot), Some(start)) = (self.bytes.get_mut(self.length), self.starts.get_mut(self.length + 1)) {
            (*slot, *start) = (byte, end);
            self.length += 1;
        }
    }

    fn at(&self, length: usize) -> usize {
        self.starts.get(length).copied().unwrap_or(0)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Whether more bytes may follow those that are here.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// What was read of these bytes, with the length that it has as it came; `None` where it is no escape.
    pub(super) fn as_it_came(&self, escape: Escape) -> Option<Escape> {
        match escape {
            Escape::Byte(byte, length) => Some(Escape::Byte(byte, self.at(length))),
            Escape::Char(code, length) | Escape::Wide(code, length) => Some(Escape::Char(code, self.at(length))),
            Escape::Partial if self.open => Some(Escape::Partial),
            Escape::Partial | Escape::Literal => None,
        }
    }
}
