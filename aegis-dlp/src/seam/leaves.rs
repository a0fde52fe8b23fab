//! The strings of a JSON message, each with where it stands.

use std::borrow::Cow;
use std::ops::Range;

use super::json::{Cursor, Quoted};

/// Levels that are gone into.
const DEPTH: usize = 16;
/// Strings of one message that are looked at, the first ones, and elements of a list; the longest name of a place.
const MOST: usize = 64;
const LONGEST: usize = 256;

/// Members that say of a message what it is, and are no text: they are not read on from one message to the next.
fn is_name(name: &str) -> bool {
    let listed = match name.len() {
        2 => matches!(name, "id" | "ts"),
        3 => name == "seq",
        4 => matches!(name, "type" | "role" | "time" | "date" | "hash"),
        5 => matches!(name, "model" | "event" | "nonce"),
        6 => matches!(name, "object" | "method" | "cursor"),
        7 => matches!(name, "created" | "jsonrpc" | "version"),
        8 => name == "sequence",
        9 => matches!(name, "timestamp" | "signature"),
        11 => name == "obfuscation",
        15 => name == "sequence_number",
        _ => false,
    };
    let ends = |ending: &str| name.ends_with(ending);
    listed || ends("_id") || ends("Id") || ends("_at") || ends("At") || ends("_fingerprint")
}

/// A string.
pub(super) struct Leaf {
    /// Where it stands, among [`Leaves::places`]: names and places in lists, and the `index` that streams of models give their parts.
    place: Range<usize>,
    quoted: Quoted,
}

/// The strings of one message after the other.
#[derive(Default)]
pub(super) struct Leaves {
    list: Vec<Leaf>,
    places: String,
    /// Where the walk is.
    place: String,
}

impl Leaves {
    /// Takes the strings of `message` in order, where that is a JSON object or list.
    pub(super) fn read(&mut self, message: &str) -> bool {
        self.list.clear();
        self.places.clear();
        self.place.clear();
        let mut cursor = Cursor::new(message);
        if !matches!(cursor.next(), Some(b'{' | b'[')) {
            return false;
        }
        let mut walk = Walk { leaves: self, cursor, message };
        walk.value(0, true).is_some() && walk.cursor.is_over()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// A string: its place, its text, and its bytes in the message, quotes included. `None` where its escapes stand for no text.
    pub(super) fn get<'m>(&self, number: usize, message: &'m str) -> Option<(&str, Cow<'m, str>, Range<usize>)> {
        let leaf = self.list.get(number)?;
        let at = leaf.quoted.at.clone();
        let text = match leaf.quoted.escaped {
            false => Cow::Borrowed(leaf.quoted.raw(message)),
            true => Cow::Owned(serde_json::from_str(message.get(at.clone())?).ok()?),
        };
        Some((self.places.get(leaf.place.clone())?, text, at))
    }

    /// Bytes of memory that it holds.
    pub(super) fn held(&self) -> usize {
        self.list.capacity() * size_of::<Leaf>() + self.places.capacity() + self.place.capacity()
    }

    fn push(&mut self, quoted: Quoted) {
        let from = self.places.len();
        self.places.push_str(&self.place);
        self.list.push(Leaf { place: from..self.places.len(), quoted });
    }

    /// Puts what was read only now into the places of the strings from a number on, where they do not become too long.
    fn insert(&mut self, from: usize, at: usize, index: &str) {
        let mut later = 0;
        for leaf in self.list.iter_mut().skip(from) {
            let place = leaf.place.start + later..leaf.place.end + later;
            leaf.place = place.clone();
            if place.len() + index.len() <= LONGEST {
                self.places.insert_str(place.start + at, index);
                later += index.len();
                leaf.place.end += index.len();
            }
        }
    }
}

struct Walk<'w, 'm> {
    leaves: &'w mut Leaves,
    cursor: Cursor<'m>,
    message: &'m str,
}

