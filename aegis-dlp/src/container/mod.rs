//! What content is made of, and how each kind is read: text, and containers that hold other content.
//!
//! A reader takes the bytes of one piece of content and puts out what of it may leave. Where a piece cannot be
//! rewritten (`Within::fixed`: a picture, what is in an archive), what it puts out is what it took, byte for
//! byte, only later: so the count of bytes put out says how far the piece has been judged.

mod binary;
mod encoded;
mod grpc;
mod label;
mod lines;
mod markup;
mod media;
mod multipart;
mod opening;
mod packed;
mod polyglot;
mod protobuf;
mod sniff;
mod text;
mod trail;
mod transfer;
mod voice;
mod zip;

use crate::Profile;
use crate::stream::{Content, Described, MethodBody, Reason, Step, join};

use binary::Binary;
use encoded::Encoded;
use grpc::Grpc;
use label::label;
use lines::{Found, Lines};
use markup::Markup;
use media::Media;
use multipart::{Enclosed, MessageKind, Multipart};
use opening::Opening;
use packed::Packed;
use polyglot::Polyglot;
use protobuf::Message;
use sniff::Kind;
use text::Text;
use transfer::Transfer;
use voice::Voice;
use zip::Zip;

/// Where in a body a piece of content is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Within {
    /// As findings say it; empty for the body itself.
    pub(crate) path: Box<str>,
    /// Containers around it.
    pub(crate) depth: u8,
    /// It cannot be rewritten.
    pub(crate) fixed: bool,
    /// What it is called where that says what it holds: the name of a form's field.
    pub(crate) heading: Box<str>,
}

impl Within {
    /// A piece of this one.
    pub(crate) fn piece(&self, name: &str) -> Within {
        let path = join(&self.path, Some(name));
        Within { path, depth: self.depth.saturating_add(1), fixed: self.fixed, heading: Box::default() }
    }

    /// The same content, which cannot be rewritten from here on.
    pub(crate) fn fixed(&self) -> Within {
        Within { fixed: true, ..self.clone() }
    }

    pub(crate) fn profile(&self, content: &Content) -> Profile {
        if self.fixed { content.fixed.clone() } else { content.profile.clone() }
    }
}

/// Reads one piece of content.
pub(crate) enum Reader {
    /// Not known yet what it is.
    Opening(Box<Opening>),
    Text(Box<Text>),
    Markup(Box<Markup>),
    Binary(Box<Binary>),
    Multipart(Box<Multipart>),
    Enclosed(Box<Enclosed>),
    Grpc(Box<Grpc>),
    Protobuf(Box<Message>),
    Transfer(Box<Transfer>),
    Zip(Box<Zip>),
    Packed(Box<Packed>),
    /// Passes unread, as the rule says.
    Unread,
}

impl Reader {
    /// The reader for a whole body.
    ///
    /// # Errors
    /// Its head says that it cannot be read.
    pub(crate) fn for_body(described: &Described<'_>, profile: &Profile) -> Result<Reader, Reason> {
        let media = Media::of(described.content_type);
        let descriptors = profile.descriptors();
        let (of_method, of_rule) = match described.method {
            Some(MethodBody::Request(path)) => (descriptors.request(path), profile.message()),
            Some(MethodBody::Response(path)) => (descriptors.response(path), None),
            None => (None, profile.message()),
        };
        if let Some(grpc) = Grpc::of(media.essence(), described.grpc_encoding, of_method.clone())? {
            return Ok(grpc);
        }
        if Message::is(media.essence()) {
            let shape = of_rule.cloned().or_else(|| media.message(descriptors)).or(of_method);
            return Ok(Reader::Protobuf(Box::new(Message::new(Within::default(), shape))));
        }
        Reader::declared(&media, Within::default())
    }

