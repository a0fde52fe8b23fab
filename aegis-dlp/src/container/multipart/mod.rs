//! Multipart bodies (RFC 2046, section 5.1; RFC 7578), part by part as they stream.
//!
//! A line is a delimiter for some readers and content for others where it is not ended as the first one was, or
//! has something behind the boundary: such bodies are refused, not guessed at. Line ends may be CRLF, or LF
//! alone as some clients send, but one of them throughout.

mod delimiter;
mod headers;
mod message;
mod part;
mod words;

use crate::Format;
use crate::coding::Stop;
use crate::stream::{Content, Reason, Step};

use self::delimiter::{Delimiter, Next};
use self::headers::Style;
use self::part::Part;
use super::{Media, Text, Within, label};

pub(super) use message::{Enclosed, Kind as MessageKind};

const BROKEN: Reason = Reason::Broken("multipart body");
const AMBIGUOUS: Reason = Reason::Ambiguous("a multipart body");

/// Bytes of a part's headers.
const HEADERS: usize = 16 * 1024;
/// Parts of a body.
const PARTS: usize = 10_000;
/// Bytes taken in at once.
const PIECE: usize = 16 * 1024;

pub(crate) struct Multipart {
    within: Within,
    /// The parts are fields of a form.
    form: bool,
    delimiter: Delimiter,
    state: State,
    /// Taken, and not known yet to be content or a delimiter.
    held: Vec<u8>,
    /// Whether a line begins where `held` does.
    at_line: bool,
    parts: usize,
}

enum State {
    /// Nothing was read.
    Start,
    /// Before the first delimiter.
    Preamble(Box<Text>),
    Headers,
    Part(Box<Part>),
    /// Behind the last one.
    Epilogue(Box<Text>),
    /// Given up: the rest is read as text, and passes as the rule says.
    Loose(Box<Text>),
}

impl Multipart {
    /// # Errors
    /// There is no boundary, or none that one may be.
    pub(crate) fn new(media: &Media<'_>, within: Within) -> Result<Self, Reason> {
        let boundary = media.parameter("boundary").ok_or(BROKEN)?;
        Ok(Multipart {
            form: media.essence() == "multipart/form-data",
            delimiter: Delimiter::new(&boundary).ok_or(BROKEN)?,
            state: State::Start,
            held: Vec::new(),
            at_line: true,
            parts: 0,
            within,
        })
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        for piece in bytes.chunks(PIECE) {
            self.held.extend_from_slice(piece);
            self.read(content, false, out)?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        self.read(content, true, out)?;
        if !matches!(self.state, State::Epilogue(_) | State::Loose(_)) {
            self.give_up(content, BROKEN, out)?;
        }
        match &mut self.state {
            State::Epilogue(text) | State::Loose(text) => text.finish(content, out),
            _ => Ok(()),
        }
    }

    fn read(&mut self, content: &mut Content, end: bool, out: &mut Vec<u8>) -> Step {
        loop {
            match self.step(content, end, out) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Stop::Why(why)) => return Err(why),
                Err(Stop::Reason(reason)) => self.give_up(content, reason, out)?,
            }
        }
    }

    /// Reads what is held up to the next delimiter or the end of headers: whether there was one.
    fn step(&mut self, content: &mut Content, end: bool, out: &mut Vec<u8>) -> Result<bool, Stop> {
        match &mut self.state {
            State::Start => {
                self.state = State::Preamble(self.text(content));
                Ok(true)
            }
            State::Headers => self.headers(content),
            State::Loose(text) => {
                text.push(content, &std::mem::take(&mut self.held), out).map_err(Stop::Why)?;
                Ok(false)
            }
            State::Preamble(_) | State::Part(_) | State::Epilogue(_) => {
                match self.delimiter.next(&self.held, self.at_line, end) {
                    Next::Content(length) => {
                        self.content(content, length, out)?;
                        Ok(false)
                    }
                    Next::Ambiguous(length) => {
                        self.content(content, length, out)?;
                        Err(AMBIGUOUS.into())
                    }
                    Next::Delimiter { content: length, end, last } => {
                        self.content(content, length, out)?;
                        self.delimit(content, end - length, last, out)?;
                        Ok(true)
                    }
                }
            }
        }
    }

    /// Reads so many bytes as content of where it is.
    fn content(&mut self, content: &mut Content, length: usize, out: &mut Vec<u8>) -> Result<(), Stop> {
        let bytes = self.held.get(..length).unwrap_or_default();
        let step = match &mut self.state {
            State::Preamble(text) | State::Epilogue(text) => text.push(content, bytes, out),
            State::Part(part) => part.push(content, bytes, out),
            State::Start | State::Headers | State::Loose(_) => Ok(()),
        };
        step.map_err(Stop::Why)?;
        self.at_line &= length == 0;
        self.held.drain(..length);
        Ok(())
    }

    /// Ends what a delimiter ends, and sends the delimiter.
    fn delimit(&mut self, content: &mut Content, length: usize, last: bool, out: &mut Vec<u8>) -> Result<(), Stop> {
        let step = match &mut self.state {
            State::Preamble(text) => text.finish(content, out),
            State::Part(part) => part.finish(content, out),
            // A delimiter behind the last one.
            _ => return Err(AMBIGUOUS.into()),
        };
        step.map_err(Stop::Why)?;
        self.parts += 1;
        if self.parts > PARTS {
            return Err(Reason::TooLarge("parts of a multipart body").into());
        }
        out.extend(self.held.drain(..length));
        self.at_line = true;
        self.state = if last { State::Epilogue(self.text(content)) } else { State::Headers };
        Ok(())
    }

    fn headers(&mut self, content: &mut Content) -> Result<bool, Stop> {
        let newline = self.delimiter.newline();
        let Some(length) = headers::length(&self.held, newline)? else { return Ok(false) };
        let block = self.held.get(..length).unwrap_or_default();
        let style = Style { newline, boundary: Some(self.delimiter.dashed()) };
        let (headers, within) = headers::read(content, block, &style, &|content, fields| {
            self.within.piece(&format!("part:{}", label(content, &headers::name(fields, self.parts))))
        })?;
        let part = Part::new(content, headers, within, newline, self.form)?;
        self.state = State::Part(Box::new(part));
        self.held.drain(..length);
        self.at_line = true;
        Ok(true)
    }

    /// It cannot be read on: the rule's choice.
    fn give_up(&mut self, content: &mut Content, reason: Reason, out: &mut Vec<u8>) -> Step {
        content.opaque(reason, &self.within.path)?;
        match &mut self.state {
            State::Preamble(text) | State::Epilogue(text) => text.finish(content, out)?,
            State::Part(part) => part.finish(content, out)?,
            State::Start | State::Headers | State::Loose(_) => {}
        }
        let mut text = self.text(content);
        let step = text.push(content, &std::mem::take(&mut self.held), out);
        self.state = State::Loose(text);
        step
    }

    fn text(&self, content: &Content) -> Box<Text> {
        Box::new(Text::of_format(self.within.profile(content), Format::Text, &self.within.path))
    }

    pub(crate) fn held(&self) -> usize {
        let state = match &self.state {
            State::Preamble(text) | State::Epilogue(text) | State::Loose(text) => text.held(),
            State::Part(part) => part.held(),
            State::Start | State::Headers => 0,
        };
        size_of::<Multipart>() + self.held.capacity() + state
    }
}
