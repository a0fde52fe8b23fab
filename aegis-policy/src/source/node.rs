//! A YAML document as it stands in the text: every map entry kept, also repeated ones, so that nothing is
//! silently dropped before it was checked.
//!
//! serde hands out no positions, but its errors carry one. So a node's place is found by reading the text a second
//! time with a seed that walks to the node and fails there. Only problems pay for that, and no second YAML parser
//! can disagree with the first about where or what something is.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// More nodes than any policy has; bounds what anchors and aliases can blow up to.
const MAX_NODES: usize = 1_000_000;

/// A YAML node. Tags other than the core schema's are refused while parsing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    String(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// One step from a node to a node below it.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Item(usize),
    Key(usize),
    Value(usize),
}

/// What stopped the parser, and where (1-based).
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) message: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Node {
    /// Reads one YAML (or JSON) document.
    pub(crate) fn parse(text: &str) -> Result<Node, Unreadable> {
        let budget = Cell::new(MAX_NODES);
        Build { budget: &budget }.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            let text = error.to_string();
            let message = text.rfind(" at line ").and_then(|end| text.get(..end)).unwrap_or(&text).to_owned();
            Unreadable { message, line, column }
        })
    }

    /// A single value as it is written.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Node::String(text) => Some(text.clone()),
            Node::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// What kind of node it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Node::Null => "nothing",
            Node::Bool(_) => "a boolean",
            Node::Number(_) => "a number",
            Node::String(_) => "a string",
            Node::List(_) => "a list",
            Node::Map(_) => "a map",
        }
    }
}

/// The 1-based line and column of the node that `steps` lead to.
pub(crate) fn locate(text: &str, steps: &[Step]) -> (usize, usize) {
    let failure = Walk { steps }.deserialize(serde_yaml::Deserializer::from_str(text)).err();
    failure.and_then(|error| error.location()).map_or((1, 1), |at| (at.line(), at.column()))
}

#[derive(Copy, Clone)]
struct Build<'b> {
    budget: &'b Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        match self.budget.get().checked_sub(1) {
            Some(left) => self.budget.set(left),
            None => return Err(de::Error::custom("the document is too large")),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, a list, a string, a number or a boolean")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(Node::Number).ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key_seed(self)? {
            map.push((key, entries.next_value_seed(self)?));
        }
        Ok(Node::Map(map))
    }
}

/// Walks along `steps` and fails at their end: the default of every `visit_` method is an error, and the parser
/// puts the position of the node on it.
#[derive(Copy, Clone)]
struct Walk<'s> {
    steps: &'s [Step],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("to stop here")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Step::Item(index), steps)) = self.steps.split_first() else {
            return Err(de::Error::custom("here"));
        };
        for _ in 0..*index {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Walk { steps })?;
        Err(de::Error::custom("here"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let (at, steps, want_key) = match self.steps.split_first() {
            Some((Step::Key(at), steps)) => (*at, steps, true),
            Some((Step::Value(at), steps)) => (*at, steps, false),
            _ => return Err(de::Error::custom("here")),
        };
        for _ in 0..at {
            entries.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if want_key {
            entries.next_key_seed(Walk { steps })?;
        } else {
            entries.next_key::<IgnoredAny>()?;
            entries.next_value_seed(Walk { steps })?;
        }
        Err(de::Error::custom("here"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_found_where_it_stands() {
        let text = "a: 1\nb:\n  - x\n  - {k: [true, \"é\", z]}\n  - ~\nb: twice\n";
        use Step::{Item, Key, Value};
        for (steps, place) in [
            (vec![], (1, 1)),
            (vec![Key(0)], (1, 1)),
            (vec![Value(0)], (1, 4)),
            (vec![Value(1), Item(0)], (3, 5)),
            (vec![Value(1), Item(1), Value(0), Item(2)], (4, 21)),
            (vec![Value(1), Item(2)], (5, 5)),
            (vec![Key(2)], (6, 1)),
        ] {
            assert_eq!(locate(text, &steps), place, "{steps:?}");
        }
    }

    #[test]
    fn repeated_keys_stay_visible() {
        let Node::Map(entries) = Node::parse("a: 1\na: 2").unwrap() else { panic!("not a map") };
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn aliases_cannot_blow_up() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(Node::parse(&text).is_err());
    }
}
