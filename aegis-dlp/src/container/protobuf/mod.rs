//! Protocol buffers by their wire format, and by their descriptors where the policies have them.
//!
//! A field of bytes may hold text, a message, or neither, and only its schema says which. So it is read as all of them: fields of
//! what parses as a message one by one, and the whole as text besides. What descriptors say is taken as a name for what stands
//! there, which is context, and as the type of numbers; it never takes a reading away, for the agent may choose the type.
//! What is redacted within a message changes the lengths around it, and nothing else.

mod bytes;
mod numbers;

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use crate::descriptor::{Field, Kind, MessageType, Number, Shape};
use crate::stream::{Content, Reason, Step, Why};
use crate::wire::{MAX_MESSAGE, Token, Tokens, Value, is_message, put_varint};
use crate::{Format, Seam};

use super::{Opening, Reader, Text, Within, label};
use bytes::{has_fields, is_quiet, is_text};
use numbers::Numbers;

/// Bytes of a buffer that is kept for the next message.
pub(crate) const KEPT: usize = 64 * 1024;
/// Messages within messages that are opened.
const DEPTH: usize = 24;
/// The shortest text that a detector finds anything in, and one of a tenant's own.
const SHORTEST: usize = 6;
const SHORTEST_OWN: usize = 3;
/// Bytes of the keys of a map's entry that are looked at.
const KEY: usize = 256;

/// A body that is one message.
pub(crate) struct Message {
    within: Within,
    shape: Option<MessageType>,
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

    /// A message of this type, where that is known.
    pub(super) fn new(within: Within, shape: Option<MessageType>) -> Self {
        Message { within, shape, held: Vec::new(), unread: false }
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
        let mut seam = Seam::of_records(&self.within.profile(content));
        match read(content, &self.held, &self.within, self.shape.as_ref(), &mut seam)? {
            Some(changed) => out.extend_from_slice(&changed),
            None => out.append(&mut self.held),
        }
        Ok(())
    }

    pub(crate) fn held(&self) -> usize {
        size_of::<Message>() + self.held.capacity()
    }
}

/// Reads a message: what it becomes, where it changes. `seam` has what the texts before it ended with.
pub(super) fn read(
    content: &mut Content,
    message: &[u8],
    within: &Within,
    shape: Option<&MessageType>,
    seam: &mut Seam,
) -> Result<Option<Vec<u8>>, Why> {
    let shortest = if content.profile.own().is_empty() { SHORTEST } else { SHORTEST_OWN };
    let known = Known { heading: String::new(), holds: shape.map_or(Holds::Anything, |of| Holds::Message(of.shape())) };
    match (Walk { content, within, path: String::new(), shortest, seam }).value(
        Cow::Borrowed(message),
        &known,
        DEPTH,
    )? {
        Cow::Borrowed(_) => Ok(None),
        Cow::Owned(changed) => Ok(Some(changed)),
    }
}

/// What is known of the bytes of a field.
struct Known<'d> {
    /// What they are called: context for what they hold.
    heading: String,
    holds: Holds<'d>,
}

#[derive(Copy, Clone)]
enum Holds<'d> {
    Anything,
    Text,
    Message(Shape<'d>),
}

/// A message being read, and where in it: the names of fields, or their numbers.
struct Walk<'w> {
    content: &'w mut Content,
    within: &'w Within,
    path: String,
    shortest: usize,
    seam: &'w mut Seam,
}

/// The type of the message or group that is read, and what its values are called besides: the keys of a map's entry.
#[derive(Clone, Default)]
struct Scope<'d> {
    shape: Option<Shape<'d>>,
    entry: Option<Entry>,
}

/// An entry of a map.
#[derive(Clone)]
struct Entry {
    /// What the map is called, and its key: as context, and as places say it.
    heading: String,
    label: String,
}

impl<'d> Scope<'d> {
    fn field(&self, number: u32) -> Option<&'d Field> {
        self.shape?.field(number)
    }

    /// What a field is called where it stands, and the context that its name is.
    fn called<'s>(&'s self, field: Option<&'s Field>, number: u32) -> (Cow<'s, str>, &'s str) {
        match (&self.entry, number) {
            (Some(entry), 1) => (format!("{}#", entry.label).into(), ""),
            (Some(entry), 2) => (entry.label.as_str().into(), &entry.heading),
            _ => match field {
                Some(field) => (Cow::Borrowed(&*field.name), &field.name),
                None => (number.to_string().into(), ""),
            },
        }
    }
}

