//! Protocol buffers by their wire format, without descriptors.
//!
//! A field of bytes may hold text, a message, or neither, and only its schema says which. So it is read as all
//! of them: fields of what parses as a message one by one, and the whole as text besides. What is redacted within
//! a message changes the lengths around it, and nothing else.

use std::borrow::Cow;

use crate::stream::{Content, Reason, Step, Why};
use crate::{Action, Format};

use super::{Opening, Reader, Text, Within};

/// The longest message: what gRPC takes by default.
pub(crate) const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Bytes of a buffer that is kept for the next message.
pub(crate) const KEPT: usize = 64 * 1024;
/// Messages within messages that are opened.
const DEPTH: usize = 24;
/// The shortest text that anything is found in.
const SHORTEST: usize = 6;

/// A body that is one message.
pub(crate) struct Message {
    within: Within,
    held: Vec<u8>,
    /// Given up: passes as the rule says.
    unread: bool,
}

impl Message {
    /// Whether this media type is that of a message.
    pub(super) fn is(essence: &str) -> bool {
        let names = ["x-protobuf", "protobuf", "vnd.google.protobuf", "proto", "x-google-protobuf"];
        essence.strip_prefix("application/").is_some_and(|name| names.contains(&name))
    }

    pub(super) fn new(within: Within) -> Self {
        Message { within, held: Vec::new(), unread: false }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        if !self.unread && self.held.len() + bytes.len() > MAX_MESSAGE {
            content.opaque(Reason::TooLarge("a message of 4 MiB"), &self.within.path)?;
            self.unread = true;
            out.append(&mut self.held);
        }
        let to = if self.unread { out } else { &mut self.held };
        to.extend_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        match read(content, &self.held, &self.within)? {
            Some(changed) => out.extend_from_slice(&changed),
            None => out.append(&mut self.held),
        }
        Ok(())
    }

    pub(crate) fn held(&self) -> usize {
        size_of::<Message>() + self.held.capacity()
    }
}

/// Reads a message: what it becomes, where it changes.
pub(super) fn read(content: &mut Content, message: &[u8], within: &Within) -> Result<Option<Vec<u8>>, Why> {
    match value(content, message, within, "", DEPTH)? {
        Cow::Borrowed(_) => Ok(None),
        Cow::Owned(changed) => Ok(Some(changed)),
    }
}

/// Reads the bytes of a field, at `path` of the message.
fn value<'m>(
    content: &mut Content,
    bytes: &'m [u8],
    within: &Within,
    path: &str,
    depth: usize,
) -> Result<Cow<'m, [u8]>, Why> {
    let here = || if path.is_empty() { within.path.clone() } else { format!("{}/{path}", within.path).into() };
    let Some(fields) = fields(bytes).filter(|_| !bytes.is_empty()) else {
        return leaf(content, bytes, Within { path: here(), ..within.clone() });
    };
    if depth == 0 {
        content.opaque(Reason::TooLarge("messages within messages"), &here())?;
        return Ok(Cow::Borrowed(bytes));
    }
    let mut changed: Option<Vec<u8>> = None;
    let mut copied = 0;
    for field in &fields {
        let inner = bytes.get(field.start..field.start + field.length).unwrap_or_default();
        let path = if path.is_empty() { field.number.to_string() } else { format!("{path}.{}", field.number) };
        if let Cow::Owned(redacted) = value(content, inner, within, &path, depth - 1)? {
            let out = changed.get_or_insert_with(|| Vec::with_capacity(bytes.len()));
            out.extend_from_slice(bytes.get(copied..field.prefix).unwrap_or_default());
            put_varint(redacted.len() as u64, out);
            out.extend_from_slice(&redacted);
            copied = field.start + field.length;
        }
    }
    if let Some(out) = &mut changed {
        out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    }
    let read = changed.map_or(Cow::Borrowed(bytes), Cow::Owned);
    as_text(content, read, &here(), within)
}

