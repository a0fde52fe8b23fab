//! The strings of a JSON message, each with where it stands.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Levels that are gone into.
const DEPTH: usize = 16;
/// Strings of one message that are looked at, the first ones, and the longest name of a place.
const MOST: usize = 64;
const LONGEST: usize = 256;
/// Members that say of a message what it is, and are no text: they are not read on from one message to the next.
const NAMES: [&str; 22] = [
    "id",
    "object",
    "type",
    "model",
    "role",
    "created",
    "event",
    "method",
    "jsonrpc",
    "seq",
    "sequence",
    "sequence_number",
    "time",
    "timestamp",
    "ts",
    "date",
    "version",
    "nonce",
    "cursor",
    "hash",
    "signature",
    "obfuscation",
];
const ENDINGS: [&str; 5] = ["_id", "Id", "_at", "At", "_fingerprint"];

/// A string.
pub(super) struct Leaf<'a> {
    /// Where it stands: names and places in lists, and the `index` that streams of models give their parts.
    pub(super) place: String,
    pub(super) text: Cow<'a, str>,
    /// Its bytes in the message, quotes included.
    pub(super) at: Range<usize>,
}

/// The strings of `message` in order, where that is a JSON object or list.
pub(super) fn leaves(message: &str) -> Option<Vec<Leaf<'_>>> {
    if !message.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let root = serde_json::from_str(message).ok()?;
    let mut walk = Walk { begin: message.as_ptr() as usize, found: Vec::new() };
    walk.enter(root, message, String::new(), 0);
    Some(walk.found)
}

struct Walk<'a> {
    begin: usize,
    found: Vec<Leaf<'a>>,
}

impl<'a> Walk<'a> {
    fn node(&mut self, raw: &'a RawValue, place: String, depth: usize) {
        if self.found.len() >= MOST || depth > DEPTH || place.len() > LONGEST {
            return;
        }
        if let Ok(node) = serde_json::from_str(raw.get()) {
            self.enter(node, raw.get(), place, depth);
        }
    }

    fn enter(&mut self, node: Node<'a>, raw: &'a str, place: String, depth: usize) {
        match node {
            Node::Text(text) => {
                let begin = (raw.as_ptr() as usize).saturating_sub(self.begin);
                self.found.push(Leaf { place, text, at: begin..begin + raw.len() });
            }
            Node::List(items) => {
                for (at, item) in items.into_iter().enumerate() {
                    self.node(item, format!("{place}/{at}"), depth + 1);
                }
            }
            Node::Object(members) => {
                let index = members.iter().find(|(name, _)| name == "index").map_or("", |(_, raw)| raw.get());
                for (name, item) in &members {
                    if !NAMES.contains(&&**name) && !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                        self.node(item, format!("{place}{index}/{name}"), depth + 1);
                    }
                }
            }
            Node::Other => {}
        }
    }
}

/// One level of a value.
enum Node<'a> {
    Text(Cow<'a, str>),
    List(Vec<&'a RawValue>),
    Object(Vec<(Cow<'a, str>, &'a RawValue)>),
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while list.len() < MOST {
            match items.next_element()? {
                Some(item) => list.push(item),
                None => return Ok(Node::List(list)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = Vec::new();
        while let Some((Name(name), value)) = members.next_entry()? {
            object.push((name, value));
        }
        Ok(Node::Object(object))
    }
}

/// A member's name: one with escapes is not borrowed.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(NodeVisitor)? {
            Node::Text(text) => Ok(Name(text)),
            _ => Ok(Name(Cow::Borrowed(""))),
        }
    }
}
