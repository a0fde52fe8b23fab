//! The text of XML and HTML, also within the strings of JSON, as a reader of the document sees it: what a comment, a section or an
//! element within a sentence cuts (`123-<!-- -->45-<b>6789</b>`) is one value.
//!
//! Only the text around such a cut is read a second time. Where that finds something the stream is refused: to replace a value
//! with the tags in it would break the document.

mod element;
mod strings;

use std::collections::VecDeque;

use memchr::{memchr, memchr3};

use self::element::{Kind, ends_name, kind, whole_tag};
use super::Scanner;
use crate::Profile;
use crate::finding::{Finding, Place};
use crate::stream::Reason;
use crate::view::{Encoding, Window, is_known_charset};

/// Bytes of text before a cut and behind it that are read.
const REACH: usize = 256;
/// The longest name, or declaration, that is looked at.
const WORD: usize = 128;
/// What reading on has told.
pub(super) enum Woven {
    Nothing,
    /// Found in text that markup cuts.
    Found(Vec<Finding>),
    /// The document says how it is to be read, and nobody here reads it so.
    Unreadable(Reason),
}

#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Text,
    /// After a `<`, in the name.
    Name,
    /// In a tag of this kind, and in a value of it.
    Tag(Kind),
    Value(Kind, u8),
    /// Behind so many dashes, or closing brackets.
    Comment(usize),
    Characters(usize),
    Instruction,
    /// Within `<!DOCTYPE` or alike; whether in its brackets.
    Declaration(bool),
}

/// The state of reading a document so.
#[derive(Default)]
pub(super) struct Weave {
    /// Up to where the view was read.
    pub(super) at: usize,
    state: State,
    word: Vec<u8>,
    /// The last text, with as much of it as may belong to what follows, or more.
    recent: Vec<u8>,
    /// Whether there is text since the last tag, and whether that one may be within text.
    text: bool,
    closed: bool,
    /// Bytes behind the last cut that are still to be read.
    open: usize,
    /// Bytes read, and the cuts between them: how many were read before it, and where in the content it begins.
    read: u64,
    cuts: VecDeque<(u64, u64)>,
    /// Where the last markup begins in the content, and in the view as long as nobody asked where that is.
    mark: u64,
    begun: Option<usize>,
    twin: Option<Box<Scanner>>,
    found: Vec<Finding>,
    unreadable: Option<Reason>,
    /// The document is JSON, and whether this is in a string of it, behind a `<`.
    json: bool,
    within: bool,
}

/// What is read, and for whom.
#[derive(Copy, Clone)]
struct Source<'a> {
    window: &'a Window,
    profile: &'a Profile,
}

impl Weave {
    /// Reads the view of a window up to a position.
    pub(super) fn read(&mut self, window: &Window, to: usize, profile: &Profile) -> Woven {
        let source = Source { window, profile };
        if self.json {
            self.read_strings(to, source)
        } else {
            self.read_document(to, source)
        }
        self.settle(window);
        match self.unreadable.take() {
            Some(reason) => Woven::Unreadable(reason),
            None if self.found.is_empty() => Woven::Nothing,
            None => Woven::Found(std::mem::take(&mut self.found)),
        }
    }

    fn read_document(&mut self, to: usize, source: Source<'_>) {
        let view = source.window.bytes();
        while let Some(rest) = view.get(self.at..to).filter(|rest| !rest.is_empty()) {
            let next = match self.state {
                State::Text => memchr(b'<', rest),
                State::Tag(_) => memchr3(b'>', b'"', b'\'', rest),
                State::Value(_, quote) => memchr(quote, rest),
                State::Comment(0) => memchr(b'-', rest),
                State::Characters(0) => memchr(b']', rest),
                _ => Some(0),
            };
            let (skipped, byte) = rest.split_at(next.unwrap_or(rest.len()));
            if let State::Text | State::Characters(0) = self.state {
                self.say_text(skipped, source);
            }
            self.at += skipped.len();
            if self.state == State::Text && !byte.is_empty() {
                self.begun = Some(self.at);
                // Most tags are short, and whole: no state for each of their bytes.
                if let Some((kind, length)) = whole_tag(byte) {
                    self.state = self.tag(kind, source);
                    self.at += length;
                    continue;
                }
            }
            if let Some(byte) = byte.first() {
                self.byte(*byte, source);
                self.at += 1;
            }
        }
    }

