//! AWS' binary event streams (`application/vnd.amazon.eventstream`): frames of a length, headers, a payload and two checksums.

use super::MAX_MESSAGE;

/// Length of the frame, length of its headers, CRC-32 of both.
const PRELUDE: usize = 12;
/// Of everything before it.
const CHECKSUM: usize = 4;

/// Cuts a stream into frames. Where a checksum is wrong nothing after it can be told, and nothing more is given.
#[derive(Debug, Default)]
pub struct Frames {
    held: Vec<u8>,
    /// Bytes of a frame too long to be held that are still to come.
    skipped: usize,
    broken: bool,
}

/// A frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    headers: &'a [u8],
    pub payload: &'a [u8],
}

impl Frames {
    /// Gives each frame that ends within `bytes` to `each`. `None` stands for one that was too long.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Option<&Frame<'_>>)) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.broken {
            if self.skipped > 0 {
                let (gone, after) = rest.split_at(self.skipped.min(rest.len()));
                self.skipped -= gone.len();
                rest = after;
                continue;
            }
            let wanted = self.wanted().saturating_sub(self.held.len());
            let (taken, after) = rest.split_at(wanted.min(rest.len()));
            self.held.extend_from_slice(taken);
            rest = after;
            self.settle(&mut each);
        }
    }

    /// Whether a checksum was wrong.
    #[must_use]
    pub fn broken(&self) -> bool {
        self.broken
    }

    /// How many bytes it takes to know more.
    fn wanted(&self) -> usize {
        if self.held.len() < PRELUDE { PRELUDE } else { number(&self.held, 0).unwrap_or(PRELUDE) }
    }

    fn settle(&mut self, each: &mut impl FnMut(Option<&Frame<'_>>)) {
        if self.held.len() < PRELUDE {
            return;
        }
        let (Some(length), Some(headers)) = (number(&self.held, 0), number(&self.held, 4)) else { return };
        let (Some(inner), Some(sum)) = (length.checked_sub(PRELUDE + CHECKSUM), checksum(&self.held, PRELUDE - 4))
        else {
            return self.give_up();
        };
        if !sum || headers > inner {
            return self.give_up();
        }
        if length > MAX_MESSAGE {
            self.skipped = length - self.held.len();
            self.held.clear();
            return each(None);
        }
        if self.held.len() < length {
            return;
        }
        if checksum(&self.held, length - CHECKSUM) != Some(true) {
            return self.give_up();
        }
        let body = self.held.get(PRELUDE..length - CHECKSUM).unwrap_or_default();
        let (headers, payload) = body.split_at(headers.min(body.len()));
        each(Some(&Frame { headers, payload }));
        self.held.clear();
    }

    fn give_up(&mut self) {
        self.broken = true;
        self.held.clear();
    }
}

impl Frame<'_> {
    /// The value of a header that is a string.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut rest = self.headers;
        loop {
            let (length, after) = rest.split_first()?;
            let (key, after) = after.split_at_checked(usize::from(*length))?;
            let (kind, after) = after.split_first()?;
            let fixed = match kind {
                0 | 1 => 0,
                2 => 1,
                3 => 2,
                4 => 4,
                5 | 8 => 8,
                9 => 16,
                // Bytes and strings say how long they are.
                _ => {
                    let (length, _) = after.split_at_checked(2)?;
                    2 + usize::from(u16::from_be_bytes(length.try_into().ok()?))
                }
            };
            let (value, after) = after.split_at_checked(fixed)?;
            if key == name.as_bytes() && *kind == 7 {
                return std::str::from_utf8(value.get(2..)?).ok();
            }
            rest = after;
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

/// Whether the four bytes at `at` are the checksum of all before them.
fn checksum(bytes: &[u8], at: usize) -> Option<bool> {
    let said = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    Some(crc32fast::hash(bytes.get(..at)?) == said)
}
