//! Text of any format: what the scanner reads.

use memchr::memchr;

use crate::stream::{Content, Opaque, Step, Why, join};
use crate::{Charset, Flow, Format, Profile, Scanner};

use super::{Encoded, Found, Lines, Polyglot, Within};

/// A piece of text somewhere in a body.
pub(crate) struct Text {
    /// In a box from the start: it is large, and a text goes from hand to hand before it is read.
    scanner: Box<Scanner>,
    path: Box<str>,
    /// Bytes that came so far.
    taken: u64,
    /// `None` for what is no content of its own, as headers are.
    own: Option<Own>,
}

/// What is asked of content of its own besides.
struct Own {
    polyglot: Polyglot,
    lines: Lines,
    within: Within,
}

impl Text {
    /// Content of this media type that begins as text does.
    pub(crate) fn new(profile: Profile, content_type: Option<&str>, within: &Within) -> Self {
        let mut text = Text::of_format(profile, Format::from_content_type(content_type), &within.path);
        if let Some(charset) = Charset::from_content_type(content_type) {
            text.scanner.declare(charset);
        }
        let (polyglot, lines) = (Polyglot::default(), Lines::default());
        text.own = Some(Own { polyglot, lines, within: within.clone() });
        text.with_heading(&within.heading)
    }

    pub(crate) fn of_format(profile: Profile, format: Format, path: &str) -> Self {
        let mut scanner = Box::new(Scanner::new(profile, format));
        scanner.set_packed(Encoded::open);
        Text { scanner, path: path.into(), taken: 0, own: None }
    }

    /// Names what the text is the value of.
    pub(crate) fn with_heading(mut self, heading: &str) -> Self {
        self.scanner.set_heading(heading);
        self
    }

    /// Text that was put together from content.
    pub(crate) fn of_parts(profile: Profile, path: &str) -> Self {
        let mut text = Text::of_format(profile, Format::Text, path);
        text.scanner.be_utf8();
        text
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let other = self.own.as_mut().and_then(|own| own.polyglot.watch(bytes));
        let (before, rest) = bytes.split_at(other.as_ref().map_or(bytes.len(), |(at, _)| (*at).min(bytes.len())));
        self.scan(content, before, out)?;
        let Some((_, reason)) = other else { return Ok(()) };
        content.opaque(reason, &self.path)?;
        self.scan(content, rest, out)
    }

    /// The first line by itself: what is behind it is read with it where they are records.
    fn scan(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let mut rest = bytes;
        while self.own.as_ref().is_some_and(|own| own.lines.is_open())
            && let Some(end) = memchr(b'\n', rest)
        {
            let (line, more) = rest.split_at(end + 1);
            self.piece(content, line, out)?;
            rest = more;
        }
        if rest.is_empty() { Ok(()) } else { self.piece(content, rest, out) }
    }

    fn piece(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let from = out.len();
        let flow = self.scanner.push(bytes, out);
        self.follow(content, bytes, (out, from))?;
        self.taken += bytes.len() as u64;
        self.step(content, flow)
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        let from = out.len();
        let flow = self.scanner.finish(out);
        self.follow(content, &[], (out, from))?;
        self.step(content, flow)?;
        self.own.as_mut().map_or(Ok(()), |own| own.lines.finish(content, &own.within, out))
    }

    /// Hands over what was found, and reads the lines that are whole together with those before them.
    fn follow(&mut self, content: &mut Content, bytes: &[u8], (out, from): (&mut Vec<u8>, usize)) -> Step {
        let findings = if self.scanner.findings().is_empty() { Vec::new() } else { self.scanner.hand_over() };
        let found = match &self.own {
            Some(own) if own.lines.are_read() => Found::of(findings, bytes, self.taken),
            _ => {
                content.found(findings, &self.path);
                Found::default()
            }
        };
        self.own.as_mut().map_or(Ok(()), |own| own.lines.follow(content, &own.within, (out, from), found))
    }

    /// Hands over what was not read, and says whether that stops the stream.
    fn step(&mut self, content: &mut Content, flow: Flow) -> Step {
        let why = self.scanner.why(flow);
        for remark in self.scanner.take_unread().remarks {
            content.remark(remark.deed, remark.reason, &join(&self.path, Some(&remark.path)));
        }
        match why {
            None => Ok(()),
            Some(Why::Opaque(opaque)) => {
                Err(Why::Opaque(Opaque { path: join(&self.path, Some(&opaque.path)), ..opaque }))
            }
            Some(why) => Err(why),
        }
    }

    pub(crate) fn held(&self) -> usize {
        let own = self.own.as_ref().map_or(0, |own| own.polyglot.held() + own.lines.held());
        size_of::<Text>() + self.scanner.held() + self.path.len() + own
    }
}
