//! XML within documents: what a reader of the document reads.
//!
//! Word processors cut text into runs wherever somebody paused, so a number is spread over elements. Here the
//! text is put together again; attributes and comments are read paragraph by paragraph behind it. Nothing in it
//! can be replaced.

use crate::Format;
use crate::stream::{Content, Step};

use super::trail::{PIECE, Trail};
use super::{Text, Within};

/// Elements at which text ends, by their local names: paragraphs, lines, cells.
const BREAKS: [&str; 16] =
    ["p", "br", "tab", "tr", "tc", "c", "v", "si", "is", "row", "table-row", "table-cell", "h", "div", "li", "td"];
/// The longest name of an element, or entity, that is looked at.
const WORD: usize = 64;
/// Bytes of attributes that wait for the end of a paragraph.
const ASIDE: usize = 4 * 1024;

pub(crate) struct Markup {
    text: Text,
    state: State,
    /// The name or the entity being read.
    word: Vec<u8>,
    /// What the scanner is to see next.
    said: Vec<u8>,
    /// Attributes and comments, which follow at the end of the paragraph.
    aside: Vec<u8>,
    /// Taken, of which something is not said yet.
    held: Vec<u8>,
    trail: Trail,
    spoken: u64,
    judged: u64,
    scratch: Vec<u8>,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum State {
    Text,
    Entity,
    Name,
    Tag,
    Value(u8),
    /// Behind so many dashes.
    Comment(u8),
    /// Behind so many closing brackets.
    Characters(u8),
}

impl Markup {
    pub(crate) fn new(content: &Content, within: &Within) -> Self {
        Markup {
            text: Text::of_format(within.fixed().profile(content), Format::Text, &within.path),
            state: State::Text,
            word: Vec::new(),
            said: Vec::new(),
            aside: Vec::new(),
            held: Vec::new(),
            trail: Trail::default(),
            spoken: 0,
            judged: 0,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        for piece in bytes.chunks(PIECE) {
            self.held.extend_from_slice(piece);
            piece.iter().for_each(|byte| self.read(*byte));
            if self.aside.len() > ASIDE || self.held.len() > ASIDE {
                self.speak_aside();
            }
            self.speak(content, out)?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        self.word.clear();
        self.speak_aside();
        self.speak(content, out)?;
        self.text.finish(content, &mut self.scratch)?;
        self.trail.add(&self.held, self.spoken);
        self.held.clear();
        self.trail.release(u64::MAX, out);
        Ok(())
    }

    fn speak(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        self.spoken += self.said.len() as u64;
        let step = self.text.push(content, &self.said, &mut self.scratch);
        self.said.clear();
        self.judged += self.scratch.len() as u64;
        self.scratch.clear();
        if self.aside.is_empty() && self.word.is_empty() {
            self.trail.add(&self.held, self.spoken);
            self.held.clear();
        }
        self.trail.release(self.judged, out);
        step
    }

    fn speak_aside(&mut self) {
        if !self.aside.is_empty() {
            self.said.push(b'\n');
            self.said.append(&mut self.aside);
            self.said.push(b'\n');
        }
    }

    fn read(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Text, b'<') => State::Name,
            (State::Text, b'&') => State::Entity,
            (State::Text, byte) => {
                self.said.push(byte);
                State::Text
            }
            (State::Entity, byte) => self.entity(byte),
            (State::Name, byte) => self.name(byte),
            (State::Tag, b'>') => State::Text,
            (State::Tag, quote @ (b'"' | b'\'')) => State::Value(quote),
            (State::Tag, _) => State::Tag,
            (State::Value(quote), byte) if byte == quote => {
                self.aside.push(b'\n');
                State::Tag
            }
            (State::Comment(2..), b'>') => {
                self.aside.push(b'\n');
                State::Text
            }
            (State::Comment(dashes), b'-') => State::Comment(dashes.saturating_add(1)),
            (State::Value(_) | State::Comment(_), byte) => {
                self.aside.push(byte);
                if let State::Value(quote) = self.state { State::Value(quote) } else { State::Comment(0) }
            }
            (State::Characters(2..), b'>') => State::Text,
            (State::Characters(brackets), b']') => State::Characters(brackets.saturating_add(1)),
            (State::Characters(_), byte) => {
                self.said.push(byte);
                State::Characters(0)
            }
        };
    }

    fn entity(&mut self, byte: u8) -> State {
        if byte != b';' && byte != b'<' && self.word.len() < WORD {
            self.word.push(byte);
            return State::Entity;
        }
        let word = std::mem::take(&mut self.word);
        match character(&word) {
            Some(character) => self.said.extend(character.encode_utf8(&mut [0; 4]).bytes()),
            None => self.said.extend(word),
        }
        if byte == b'<' { State::Name } else { State::Text }
    }

    fn name(&mut self, byte: u8) -> State {
        if !matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n') && self.word.len() < WORD {
            self.word.push(byte);
            let opened = match self.word.as_slice() {
                b"!--" => State::Comment(0),
                b"![CDATA[" => State::Characters(0),
                _ => return State::Name,
            };
            self.word.clear();
            return opened;
        }
        if byte == b'/' && self.word.is_empty() {
            // The end of an element: its name follows.
            return State::Name;
        }
        let word = std::mem::take(&mut self.word);
        let local = word.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        if BREAKS.iter().any(|name| name.as_bytes() == local) {
            self.said.push(b'\n');
            self.speak_aside();
        }
        if byte == b'>' { State::Text } else { State::Tag }
    }

    pub(crate) fn held(&self) -> usize {
        let buffers = [&self.word, &self.said, &self.aside, &self.held, &self.scratch];
        let own: usize = buffers.iter().map(|buffer| buffer.capacity()).sum();
        size_of::<Markup>() + own + self.trail.held() + self.text.held()
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