/// What is no message is text, or a file.
fn leaf<'m>(content: &mut Content, bytes: &'m [u8], within: Within) -> Result<Cow<'m, [u8]>, Why> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut reader = Reader::Opening(Box::new(Opening::new(None, Within { depth: 1, ..within })));
    reader.push(content, bytes, &mut out)?;
    reader.finish(content, &mut out)?;
    Ok(if out == bytes { Cow::Borrowed(bytes) } else { Cow::Owned(out) })
}

/// What parses as a message may be text all the same. Its fields were read before: what is found now stands in
/// no field of it, so it is redacted as the text that it must be for that, or stopped where it is none.
fn as_text<'m>(content: &mut Content, bytes: Cow<'m, [u8]>, path: &str, within: &Within) -> Result<Cow<'m, [u8]>, Why> {
    let mut out = Vec::with_capacity(bytes.len());
    let profile = if is_text(&bytes) { within.profile(content) } else { content.fixed.clone() };
    // What passes with a record was recorded where its field was read.
    let stops = |detector| profile.action(detector) != Some(Action::Report);
    let profile = profile.only(profile.detectors().iter().filter(|detector| stops(*detector)).collect());
    let mut text = Text::of_format(profile, Format::Unknown, path);
    text.push(content, &bytes, &mut out)?;
    text.finish(content, &mut out)?;
    Ok(if *out == *bytes { bytes } else { Cow::Owned(out) })
}

/// Whether bytes could be text: UTF-8 without control characters other than blanks.
fn is_text(bytes: &[u8]) -> bool {
    let control = |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r');
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(control))
}

/// A field of bytes: its number, where the length of its bytes is, where they are, and how many.
struct Field {
    number: u64,
    prefix: usize,
    start: usize,
    length: usize,
}

/// The fields of bytes that a message has, where something could be found in them; `None` where it is none.
fn fields(message: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let mut groups: Vec<u64> = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let (tag, after) = varint(message, at)?;
        let number = tag >> 3;
        if number == 0 || number > 0x1fff_ffff {
            return None;
        }
        at = match tag & 7 {
            0 => varint(message, after)?.1,
            1 => after + 8,
            2 => {
                let (length, start) = varint(message, after)?;
                let length = usize::try_from(length).ok()?;
                let end = start.checked_add(length).filter(|end| *end <= message.len())?;
                if length >= SHORTEST {
                    fields.push(Field { number, prefix: after, start, length });
                }
                end
            }
            3 => {
                groups.push(number);
                if groups.len() > DEPTH {
                    return None;
                }
                after
            }
            4 if groups.pop() == Some(number) => after,
            5 => after + 4,
            _ => return None,
        };
    }
    (at == message.len() && groups.is_empty()).then_some(fields)
}

/// The number at a place, and the place behind it.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (number, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * number);
        if byte & 0x80 == 0 {
            return Some((value, at + number + 1));
        }
    }
    None
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes().first().copied().unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.extend(value.to_le_bytes().first());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_variable_length() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            assert_eq!(varint(&bytes, 0), Some((value, bytes.len())));
            assert_eq!(varint(&bytes[..bytes.len() - 1], 0), None);
        }
        assert_eq!(varint(&[0x80; 11], 0), None);
    }

    #[test]
    fn what_is_a_message() {
        let lengths = |bytes: &[u8]| fields(bytes).map(|fields| fields.iter().map(|f| f.length).collect::<Vec<_>>());
        assert_eq!(lengths(b"\x0a\x03abc\x12\x06abcdef\x10\x07\x1d1234\x21 8 bytes"), Some(vec![6]));
        assert_eq!(lengths(b"\x0b\x12\x06abcdef\x0c"), Some(vec![6]), "a group");
        assert_eq!(lengths(b"\x0b\x12\x02hi"), None, "an open group");
        assert_eq!(lengths(b"\x0a\x04abc"), None);
        assert_eq!(lengths(b"hello"), None);
        assert_eq!(lengths(b"123-45-6789"), Some(vec![]), "text that parses as a message without a text");
    }
}
