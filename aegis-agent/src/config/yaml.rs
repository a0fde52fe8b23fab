//! YAML text -> value, with what the YAML library leaves out: keys that stand twice, and the line of a key.
//!
//! The library tells a line only with an error. So a line is asked for by reading the text once more and
//! failing at the key in question; a configuration is small, and this happens only when there is something to report.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Error, Mapping, Value};

pub(super) struct Parsed {
    /// Where a key stands twice, the first one counts here.
    pub(super) value: Value,
    pub(super) duplicates: Vec<Duplicate>,
}

pub(super) struct Duplicate {
    pub(super) path: String,
    pub(super) line: Option<usize>,
}

pub(super) fn parse(text: &str) -> Result<Parsed, Error> {
    let walk = Walk::default();
    let value = walk.run(text)?;
    let duplicates = walk
        .duplicates
        .into_inner()
        .into_iter()
        .map(|path| Duplicate { line: line_of(text, &path, Which::Again), path });
    Ok(Parsed { value, duplicates: duplicates.collect() })
}

/// The line, from 1, of the first key at `path`.
pub(super) fn line_of_key(text: &str, path: &str) -> Option<usize> {
    line_of(text, path, Which::First)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    First,
    Again,
}

fn line_of(text: &str, path: &str, which: Which) -> Option<usize> {
    let walk = Walk { stop_at: Some((path.to_owned(), which)), ..Walk::default() };
    let error = walk.run(text).err()?;
    if walk.stopped.into_inner() { error.location().map(|l| l.line()) } else { None }
}

/// What one reading of the text looks for.
#[derive(Default)]
struct Walk {
    stop_at: Option<(String, Which)>,
    stopped: RefCell<bool>,
    duplicates: RefCell<Vec<String>>,
}

impl Walk {
    fn run(&self, text: &str) -> Result<Value, Error> {
        Node { walk: self, path: String::new() }.deserialize(serde_yaml::Deserializer::from_str(text))
    }

    fn is_stop(&self, path: &str, seen: bool) -> bool {
        let which = if seen { Which::Again } else { Which::First };
        let stop = self.stop_at.as_ref().is_some_and(|(at, wanted)| at == path && *wanted == which);
        self.stopped.replace_with(|stopped| *stopped || stop);
        stop
    }
}

struct Node<'a> {
    walk: &'a Walk,
    path: String,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain YAML value without tags")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut sequence = Vec::new();
        while let Some(item) =
            items.next_element_seed(Node { walk: self.walk, path: format!("{}[{}]", self.path, sequence.len()) })?
        {
            sequence.push(item);
        }
        Ok(Value::Sequence(sequence))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut seen = BTreeSet::new();
        let mut mapping = Mapping::new();
        while let Some(key) = entries.next_key_seed(Key { walk: self.walk, parent: &self.path, seen: &seen })? {
            let path = join(&self.path, &key);
            let value = entries.next_value_seed(Node { walk: self.walk, path: path.clone() })?;
            if seen.insert(key.clone()) {
                mapping.insert(key.into(), value);
            } else {
                self.walk.duplicates.borrow_mut().push(path);
            }
        }
        Ok(Value::Mapping(mapping))
    }
}

/// A key of a mapping: where a walk stops, because an error raised here carries the key's own position.
struct Key<'a> {
    walk: &'a Walk,
    parent: &'a str,
    seen: &'a BTreeSet<String>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a setting")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        if self.walk.is_stop(&join(self.parent, key), self.seen.contains(key)) {
            return Err(E::custom("here"));
        }
        Ok(key.to_owned())
    }
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}
