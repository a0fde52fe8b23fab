//! From bytes to messages: frames are taken apart as they come, control frames between the fragments of a message among
//! them, and put together again where somebody wants to read the whole.

use bytes::{Bytes, BytesMut};

use super::close::{self, Violation};
use super::frame::{self, Head, Opcode};

/// What came next on one side.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The next piece of a message, unmasked.
    Piece(Piece),
    /// A control frame, unmasked.
    Control(Opcode, Bytes),
}

/// Some bytes of a message, which need not be all of a frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    pub kind: Kind,
    /// The message is compressed.
    pub compressed: bool,
    pub data: Bytes,
    /// The first piece of its message.
    pub first: bool,
    /// The last piece of its message.
    pub last: bool,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

impl Kind {
    #[must_use]
    pub fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// The frames of one side, as they come.
#[derive(Debug)]
pub struct Frames {
    masked: bool,
    may_compress: bool,
    frame: Option<Open>,
    /// The message that is under way, and whether nothing of it was given out yet.
    message: Option<(Kind, bool, bool)>,
}

/// A frame whose head was read.
#[derive(Debug)]
struct Open {
    head: Head,
    /// Payload bytes that were given out.
    at: u64,
}

impl Frames {
    /// `masked` where the side is the client, `may_compress` where compression was agreed with it.
    #[must_use]
    pub fn new(masked: bool, may_compress: bool) -> Self {
        Self { masked, may_compress, frame: None, message: None }
    }

    /// Takes what comes next off the front of `buffer`; `None` where more bytes are needed.
    ///
    /// # Errors
    /// Where a side does not keep to the protocol.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, Violation> {
        if self.frame.is_none() {
            let Some(head) = Head::take(buffer, self.masked, self.may_compress)? else { return Ok(None) };
            self.begin(head)?;
        }
        let Some(open) = &mut self.frame else { return Ok(None) };
        let left = open.head.length - open.at;
        let ready = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let whole = ready as u64 == left;
        if !whole && (ready == 0 || open.head.opcode.is_control()) {
            return Ok(None);
        }
        let mut data = buffer.split_to(ready);
        if let Some(key) = open.head.mask {
            frame::mask(key, open.at, &mut data);
        }
        open.at += ready as u64;
        let head = open.head;
        if whole {
            self.frame = None;
        }
        if head.opcode.is_control() {
            return Ok(Some(Event::Control(head.opcode, data.freeze())));
        }
        Ok(self.piece(data.freeze(), whole && head.last))
    }

    fn begin(&mut self, head: Head) -> Result<(), Violation> {
        let kind = match (head.opcode, &self.message) {
            (Opcode::Continuation, Some(_)) | (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => None,
            (Opcode::Continuation, None) => return Err(close::protocol("a continuation of nothing")),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(close::protocol("a message within a message")),
            (Opcode::Text, None) => Some(Kind::Text),
            (Opcode::Binary, None) => Some(Kind::Binary),
        };
        if let Some(kind) = kind {
            self.message = Some((kind, head.compressed, true));
        }
        self.frame = Some(Open { head, at: 0 });
        Ok(())
    }

    fn piece(&mut self, data: Bytes, last: bool) -> Option<Event> {
        let (kind, compressed, first) = self.message?;
        self.message = (!last).then_some((kind, compressed, false));
        Some(Event::Piece(Piece { kind, compressed, data, first, last }))
    }
}

/// A whole message, before it is decompressed.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    pub compressed: bool,
    pub data: Vec<u8>,
}

/// Puts messages together, up to a bound.
#[derive(Debug)]
pub struct Assembly {
    data: Vec<u8>,
    limit: usize,
}

impl Assembly {
    /// Messages of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { data: Vec::new(), limit }
    }

    /// Takes the next piece; gives the message with its last.
    ///
    /// # Errors
    /// Where it is longer than the bound.
    pub fn take(&mut self, piece: &Piece) -> Result<Option<Message>, Violation> {
        if self.data.len().saturating_add(piece.data.len()) > self.limit {
            return Err(close::too_big());
        }
        self.data.extend_from_slice(&piece.data);
        if !piece.last {
            return Ok(None);
        }
        let data = std::mem::take(&mut self.data);
        Ok(Some(Message { kind: piece.kind, compressed: piece.compressed, data }))
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
