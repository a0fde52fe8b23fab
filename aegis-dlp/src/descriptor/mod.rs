//! What protocol buffers say of themselves: message types, the names of their fields, and the methods that take them, as
//! compiled descriptor sets have them (google/protobuf/descriptor.proto).

mod build;
mod json;
mod known;
mod number;
mod request;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub use build::DescriptorError;
pub(crate) use number::{Number, Scalar};
pub use request::NotOneMessage;

/// The message types and methods of the descriptor sets that the policies name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Descriptors(Option<Arc<Pool>>);

/// A message type of one of them. Cheap to clone.
#[derive(Clone)]
pub struct MessageType {
    pool: Arc<Pool>,
    at: u32,
}

/// All types, by number.
#[derive(Debug, Default)]
struct Pool {
    messages: Vec<Message>,
    enums: Vec<Enumeration>,
    /// Full names without a leading dot.
    names: HashMap<Box<str>, u32>,
    /// `SERVICE/METHOD`.
    methods: HashMap<Box<str>, Method>,
    digest: [u8; 32],
}

#[derive(Debug, Default)]
struct Message {
    name: Box<str>,
    /// Ascending by number.
    fields: Vec<Field>,
    /// A key and a value of a map.
    entry: bool,
}

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    number: u32,
    pub(crate) name: Box<str>,
    /// As JSON calls it.
    json: Box<str>,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
    /// Not there means its default.
    implicit: bool,
    /// Which of the message's alternatives it is one of.
    choice: Option<i32>,
}

/// What a field holds; messages by their number.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Number(Number),
    String,
    Bytes,
    Message(u32),
}

#[derive(Debug, Default)]
struct Enumeration {
    values: HashMap<i32, Box<str>>,
}

#[derive(Copy, Clone, Debug)]
struct Method {
    input: u32,
    output: u32,
    /// The request is a stream of messages.
    streaming: bool,
}

impl Descriptors {
    /// No types.
    pub const NONE: Descriptors = Descriptors(None);

    /// The most sets that are read, and the most bytes of one.
    pub const MOST: usize = 16;
    /// The most bytes of one set.
    pub const LONGEST: usize = 4 * 1024 * 1024;

    /// Reads compiled descriptor sets: serialized `FileDescriptorSet`s with all that they import. A file that is in several must
    /// be the same in all.
    ///
    /// # Errors
    /// What is wrong, and with which of the sets, counted from 0.
    pub fn read(sets: &[&[u8]]) -> Result<Descriptors, (usize, DescriptorError)> {
        if sets.is_empty() {
            return Ok(Descriptors::NONE);
        }
        build::pool(sets).map(|pool| Descriptors(Some(Arc::new(pool))))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The message type of this full name, with or without a leading dot.
    pub fn message(&self, name: &str) -> Option<MessageType> {
        let pool = self.0.as_ref()?;
        let at = *pool.names.get(name.strip_prefix('.').unwrap_or(name))?;
        Some(MessageType { pool: pool.clone(), at })
    }

    /// The full names of all message types, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|pool| pool.messages.iter().filter(|one| !one.entry).map(|one| &*one.name))
    }

    /// The type of what is sent to the method at this path, `/SERVICE/METHOD`.
    pub fn request(&self, path: &str) -> Option<MessageType> {
        self.of_method(path, |method| method.input)
    }

    /// The type of what the method at this path answers.
    pub fn response(&self, path: &str) -> Option<MessageType> {
        self.of_method(path, |method| method.output)
    }

    fn of_method(&self, path: &str, which: fn(&Method) -> u32) -> Option<MessageType> {
        let pool = self.0.as_ref()?;
        let method = pool.methods.get(path.strip_prefix('/')?)?;
        Some(MessageType { pool: pool.clone(), at: which(method) })
    }
}

impl Pool {
    fn message(&self, at: u32) -> Option<&Message> {
        self.messages.get(at as usize)
    }
}

impl Message {
    fn field(&self, number: u32) -> Option<&Field> {
        let at = self.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        self.fields.get(at)
    }
}

impl MessageType {
    /// Its full name.
    pub fn name(&self) -> &str {
        self.pool.message(self.at).map_or("", |message| &message.name)
    }

    /// The same as it is borrowed while a message is read.
    pub(crate) fn shape(&self) -> Shape<'_> {
        Shape { pool: &self.pool, at: self.at }
    }
}

/// A message type while a message is read.
#[derive(Copy, Clone)]
pub(crate) struct Shape<'d> {
    pool: &'d Pool,
    at: u32,
}

impl<'d> Shape<'d> {
    pub(crate) fn field(self, number: u32) -> Option<&'d Field> {
        self.pool.message(self.at)?.field(number)
    }

    /// Whether it is a key and a value of a map.
    pub(crate) fn is_entry(self) -> bool {
        self.pool.message(self.at).is_some_and(|message| message.entry)
    }

    /// What a field of it holds, where that is a message.
    pub(crate) fn inner(self, field: &Field) -> Option<Shape<'d>> {
        match field.kind {
            Kind::Message(at) => Some(Shape { at, ..self }),
            _ => None,
        }
    }
}

/// Two are the same where they were read from the same bytes.
impl PartialEq for Descriptors {
    fn eq(&self, other: &Self) -> bool {
        let digest = |one: &Descriptors| one.0.as_ref().map(|pool| pool.digest);
        digest(self) == digest(other)
    }
}

impl PartialEq for MessageType {
    fn eq(&self, other: &Self) -> bool {
        (self.pool.digest, self.at) == (other.pool.digest, other.at)
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageType").field(&self.name()).finish()
    }
}
