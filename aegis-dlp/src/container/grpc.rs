//! Messages in a stream: gRPC over HTTP/2, gRPC-Web, and Connect's streams.
//!
//! Each is a byte of flags, a length of four bytes, and the message. One message is held at a time. A message in
//! which nothing is found leaves as it came, compressed where it was; one that changes leaves uncompressed, which
//! its flag says and every receiver must take. What a text goes on with that another one began, at the same place in a message
//! before, is looked at together with that.

use crate::coding::{Decoder, Stop};
use crate::descriptor::MessageType;
use crate::stream::{Content, Reason, Step, Why};
use crate::wire::MAX_MESSAGE;
use crate::{Format, Seam};

use super::protobuf;
use super::transfer::Encoding;
use super::{Reader, Text, Transfer, Within};

const PREFIX: usize = 5;
const COMPRESSED: u8 = 1;
/// Connect's last message, in JSON.
const LAST: u8 = 2;
/// gRPC-Web's trailers.
const TRAILERS: u8 = 0x80;

pub(crate) struct Grpc {
    json: bool,
    /// The type of the messages, where the method is known.
    shape: Option<MessageType>,
    /// How messages with the flag are compressed.
    coding: Box<str>,
    state: State,
    /// A prefix that is not whole, or the message under way.
    held: Vec<u8>,
    messages: u64,
    /// What the texts of the messages so far ended with.
    seam: Option<Seam>,
}

#[derive(Copy, Clone)]
enum State {
    Prefix,
    Message {
        flags: u8,
        length: usize,
    },
    /// A message that passes unread, as the rule says.
    Unread {
        left: usize,
    },
}

impl Grpc {
    /// The reader for a stream of messages of this media type; `None` for other types.
    ///
    /// # Errors
    /// Messages are compressed in a way that is not known.
    pub(super) fn of(
        essence: &str,
        coding: Option<&str>,
        shape: Option<MessageType>,
    ) -> Result<Option<Reader>, Reason> {
        let kind = essence.strip_prefix("application/").unwrap_or_default();
        let (family, codec) = kind.split_once('+').unwrap_or((kind, "proto"));
        let family = match family {
            "grpc" | "grpc-web" | "grpc-web-text" | "connect" => family,
            _ => return Ok(None),
        };
        let coding = coding.unwrap_or("identity").trim();
        Decoder::named(coding)?;
        let json = codec == "json";
        let (state, held) = (State::Prefix, Vec::new());
        let grpc = Grpc { json, shape, coding: coding.into(), state, held, messages: 0, seam: None };
        let reader = Reader::Grpc(Box::new(grpc));
        Ok(Some(if family == "grpc-web-text" {
            Reader::Transfer(Box::new(Transfer::new(Encoding::Segments, reader, &Within::default())))
        } else {
            reader
        }))
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let mut rest = bytes;
        while !rest.is_empty() {
            let wanted = match self.state {
                State::Prefix => PREFIX,
                State::Message { length, .. } => length,
                State::Unread { left } => left,
            };
            let (more, after) = rest.split_at(rest.len().min(wanted - self.held.len()));
            rest = after;
            if let State::Unread { left } = self.state {
                out.extend_from_slice(more);
                let left = left - more.len();
                self.state = if left == 0 { State::Prefix } else { State::Unread { left } };
                continue;
            }
            self.held.extend_from_slice(more);
            while self.whole() {
                self.read(content, out)?;
            }
        }
        Ok(())
    }

    fn whole(&self) -> bool {
        match self.state {
            State::Prefix => self.held.len() == PREFIX,
            State::Message { length, .. } => self.held.len() == length,
            State::Unread { .. } => false,
        }
    }

