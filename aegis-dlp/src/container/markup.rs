//! XML within documents: what a reader of the document reads.
//!
//! Word processors cut text into runs wherever somebody paused, so a number is spread over elements. Here the
//! text is put together again. All that is no text (names, attributes, comments, instructions) is read beside
//! it, so that no byte goes unread, be it XML or not; and the text of an element whose name says what it is (`<ssn>`) once more
//! behind that name. Nothing in it can be replaced.

use crate::context::says_something;
use crate::stream::{Content, Reason, Step};

use super::trail::{Mark, PIECE, Trail};
use super::{Voice, Within};

/// Elements at which text ends, by their local names: paragraphs, lines, cells.
const BREAKS: [&str; 16] =
    ["p", "br", "tab", "tr", "tc", "c", "v", "si", "is", "row", "table-row", "table-cell", "h", "div", "li", "td"];
/// The longest name of an element, or entity, that is looked at; leading zeros of a number do not count.
const WORD: usize = 32;

pub(crate) struct Markup {
    text: Voice,
    aside: Voice,
    state: State,
    /// The name or the entity being read.
    word: Vec<u8>,
    trail: Trail,
    /// Bytes read since what they say was scanned: fewer than [`PIECE`].
    unspoken: usize,
    path: Box<str>,
    /// The tag being read is of an element whose name says what its text is, and begins it; this is such text.
    telling: bool,
    told: bool,
    /// That name, as long as nothing but its text has come.
    named: Vec<u8>,
    closing: bool,
    /// It declares entities of its own: what they stand for is not known.
    entities: bool,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum State {
    Text,
    /// Behind a `&` in text, or in a value with this quote.
    Entity(Option<u8>),
    Name,
    Tag,
    Value(u8),
    /// Behind so many dashes.
    Comment(u8),
    /// Behind so many closing brackets.
    Characters(usize),
}

impl Markup {
    pub(crate) fn new(content: &Content, within: &Within) -> Self {
        Markup {
            text: Voice::new(content, within),
            aside: Voice::new(content, within),
            state: State::Text,
            word: Vec::new(),
            trail: Trail::default(),
            unspoken: 0,
            path: within.path.clone(),
            telling: false,
            told: false,
            named: Vec::new(),
            closing: false,
            entities: false,
        }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let mut rest = bytes;
        while !rest.is_empty() {
            // Both voices speak at the same places however the document is cut: which finds something first depends on these.
            let (piece, next) = rest.split_at(rest.len().min(PIECE - self.unspoken));
            piece.iter().for_each(|byte| self.read(*byte));
            if std::mem::take(&mut self.entities) {
                content.opaque(Reason::Unreadable("XML with entities of its own"), &self.path)?;
            }
            self.trail.add(piece, self.spoken());
            self.unspoken += piece.len();
            if self.unspoken == PIECE {
                self.unspoken = 0;
                let step = self.text.speak(content).and_then(|()| self.aside.speak(content));
                self.trail.release([self.text.judged, self.aside.judged], out);
                step?;
            }
            rest = next;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        if let State::Entity(quote) = self.state {
            self.say(quote, b"&");
            self.say_word(quote);
        }
        for voice in [&mut self.text, &mut self.aside] {
            voice.finish(content)?;
        }
        self.trail.release([u64::MAX; 2], out);
        Ok(())
    }

    /// How much both have to have judged for what was read so far: an entity that is not whole counts as a byte to come.
    fn spoken(&self) -> Mark {
        let open = |aside: bool| match self.state {
            State::Entity(quote) => u64::from(quote.is_some() == aside || self.told),
            _ => 0,
        };
        let said = |voice: &Voice| voice.spoken + voice.said.len() as u64;
        [said(&self.text) + open(false), said(&self.aside) + open(true)]
    }

    fn read(&mut self, byte: u8) {
        if let State::Name | State::Tag | State::Value(_) | State::Comment(_) = self.state
            && !(byte == b'&' && matches!(self.state, State::Value(_)))
        {
            self.aside.said.push(byte);
        }
        self.state = match (self.state, byte) {
            (State::Text, b'<') => {
                if std::mem::take(&mut self.told) {
                    self.aside.said.push(b'\n');
                }
                State::Name
            }
            (State::Text, b'&') => State::Entity(None),
            (State::Text, byte) => {
                self.say(None, &[byte]);
                State::Text
            }
            (State::Entity(quote), byte) => self.entity(quote, byte),
            (State::Name, byte) => self.name(byte),
            (State::Tag, b'>') => self.end_tag(),
            (State::Comment(2..), b'>') => {
                self.aside.said.push(b'\n');
                State::Text
            }
            (State::Tag, quote @ (b'"' | b'\'')) => State::Value(quote),
            // Within a declaration.
            (State::Tag, b'<') => State::Name,
            (State::Tag, _) => State::Tag,
            (State::Value(quote), b'&') => State::Entity(Some(quote)),
            (State::Value(quote), byte) if byte == quote => State::Tag,
            (State::Value(quote), _) => State::Value(quote),
            (State::Comment(dashes), b'-') => State::Comment(dashes.saturating_add(1)),
            (State::Comment(_), _) => State::Comment(0),
            (State::Characters(brackets), b']') => State::Characters(brackets.saturating_add(1).min(PIECE)),
            (State::Characters(brackets), byte) => {
                let ends = brackets >= 2 && byte == b'>';
                self.say(None, &vec![b']'; if ends { brackets - 2 } else { brackets }]);
                if ends {
                    State::Text
                } else {
                    self.say(None, &[byte]);
                    State::Characters(0)
                }
            }
        };
    }

    /// Says what stands in text, or in a value with this quote.
    fn say(&mut self, quote: Option<u8>, said: &[u8]) {
        if quote.is_none() {
            self.text.said.extend_from_slice(said);
        }
        if quote.is_some() || self.told {
            self.aside.said.extend_from_slice(said);
        }
    }

    fn say_word(&mut self, quote: Option<u8>) {
        let word = std::mem::take(&mut self.word);
        self.say(quote, &word);
    }

    /// Says the name of the element again, the text of which goes on in a section.
    fn tell_on(&mut self) {
        self.told = !self.named.is_empty();
        if self.told {
            self.aside.said.push(b'\n');
            self.aside.said.extend_from_slice(&self.named);
            self.aside.said.push(b'>');
        }
    }

    /// At the end of a tag: what comes is text, and is said behind the name where that says what it is.
    fn end_tag(&mut self) -> State {
        self.told = std::mem::take(&mut self.telling);
        if !self.told {
            self.aside.said.push(b'\n');
        }
        State::Text
    }

    fn entity(&mut self, quote: Option<u8>, byte: u8) -> State {
        let back = quote.map_or(State::Text, State::Value);
        if (byte.is_ascii_alphanumeric() || byte == b'#') && self.word.len() < WORD {
            let zero = byte == b'0' && matches!(self.word.as_slice(), b"#" | b"#x" | b"#X");
            if !zero {
                self.word.push(byte);
            }
            return State::Entity(quote);
        }
        let character = character(&self.word).filter(|_| byte == b';');
        if let Some(character) = character {
            self.word.clear();
            self.say(quote, character.encode_utf8(&mut [0; 4]).as_bytes());
            return back;
        }
        // None: all of it is text.
        self.say(quote, b"&");
        self.say_word(quote);
        self.state = back;
        self.read(byte);
        self.state
    }

    fn name(&mut self, byte: u8) -> State {
        if !matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n') {
            if self.word.len() < WORD {
                self.word.push(byte);
            }
            let opened = match self.word.as_slice() {
                b"!--" => State::Comment(0),
                b"![CDATA[" => {
                    self.tell_on();
                    State::Characters(0)
                }
                b"!ENTITY" => {
                    self.entities = true;
                    State::Tag
                }
                _ => return State::Name,
            };
            self.word.clear();
            return opened;
        }
        if byte == b'/' && self.word.is_empty() {
            // The end of an element: its name follows.
            self.closing = true;
            return State::Name;
        }
        let word = std::mem::take(&mut self.word);
        let local = word.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        self.telling = !std::mem::take(&mut self.closing) && byte != b'/' && says_something(local);
        self.named.clear();
        if self.telling {
            self.named.extend_from_slice(local);
        }
        if BREAKS.iter().any(|name| name.as_bytes() == local) {
            self.text.said.push(b'\n');
        }
        if byte == b'>' { self.end_tag() } else { State::Tag }
    }

    pub(crate) fn held(&self) -> usize {
        let voices = self.text.held() + self.aside.held();
        size_of::<Markup>() + self.word.capacity() + self.named.capacity() + voices + self.trail.held()
    }
}

/// What an entity stands for.
fn character(word: &[u8]) -> Option<char> {
    let word = std::str::from_utf8(word).ok()?;
    match word {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = word.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