    /// Ends the document: what is found with its end.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        if let Some(twin) = &mut self.twin {
            let _ = twin.finish(&mut Vec::new());
        }
        self.take_findings();
        self.found
    }

    fn byte(&mut self, byte: u8, source: Source<'_>) {
        self.state = match (self.state, byte) {
            (State::Text, _) => {
                self.word.clear();
                State::Name
            }
            (State::Name, byte) => self.name(byte, source),
            (State::Tag(kind), b'>') => self.tag(kind, source),
            (State::Tag(kind), quote) => State::Value(kind, quote),
            (State::Value(kind, _), _) => State::Tag(kind),
            (State::Comment(dashes), b'-') => State::Comment(dashes.saturating_add(1)),
            (State::Comment(2..), b'>') => self.cut(source),
            (State::Comment(_), _) => State::Comment(0),
            (State::Characters(brackets), b']') => State::Characters(brackets.saturating_add(1).min(WORD)),
            (State::Characters(brackets), byte) => self.characters(brackets, byte, source),
            (State::Instruction, b'>') => {
                self.declared();
                self.cut(source)
            }
            (State::Instruction, byte) => {
                self.note(byte);
                State::Instruction
            }
            (State::Declaration(within), byte) => self.declaration(within, byte),
        };
    }

    fn note(&mut self, byte: u8) {
        if self.word.len() < WORD {
            self.word.push(byte);
        }
    }

    /// Notes where the last markup is in the content: the window goes on.
    fn settle(&mut self, window: &Window) {
        if let Some(begun) = self.begun.take() {
            self.mark = window.offset(begun);
        }
    }

    fn name(&mut self, byte: u8, source: Source<'_>) -> State {
        if self.word.is_empty() && !(byte.is_ascii_alphabetic() || b"/!?_:".contains(&byte) || !byte.is_ascii()) {
            // A bracket that is none.
            self.say_text(b"<", source);
            if byte != b'<' {
                self.say_text(&[byte], source);
                return State::Text;
            }
            return State::Name;
        }
        if self.word.is_empty() || !ends_name(byte) {
            self.note(byte);
            match self.word.as_slice() {
                b"!--" => return State::Comment(0),
                b"![CDATA[" => {
                    self.cut(source);
                    return State::Characters(0);
                }
                _ => return State::Name,
            }
        }
        match self.word.first() {
            Some(b'!') => {
                self.entity(self.word == b"!ENTITY");
                if byte == b'>' { State::Text } else { State::Declaration(false) }
            }
            Some(b'?') if byte == b'>' => self.cut(source),
            Some(b'?') => {
                self.note(b' ');
                State::Instruction
            }
            _ if byte == b'>' => self.tag(kind(&self.word), source),
            _ => State::Tag(kind(&self.word)),
        }
    }

    /// Within CDATA, behind so many brackets.
    fn characters(&mut self, brackets: usize, byte: u8, source: Source<'_>) -> State {
        let ends = brackets >= 2 && byte == b'>';
        let said = vec![b']'; if ends { brackets - 2 } else { brackets }];
        self.say_text(&said, source);
        if ends {
            return self.cut(source);
        }
        self.say_text(&[byte], source);
        State::Characters(0)
    }

    /// Within a declaration: a document with entities of its own reads otherwise than it is written.
    fn declaration(&mut self, within: bool, byte: u8) -> State {
        const ENTITY: &[u8] = b"<!ENTITY";
        if self.word.len() >= ENTITY.len() {
            self.word.drain(..=self.word.len() - ENTITY.len());
        }
        self.word.push(byte);
        self.entity(self.word == ENTITY);
        match byte {
            b'>' if !within => State::Text,
            b'[' => State::Declaration(true),
            b']' => State::Declaration(false),
            _ => State::Declaration(within),
        }
    }

    fn entity(&mut self, is: bool) {
        // What a string says of a document is nothing of the one that it stands in.
        if is && !self.json {
            self.unreadable = Some(Reason::Unreadable("XML with entities of its own"));
        }
    }

    /// At the end of an instruction: whether it declares a charset that is not read.
    fn declared(&mut self) {
        let text = String::from_utf8_lossy(&self.word).to_ascii_lowercase();
        let Some((_, charset)) = text.strip_prefix("?xml ").and_then(|text| text.split_once("encoding")) else {
            return;
        };
        let charset = charset.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '=');
        let name = charset.split(['"', '\'']).nth(1).unwrap_or_default();
        if !self.json && !is_known_charset(name) {
            self.unreadable = Some(Reason::Unreadable("text in a charset that Aegis does not read"));
        }
    }

    /// At the end of a tag.
    fn tag(&mut self, kind: Kind, source: Source<'_>) -> State {
        match kind {
            Kind::Inline => return self.cut(source),
            Kind::Opens if self.text => {
                self.text = false;
                return self.cut(source);
            }
            Kind::Block | Kind::Opens => self.end_text(source),
            Kind::Closes => self.closed = true,
        }
        self.text = false;
        State::Text
    }

    /// What is right and left of the markup belongs together.
    fn cut(&mut self, source: Source<'_>) -> State {
        if !self.recent.is_empty() {
            if self.open == 0 {
                let recent = std::mem::take(&mut self.recent);
                let near = recent.get(recent.len().saturating_sub(REACH)..).unwrap_or_default();
                self.read_on(near, source);
                self.recent = recent;
            }
            self.open = REACH;
            self.settle(source.window);
            while self.cuts.front().is_some_and(|(at, _)| at + 4 * (REACH as u64) < self.read) {
                self.cuts.pop_front();
            }
            if self.cuts.back().is_none_or(|(at, _)| *at < self.read) {
                self.cuts.push_back((self.read, self.mark));
            }
        }
        State::Text
    }

    fn end_text(&mut self, source: Source<'_>) {
        if self.open > 0 {
            self.read_on(b"\n", source);
        }
        self.recent.clear();
        (self.open, self.closed) = (0, false);
    }

    fn say_text(&mut self, text: &[u8], source: Source<'_>) {
        let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (blank, rest) = text.split_at(blanks);
        if !blank.is_empty() {
            self.say(blank, source);
        }
        if rest.is_empty() {
            return;
        }
        if std::mem::take(&mut self.closed) {
            self.cut(source);
        }
        self.text = true;
        self.say(rest, source);
    }

    fn say(&mut self, text: &[u8], source: Source<'_>) {
        let part = text.get(..self.open.min(text.len())).unwrap_or_default();
        if !part.is_empty() {
            self.read_on(part, source);
            self.open -= part.len();
            if self.open == 0 {
                self.read_on(b"\n", source);
            }
        }
        self.remember(text);
    }

    fn remember(&mut self, text: &[u8]) {
        if self.recent.len() > 4 * REACH {
            self.recent.drain(..self.recent.len() - REACH);
        }
        self.recent.extend_from_slice(text.get(text.len().saturating_sub(REACH)..).unwrap_or_default());
    }

    fn read_on(&mut self, text: &[u8], source: Source<'_>) {
        self.read += text.len() as u64;
        let twin = self.twin.get_or_insert_with(|| {
            let profile = source.profile.only(source.profile.acting()).report_only();
            Box::new(Scanner::with(profile, Encoding::Plain, None).with_depth(0))
        });
        let _ = twin.push(text, &mut Vec::new());
        if !twin.findings().is_empty() {
            self.take_findings();
        }
    }

    /// Takes over what was found across a cut, at the place of that.
    fn take_findings(&mut self) {
        for found in self.twin.as_mut().map(|twin| twin.take_findings()).unwrap_or_default() {
            let Place::Body { offset: start, .. } = found.place else { continue };
            let within = |at: u64| at > start && at <= start + REACH as u64;
            if let Some((_, offset)) = self.cuts.iter().find(|(at, _)| within(*at)) {
                self.found.push(Finding { place: Place::at(*offset), ..found });
            }
        }
    }

    pub(super) fn held(&self) -> usize {
        let twin = self.twin.as_ref().map_or(0, |twin| twin.held());
        twin + self.word.capacity() + self.recent.capacity() + self.cuts.capacity() * size_of::<(u64, u64)>()
    }
}