impl Walk<'_> {
    /// Where it is.
    fn here(&self) -> Box<str> {
        match self.path.as_str() {
            "" => self.within.path.clone(),
            path => format!("{}/{path}", self.within.path).into(),
        }
    }

    /// Reads bytes as all that they may be.
    fn value<'m>(&mut self, bytes: Cow<'m, [u8]>, known: &Known<'_>, depth: usize) -> Result<Cow<'m, [u8]>, Why> {
        let text = matches!(known.holds, Holds::Text);
        // As text first: a short one is often a message, too.
        let bytes = if text { self.leaf(bytes, known)? } else { bytes };
        if bytes.is_empty() || !is_message(&bytes) {
            return if text { Ok(bytes) } else { self.leaf(bytes, known) };
        }
        if depth == 0 {
            self.content.opaque(Reason::TooLarge("messages within messages"), &self.here())?;
            return Ok(bytes);
        }
        let changed = self.fields(&bytes, known, depth - 1)?;
        let read = changed.map_or(bytes, Cow::Owned);
        if text { Ok(read) } else { self.as_text(read, known) }
    }

    /// Reads the fields of a message: what it becomes, where it changes.
    fn fields(&mut self, message: &[u8], known: &Known<'_>, depth: usize) -> Result<Option<Vec<u8>>, Why> {
        let mut edits = Edits::default();
        let mut numbers = Numbers::default();
        let shape = if let Holds::Message(shape) = known.holds { Some(shape) } else { None };
        let entry = shape.filter(|shape| shape.is_entry()).map(|_| self.entry(message, &known.heading));
        let mut scope = Scope { shape, entry };
        let mut groups: Vec<(Scope<'_>, usize)> = Vec::new();
        // That all of it is well formed was seen before.
        for token in Tokens::of(message).map_while(Result::ok) {
            let field = scope.field(token.number);
            match token.value {
                Value::Open => {
                    numbers.settle(self, &mut edits)?;
                    let inner = field.and_then(|field| scope.shape?.inner(field));
                    let length = self.go(&scope.called(field, token.number).0);
                    groups.push((std::mem::replace(&mut scope, Scope { shape: inner, entry: None }), length));
                }
                Value::Close => {
                    numbers.settle(self, &mut edits)?;
                    if let Some((outer, length)) = groups.pop() {
                        scope = outer;
                        self.path.truncate(length);
                    }
                }
                Value::Bytes => self.bytes(message, &token, &scope, depth, &mut edits)?,
                value => {
                    let Some(Field { kind: Kind::Number(number), .. }) = field else { continue };
                    let Some(scalar) = number.read(value) else { continue };
                    if numbers.is_full() {
                        numbers.settle(self, &mut edits)?;
                    }
                    let (name, heading) = scope.called(field, token.number);
                    let name = scope.entry.as_ref().map(|_| &*name);
                    numbers.add(*number, scalar, token.start..token.end, (heading, name));
                }
            }
        }
        numbers.settle(self, &mut edits)?;
        Ok(edits.apply(message))
    }

    /// Reads a field of bytes.
    fn bytes(&mut self, message: &[u8], token: &Token, scope: &Scope<'_>, depth: usize, edits: &mut Edits) -> Step {
        let field = scope.field(token.number);
        let inner = message.get(token.start..token.end).unwrap_or_default();
        let packed = match field {
            Some(Field { kind: Kind::Number(number), repeated: true, .. }) => Some(*number),
            _ => None,
        };
        if inner.is_empty() {
            return Ok(());
        }
        let (name, heading) = scope.called(field, token.number);
        let length = self.go(&name);
        let mut read = Cow::Borrowed(inner);
        if let Some(number) = packed.filter(|number| number.fills(inner))
            && let Some(changed) = self.packed(number, inner, heading)?
        {
            read = Cow::Owned(changed);
        }
        if read.len() >= self.shortest {
            let holds = match field.map(|field| field.kind) {
                Some(Kind::String) => Holds::Text,
                Some(Kind::Message(_)) => {
                    field.and_then(|field| scope.shape?.inner(field)).map_or(Holds::Anything, Holds::Message)
                }
                _ => Holds::Anything,
            };
            read = self.value(read, &Known { heading: heading.to_owned(), holds }, depth)?;
        }
        if packed.is_none() {
            // What is too short for a value may be the rest of one.
            read = self.joined(read)?;
        }
        self.path.truncate(length);
        if let Cow::Owned(changed) = read {
            let mut with_length = Vec::with_capacity(changed.len() + 5);
            put_varint(changed.len() as u64, &mut with_length);
            with_length.extend_from_slice(&changed);
            edits.push(token.prefix..token.end, with_length);
        }
        Ok(())
    }

    /// Reads text together with what stood at its place before, in this message and in those before it.
    fn joined<'m>(&mut self, bytes: Cow<'m, [u8]>) -> Result<Cow<'m, [u8]>, Why> {
        let shown = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r');
        if !bytes.iter().all(shown) || has_fields(&bytes) {
            return Ok(bytes);
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(bytes) };
        let joined = self.seam.text(&self.path, text);
        if joined.is_nothing() {
            return Ok(bytes);
        }
        let here = self.here();
        Ok(self.content.joined(joined, &here)?.map_or(bytes, Cow::Owned))
    }

    /// Reads numbers that stand side by side: what they become, where one changes.
    fn packed(&mut self, number: Number, bytes: &[u8], heading: &str) -> Result<Option<Vec<u8>>, Why> {
        let (mut edits, mut numbers, mut at) = (Edits::default(), Numbers::default(), 0);
        while let Some((value, end)) = number.next(bytes, at).filter(|_| at < bytes.len()) {
            if numbers.is_full() {
                numbers.settle(self, &mut edits)?;
            }
            if let Some(scalar) = number.read(value) {
                numbers.add(number, scalar, at..end, (heading, Some("")));
            }
            at = end;
        }
        numbers.settle(self, &mut edits)?;
        Ok(edits.apply(bytes))
    }

    /// Goes into a field by its name: how long the path was before.
    fn go(&mut self, name: &str) -> usize {
        let length = self.path.len();
        if length > 0 && !name.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
        length
    }

    /// What the keys of a map's entry say of its value. Readers take the last of several; any of them is context.
    fn entry(&self, message: &[u8], map: &str) -> Entry {
        let mut keys = String::new();
        for token in Tokens::of(message).map_while(Result::ok).filter(|token| token.number == 1) {
            if keys.len() >= KEY {
                break;
            }
            if !keys.is_empty() {
                keys.push(' ');
            }
            match token.value {
                Value::Bytes => {
                    let key = message.get(token.start..token.end).unwrap_or_default();
                    let key = String::from_utf8_lossy(key.get(..KEY).unwrap_or(key));
                    keys.push_str(&key);
                }
                Value::Varint(bits) => _ = write!(keys, "{bits}"),
                Value::Fixed32(bits) => _ = write!(keys, "{bits}"),
                Value::Fixed64(bits) => _ = write!(keys, "{bits}"),
                Value::Open | Value::Close => {}
            }
        }
        let label = label(self.content, &keys);
        // Half a mask would be a word.
        let whole = label.rfind('[').filter(|open| !label.split_at(*open).1.contains(']')).unwrap_or(label.len());
        Entry { heading: format!("{map} {}", label.split_at(whole).0), label }
    }

    /// What is no message is text, or a file.
    fn leaf<'m>(&mut self, bytes: Cow<'m, [u8]>, known: &Known<'_>) -> Result<Cow<'m, [u8]>, Why> {
        if is_quiet(&bytes, &self.content.profile) {
            return Ok(bytes);
        }
        let heading = known.heading.as_str().into();
        let within = Within { path: self.here(), depth: 1, heading, ..self.within.clone() };
        let mut out = Vec::with_capacity(bytes.len());
        let mut reader = Reader::Opening(Box::new(Opening::new(None, within)));
        reader.push(self.content, &bytes, &mut out)?;
        reader.finish(self.content, &mut out)?;
        Ok(if *out == *bytes { bytes } else { Cow::Owned(out) })
    }

    /// What parses as a message may be text all the same. Its fields were read before: what is found now stands in
    /// no field of it, so it is redacted as the text that it must be for that, or stopped where it is none.
    fn as_text<'m>(&mut self, bytes: Cow<'m, [u8]>, known: &Known<'_>) -> Result<Cow<'m, [u8]>, Why> {
        let mut out = Vec::with_capacity(bytes.len());
        let profile = if is_text(&bytes) { self.within.profile(self.content) } else { self.content.fixed.clone() };
        // What passes with a record was recorded where its field was read.
        let profile = profile.only(profile.acting());
        let mut text = Text::of_format(profile, Format::Unknown, &self.here()).with_heading(&known.heading);
        text.push(self.content, &bytes, &mut out)?;
        text.finish(self.content, &mut out)?;
        Ok(if *out == *bytes { bytes } else { Cow::Owned(out) })
    }
}

/// What stands in the place of which bytes.
#[derive(Default)]
struct Edits(Vec<(Range<usize>, Vec<u8>)>);

impl Edits {
    fn push(&mut self, at: Range<usize>, instead: Vec<u8>) {
        self.0.push((at, instead));
    }

    /// The bytes with what stands in their place; `None` where nothing does.
    fn apply(mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.sort_by_key(|(at, _)| at.start);
        let (mut out, mut copied) = (Vec::with_capacity(bytes.len()), 0);
        for (at, instead) in self.0 {
            out.extend_from_slice(bytes.get(copied..at.start).unwrap_or_default());
            out.extend_from_slice(&instead);
            copied = at.end;
        }
        out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
        Some(out)
    }
}
