//! Server-sent events (WHATWG HTML, section 9.2.6, "Interpreting an event stream").

use std::borrow::Cow;

use super::MAX_MESSAGE;

/// Cuts a stream into the blocks that a blank line ends. Put together again, the blocks are the stream, byte for byte.
#[derive(Debug, Default)]
pub struct Blocks {
    held: Vec<u8>,
    /// Within a line.
    in_line: bool,
    /// The last byte was a CR: an LF after it belongs to it.
    after_cr: bool,
    /// That CR ended a block.
    ended: bool,
    overlong: bool,
}

/// What comes of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Block<'a> {
    /// A block, its end included.
    Whole(&'a [u8]),
    /// Some bytes of a block that is longer than [`MAX_MESSAGE`]; with `last` its end.
    Part { bytes: &'a [u8], last: bool },
}

/// What a block says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event's type; empty where none is given.
    pub kind: Cow<'a, str>,
    /// Its lines of data, joined by line feeds. Without any line of data there is no event.
    pub data: Option<Cow<'a, str>>,
}

impl Blocks {
    /// Gives each block that ends within `bytes` to `each`, and what came so far of one that is too long to be held.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Block<'_>)) {
        let mut from = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if self.ends_block(*byte) {
                self.take(bytes.get(from..=at).unwrap_or_default(), true, &mut each);
                from = at + 1;
            }
        }
        self.take(bytes.get(from..).unwrap_or_default(), false, &mut each);
    }

    /// What is left at the end: a block that no blank line has ended, which clients throw away.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.held
    }

    /// Whether the block that is being read is too long already.
    #[must_use]
    pub fn overlong(&self) -> bool {
        self.overlong
    }

    /// Lines end with CRLF, LF or CR.
    fn ends_block(&mut self, byte: u8) -> bool {
        let end = match byte {
            // After a block's end it is a block of its own: clients wait for it, and it must not wait for the next event.
            b'\n' if self.after_cr => self.ended,
            b'\r' | b'\n' => !std::mem::take(&mut self.in_line),
            _ => {
                self.in_line = true;
                false
            }
        };
        self.after_cr = byte == b'\r';
        self.ended = end && self.after_cr;
        end
    }

    fn take(&mut self, bytes: &[u8], last: bool, each: &mut impl FnMut(Block<'_>)) {
        if !self.overlong && self.held.len() + bytes.len() > MAX_MESSAGE {
            self.overlong = true;
            each(Block::Part { bytes: &std::mem::take(&mut self.held), last: false });
        }
        match (self.overlong, last) {
            (true, _) => each(Block::Part { bytes, last }),
            (false, true) => {
                self.held.extend_from_slice(bytes);
                each(Block::Whole(&self.held));
            }
            (false, false) => self.held.extend_from_slice(bytes),
        }
        if last {
            self.held.clear();
            self.overlong = false;
        }
    }
}

impl<'a> Event<'a> {
    /// Reads a block.
    #[must_use]
    pub fn read(block: &'a [u8]) -> Self {
        let mut event = Self::default();
        let block = block.strip_prefix("\u{feff}".as_bytes()).unwrap_or(block);
        for line in block.split(|byte| matches!(byte, b'\r' | b'\n')) {
            let colon = memchr::memchr(b':', line);
            let (name, value) = line.split_at(colon.unwrap_or(line.len()));
            let value = value.strip_prefix(b":").unwrap_or(value);
            let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
            match name {
                b"event" => event.kind = value,
                b"data" => {
                    event.data = Some(match event.data.take() {
                        None => value,
                        Some(before) => Cow::Owned(format!("{before}\n{value}")),
                    });
                }
                _ => {}
            }
        }
        event
    }
}