    /// The reader for content that is declared to be of a type.
    ///
    /// # Errors
    /// What is declared cannot be read.
    pub(crate) fn declared(media: &Media<'_>, within: Within) -> Result<Reader, Reason> {
        if media.essence().starts_with("multipart/") {
            return Ok(Reader::Multipart(Box::new(Multipart::new(media, within)?)));
        }
        if let Some(kind) = MessageKind::of(media.essence()) {
            return Ok(Reader::Enclosed(Box::new(Enclosed::new(kind, &within))));
        }
        if Message::is(media.essence()) {
            return Ok(Reader::Protobuf(Box::new(Message::new(within, None))));
        }
        Ok(Reader::Opening(Box::new(Opening::new(media.value, within))))
    }

    /// The reader for content of a kind that its first bytes have.
    pub(crate) fn of_kind(
        kind: Kind,
        declared: Option<&str>,
        content: &mut Content,
        within: &Within,
    ) -> Result<Reader, Reason> {
        Ok(match kind {
            Kind::Text => Reader::Text(Box::new(Text::new(within.profile(content), declared, within))),
            Kind::Markup => Reader::Markup(Box::new(Markup::new(content, within))),
            Kind::Binary(_) => Reader::Binary(Box::new(Binary::new(content, within))),
            Kind::Closed(name) => return Err(Reason::Unreadable(name)),
            Kind::Zip | Kind::Gzip if within.depth >= content.rules().nesting => {
                return Err(Reason::TooLarge("archives within archives"));
            }
            Kind::Zip => Reader::Zip(Box::new(Zip::new(within.fixed()))),
            Kind::Gzip => Reader::Packed(Box::new(Packed::new(within.fixed()))),
        })
    }

    /// Takes the next bytes and appends to `out` what may leave.
    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        match self {
            Reader::Opening(opening) => {
                if let Some(reader) = opening.push(content, bytes, out)? {
                    *self = reader;
                }
                Ok(())
            }
            Reader::Text(text) => text.push(content, bytes, out),
            Reader::Markup(markup) => markup.push(content, bytes, out),
            Reader::Binary(binary) => binary.push(content, bytes, out),
            Reader::Multipart(multipart) => multipart.push(content, bytes, out),
            Reader::Enclosed(message) => message.push(content, bytes, out),
            Reader::Grpc(grpc) => grpc.push(content, bytes, out),
            Reader::Protobuf(message) => message.push(content, bytes, out),
            Reader::Transfer(transfer) => transfer.push(content, bytes, out),
            Reader::Zip(zip) => zip.push(content, bytes, out),
            Reader::Packed(packed) => packed.push(content, bytes, out),
            Reader::Unread => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Ends the content and appends the rest.
    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        match self {
            Reader::Opening(opening) => opening.finish(content, out),
            Reader::Text(text) => text.finish(content, out),
            Reader::Markup(markup) => markup.finish(content, out),
            Reader::Binary(binary) => binary.finish(content, out),
            Reader::Multipart(multipart) => multipart.finish(content, out),
            Reader::Enclosed(message) => message.finish(content, out),
            Reader::Grpc(grpc) => grpc.finish(content, out),
            Reader::Protobuf(message) => message.finish(content, out),
            Reader::Transfer(transfer) => transfer.finish(content, out),
            Reader::Zip(zip) => zip.finish(content, out),
            Reader::Packed(packed) => packed.finish(content, out),
            Reader::Unread => Ok(()),
        }
    }

    /// Bytes of memory that it holds.
    pub(crate) fn held(&self) -> usize {
        match self {
            Reader::Opening(opening) => opening.held(),
            Reader::Text(text) => text.held(),
            Reader::Markup(markup) => markup.held(),
            Reader::Binary(binary) => binary.held(),
            Reader::Multipart(multipart) => multipart.held(),
            Reader::Enclosed(message) => message.held(),
            Reader::Grpc(grpc) => grpc.held(),
            Reader::Protobuf(message) => message.held(),
            Reader::Transfer(transfer) => transfer.held(),
            Reader::Zip(zip) => zip.held(),
            Reader::Packed(packed) => packed.held(),
            Reader::Unread => 0,
        }
    }
}