    /// Reads the prefix or the message that is held.
    fn read(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        match (self.state, self.held.as_slice()) {
            (State::Message { flags, .. }, _) => {
                let message = std::mem::take(&mut self.held);
                self.message(content, flags, &message, out)?;
                self.held = message;
                self.held.clear();
                self.held.shrink_to(protobuf::KEPT);
                self.state = State::Prefix;
            }
            (_, &[flags, a, b, c, d]) => {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                self.messages += 1;
                if length > MAX_MESSAGE {
                    content.opaque(Reason::TooLarge("a message of 4 MiB"), &self.path())?;
                    out.extend_from_slice(&self.held);
                    self.state = State::Unread { left: length };
                } else {
                    self.state = State::Message { flags, length };
                }
                self.held.clear();
            }
            _ => {}
        }
        Ok(())
    }

    fn path(&self) -> String {
        format!("grpc:{}", self.messages)
    }

    fn message(&mut self, content: &mut Content, flags: u8, sent: &[u8], out: &mut Vec<u8>) -> Step {
        let within = Within { path: self.path().into(), ..Within::default() };
        let plain;
        let (mut message, mut hides) = (sent, false);
        if flags & COMPRESSED != 0 {
            match self.unfold(content, sent) {
                Ok(unfolded) => (plain, hides) = unfolded,
                Err(Stop::Why(why)) => return Err(why),
                Err(Stop::Reason(reason)) => {
                    content.opaque(reason, &within.path)?;
                    put(flags, sent, out);
                    return Ok(());
                }
            }
            message = &plain;
        }
        let text = self.json || flags & (LAST | TRAILERS) != 0;
        let seam = self.seam.get_or_insert_with(|| Seam::of_records(&content.profile));
        let read = match text {
            true => text_message(content, message, &within, seam)?,
            false => protobuf::read(content, message, &within, self.shape.as_ref(), seam)?,
        };
        match read {
            Some(changed) => put(flags & !COMPRESSED, &changed, out),
            // What is in no message must not leave beside one.
            None if hides => put(flags & !COMPRESSED, message, out),
            None => put(flags, sent, out),
        }
        content.hidden |= hides;
        Ok(())
    }

    /// The message that is compressed, and whether there is more than it in what was sent.
    fn unfold(&self, content: &mut Content, sent: &[u8]) -> Result<(Vec<u8>, bool), Stop> {
        // Compressed with nothing: some take it as it is, some refuse it.
        let mut decoder = Decoder::named(&self.coding)?.ok_or(Reason::Ambiguous("a message"))?;
        let mut plain = Vec::new();
        decoder.push(sent, &mut |piece| {
            content.unfold(piece.len())?;
            plain.extend_from_slice(piece);
            if plain.len() > MAX_MESSAGE { Err(Reason::TooLarge("a message of 4 MiB").into()) } else { Ok(()) }
        })?;
        decoder.finish()?;
        Ok((plain, decoder.hides()))
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        if matches!(self.state, State::Prefix) && self.held.is_empty() {
            return Ok(());
        }
        content.opaque(Reason::Broken("message stream"), &self.path())?;
        if let State::Message { flags, length } = self.state {
            out.push(flags);
            out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
        out.append(&mut self.held);
        Ok(())
    }

    pub(crate) fn held(&self) -> usize {
        size_of::<Grpc>() + self.held.capacity() + self.seam.as_ref().map_or(0, Seam::held)
    }
}

fn put(flags: u8, message: &[u8], out: &mut Vec<u8>) {
    out.push(flags);
    out.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(message);
}

/// Scans a message that is text: what it becomes, where it changes.
fn text_message(
    content: &mut Content,
    message: &[u8],
    within: &Within,
    seam: &mut Seam,
) -> Result<Option<Vec<u8>>, Why> {
    let mut text = Text::of_format(within.profile(content), Format::Unknown, &within.path);
    let mut changed = Vec::with_capacity(message.len());
    text.push(content, message, &mut changed)?;
    text.finish(content, &mut changed)?;
    if let Some(joined) = content.joined(seam.message(&changed), &within.path)? {
        changed = joined;
    }
    Ok((changed != message).then_some(changed))
}
