//! Messages as content: mails (RFC 5322) and messages of HTTP (RFC 9112), whose fields say what their body is.

use crate::Format;
use crate::coding::Stop;
use crate::stream::{Content, Reason, Step};

use super::super::{Text, Within};
use super::delimiter::Newline;
use super::headers::{self, Style};
use super::part::Part;
use super::{AMBIGUOUS, HEADERS};

const BROKEN: Reason = Reason::Broken("message");

/// What a message is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Mail,
    Http,
}

impl Kind {
    /// The kind of message that content of this media type is.
    pub(crate) fn of(essence: &str) -> Option<Kind> {
        match essence {
            "message/rfc822" | "message/global" | "message/news" => Some(Kind::Mail),
            "application/http" | "message/http" => Some(Kind::Http),
            _ => None,
        }
    }
}

pub(crate) struct Enclosed {
    kind: Kind,
    within: Within,
    state: State,
}

enum State {
    /// The fields, as far as they have come.
    Fields(Vec<u8>),
    Body(Box<Part>),
    /// Given up: the rest is read as text, and passes as the rule says.
    Loose(Box<Text>),
}

impl Enclosed {
    pub(crate) fn new(kind: Kind, within: &Within) -> Self {
        let name = if kind == Kind::Mail { "mail" } else { "http" };
        Enclosed { kind, within: within.piece(name), state: State::Fields(Vec::new()) }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        match &mut self.state {
            State::Fields(held) => held.extend_from_slice(bytes),
            State::Body(part) => return part.push(content, bytes, out),
            State::Loose(text) => return text.push(content, bytes, out),
        }
        match self.fields(content, out) {
            Ok(()) => Ok(()),
            Err(Stop::Why(why)) => Err(why),
            Err(Stop::Reason(reason)) => self.give_up(content, reason, out),
        }
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        if matches!(&self.state, State::Fields(held) if !held.is_empty()) {
            self.give_up(content, BROKEN, out)?;
        }
        match &mut self.state {
            State::Fields(_) => Ok(()),
            State::Body(part) => part.finish(content, out),
            State::Loose(text) => text.finish(content, out),
        }
    }

    /// Reads the fields, once they are there.
    fn fields(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Result<(), Stop> {
        let State::Fields(held) = &mut self.state else { return Ok(()) };
        let held = std::mem::take(held);
        let opened = self.open(content, &held, out);
        if !matches!(self.state, State::Body(_)) {
            self.state = State::Fields(held);
        }
        opened
    }

    fn open(&mut self, content: &mut Content, held: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        let Some(line) = held.iter().position(|byte| *byte == b'\n') else {
            return if held.len() > HEADERS { Err(BROKEN.into()) } else { Ok(()) };
        };
        let crlf = line > 0 && held.get(line - 1) == Some(&b'\r');
        let newline = if crlf { Newline::Crlf } else { Newline::Lf };
        let (first, rest) = held.split_at(if self.kind == Kind::Http { line + 1 } else { 0 });
        let Some(length) = headers::length(rest, newline)? else { return Ok(()) };
        let (block, body) = rest.split_at(length);
        let first = if first.is_empty() { Vec::new() } else { start_line(content, first, &self.within)? };
        let style = Style { newline, boundary: None };
        let headers = headers::read(content, block, &style, &|_, _| self.within.clone())?.0;
        let coding = ["content-encoding", "transfer-encoding"].into_iter().find_map(|name| headers.get(name));
        if let Some(coding) =
            coding.filter(|coding| self.kind == Kind::Http && !coding.eq_ignore_ascii_case("identity"))
        {
            let name = coding.chars().filter(char::is_ascii_graphic).take(32).collect();
            return Err(Reason::UnknownCoding(name).into());
        }
        let mut part = Box::new(Part::new(content, headers, self.within.clone(), newline, false)?);
        out.extend(first);
        let step = part.push(content, body, out);
        self.state = State::Body(part);
        step.map_err(Stop::Why)
    }

    /// It cannot be read on: the rule's choice.
    fn give_up(&mut self, content: &mut Content, reason: Reason, out: &mut Vec<u8>) -> Step {
        content.opaque(reason, &self.within.path)?;
        let mut text = Box::new(Text::of_format(self.within.profile(content), Format::Text, &self.within.path));
        let held = match &mut self.state {
            State::Fields(held) => std::mem::take(held),
            State::Body(_) | State::Loose(_) => Vec::new(),
        };
        let step = text.push(content, &held, out);
        self.state = State::Loose(text);
        step
    }

    pub(crate) fn held(&self) -> usize {
        let state = match &self.state {
            State::Fields(held) => held.capacity(),
            State::Body(part) => part.held(),
            State::Loose(text) => text.held(),
        };
        size_of::<Enclosed>() + state
    }
}

/// The first line of a message of HTTP, scanned: it has a path, or a reason.
fn start_line(content: &mut Content, line: &[u8], within: &Within) -> Result<Vec<u8>, Stop> {
    let text = String::from_utf8_lossy(line);
    if !text.contains("HTTP/") {
        return Err(AMBIGUOUS.into());
    }
    Ok(headers::scan(content, &text, 0, &within.profile(content), &within.path).map_err(Stop::Why)?.into_bytes())
}