impl<'m> Walk<'_, 'm> {
    /// Goes past the value that begins here, and takes its strings where they are `wanted`. What is too deep is gone past.
    fn value(&mut self, depth: usize, wanted: bool) -> Option<()> {
        let wanted = wanted && self.leaves.list.len() < MOST && self.leaves.place.len() <= LONGEST;
        match self.cursor.next()? {
            b'"' => {
                let quoted = self.cursor.string()?;
                if wanted {
                    self.leaves.push(quoted);
                }
                Some(())
            }
            b'{' | b'[' if !wanted || depth > DEPTH => self.cursor.skip(),
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            _ => self.cursor.scalar(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        self.cursor.at += 1;
        if self.cursor.take(b']') {
            return Some(());
        }
        for number in 0.. {
            let wanted = number < MOST && depth < DEPTH && self.has_strings();
            let length = self.leaves.place.len();
            if wanted {
                self.leaves.place.push('/');
                [number / 10, number % 10].iter().skip(usize::from(number < 10)).for_each(|digit| {
                    self.leaves.place.push(char::from(b'0' + *digit as u8));
                });
            }
            self.value(depth + 1, wanted)?;
            self.leaves.place.truncate(length);
            if !self.cursor.take(b',') {
                break;
            }
        }
        self.cursor.take(b']').then_some(())
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.cursor.at += 1;
        if self.cursor.take(b'}') {
            return Some(());
        }
        let (first, base) = (self.leaves.list.len(), self.leaves.place.len());
        let mut length = base;
        // Whether it has said yet which of many it is.
        let mut indexed = false;
        loop {
            let name = match self.cursor.next()? {
                b'"' => self.name()?,
                _ => return None,
            };
            if !self.cursor.take(b':') {
                return None;
            }
            if !indexed && name == "index" {
                indexed = true;
                let index = self.raw()?;
                if base + index.len() <= LONGEST {
                    self.leaves.insert(first, base, index);
                    self.leaves.place.push_str(index);
                    length = self.leaves.place.len();
                }
            }
            let taken = depth < DEPTH && self.has_strings() && !is_name(&name);
            if taken {
                self.leaves.place.push('/');
                self.leaves.place.push_str(&name);
            }
            self.value(depth + 1, taken)?;
            self.leaves.place.truncate(length);
            if !self.cursor.take(b',') {
                break;
            }
        }
        self.leaves.place.truncate(base);
        self.cursor.take(b'}').then_some(())
    }

    /// Whether the value that begins here is or may have a string.
    fn has_strings(&mut self) -> bool {
        matches!(self.cursor.next(), Some(b'"' | b'{' | b'['))
    }

    /// Goes past a member's name. One whose escapes stand for no text is what stands there.
    fn name(&mut self) -> Option<Cow<'m, str>> {
        let quoted = self.cursor.string()?;
        let raw = quoted.raw(self.message);
        let unescaped = if quoted.escaped { serde_json::from_str(self.message.get(quoted.at)?).ok() } else { None };
        Some(unescaped.map_or(Cow::Borrowed(raw), Cow::Owned))
    }

    /// The value that begins here, as it stands there; it is not gone past.
    fn raw(&mut self) -> Option<&'m str> {
        self.cursor.next()?;
        let from = self.cursor.at;
        self.value(DEPTH, false)?;
        let raw = self.message.get(from..self.cursor.at);
        self.cursor.at = from;
        raw
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use serde::de::IgnoredAny;

    use super::*;

    /// The strings with their places, where it is JSON.
    fn strings(message: &str) -> Option<Vec<(String, String)>> {
        let mut leaves = Leaves::default();
        leaves.read("[\"what was there before\"]");
        let list = |leaves: &Leaves| {
            let all = (0..leaves.len()).filter_map(|number| leaves.get(number, message));
            all.map(|(place, text, _)| (place.to_owned(), text.into_owned())).collect()
        };
        leaves.read(message).then(|| list(&leaves))
    }

    #[test]
    fn strings_stand_at_places() {
        let deep = |levels: usize| format!("{}\"x\"{}", "[".repeat(levels), "]".repeat(levels));
        let (in_reach, too_deep) = (deep(DEPTH), deep(DEPTH + 1));
        let place = "/0".repeat(DEPTH);
        for (message, expected) in [
            ("{}", &[][..]),
            (" [ ] ", &[]),
            (r#"{"a":"x"}"#, &[("/a", "x")]),
            (r#"["x",1,["y","z"],{"a":"q"}]"#, &[("/0", "x"), ("/2/0", "y"), ("/2/1", "z"), ("/3/a", "q")]),
            (r#"{ "a" : { "b" : [ true , "x" ] } , "c":"y"}"#, &[("/a/b/1", "x"), ("/c", "y")]),
            (r#"{"\u0061b":"\u0041\n\"","c":"\ud800"}"#, &[("/ab", "A\n\"")]),
            (r#"{"id":"x","type":["y"],"user_id":"x","createdAt":"z","idea":"w"}"#, &[("/idea", "w")]),
            // Which of many it is, wherever it says so.
            (r#"{"index":3,"a":"x","b":{"c":"y"}}"#, &[("3/a", "x"), ("3/b/c", "y")]),
            (
                r#"[{"a":"x","b":{"c":"y"},"index":"q"},"z"]"#,
                &[("/0\"q\"/a", "x"), ("/0\"q\"/b/c", "y"), ("/0\"q\"/index", "q"), ("/1", "z")],
            ),
            (&in_reach, &[(&place, "x")]),
            (&too_deep, &[]),
        ] {
            let expected = expected.iter().map(|(place, text)| ((*place).to_owned(), (*text).to_owned())).collect();
            assert_eq!(strings(message), Some(expected), "{message}");
        }
        assert_eq!(strings(&format!("[{}\"x\"]", "\"x\",".repeat(1000))).unwrap().len(), MOST);
        for number in [9, 10, 11, MOST - 1] {
            let list = strings(&format!("[{}\"x\"]", "1,".repeat(number))).unwrap();
            assert_eq!(list, [(format!("/{number}"), "x".to_owned())]);
        }
    }

    #[test]
    fn names_are_told() {
        for name in
            ["id", "jsonrpc", "obfuscation", "sequence_number", "user_id", "createdAt", "system_fingerprint", "_id"]
        {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "i", "text", "idea", "content", "build", "format", "sequence_numbers"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn places_are_bounded() {
        let long = "i".repeat(LONGEST);
        for message in [
            format!("{{\"{long}\":\"x\"}}"),
            format!("[{}]", vec![format!("{{\"a\":\"x\",\"index\":\"{long}\"}}"); 200].join(",")),
            format!(
                "{}\"x\"{}",
                "{\"a\":\"x\",\"b\":".repeat(20),
                ",\"index\":123456789012345678901234567890}".repeat(20)
            ),
        ] {
            let mut leaves = Leaves::default();
            assert!(leaves.read(&message), "{message}");
            assert!(
                leaves.places.len() <= MOST * (LONGEST + 1)
                    && leaves.list.iter().all(|leaf| leaf.place.len() <= LONGEST)
            );
        }
    }

    /// What JSON is made of, and what it is not.
    const PARTS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\"a\"",
        "\"a\":",
        "\"b\":\"x\"",
        "1",
        "-",
        "0",
        "1.5",
        ".",
        "e",
        "E+2",
        "true",
        "null",
        "false",
        "nul",
        " ",
        "\n",
        "\\u00e9",
        "\\u12",
        "\\n",
        "\\x",
        "é",
        "\t",
        "12345678",
        "\"12345678\\\"\"",
        "[1,2]",
        "{\"index\":1}",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_json_is_told_as_others_tell_it(parts in prop::collection::vec(prop::sample::select(PARTS), 1..12), list in any::<bool>()) {
            let inner = parts.concat();
            let message = if list { format!("[{inner}]") } else { format!("{{\"a\":{inner}}}") };
            prop_assert_eq!(strings(&message).is_some(), serde_json::from_str::<IgnoredAny>(&message).is_ok(), "{}", message);
        }
    }
}
