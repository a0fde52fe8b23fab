//! Text of any format: what the scanner reads.

use crate::stream::{Content, Opaque, Step, Why, join};
use crate::{Charset, Flow, Format, Profile, Scanner};

use super::{Encoded, Polyglot, Within};

/// A piece of text somewhere in a body.
pub(crate) struct Text {
    /// In a box from the start: it is large, and a text goes from hand to hand before it is read.
    scanner: Box<Scanner>,
    path: Box<str>,
    /// `None` for what is no content of its own, as headers are.
    polyglot: Option<Polyglot>,
}

impl Text {
    /// Content of this media type that begins as text does.
    pub(crate) fn new(profile: Profile, content_type: Option<&str>, within: &Within) -> Self {
        let mut text = Text::of_format(profile, Format::from_content_type(content_type), &within.path);
        if let Some(charset) = Charset::from_content_type(content_type) {
            text.scanner.declare(charset);
        }
        text.polyglot = Some(Polyglot::default());
        text.with_heading(&within.heading)
    }

    pub(crate) fn of_format(profile: Profile, format: Format, path: &str) -> Self {
        let mut scanner = Box::new(Scanner::new(profile, format));
        scanner.set_packed(Encoded::open);
        Text { scanner, path: path.into(), polyglot: None }
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
        let other = self.polyglot.as_mut().and_then(|polyglot| polyglot.watch(bytes));
        let (before, rest) = bytes.split_at(other.as_ref().map_or(bytes.len(), |(at, _)| (*at).min(bytes.len())));
        let flow = self.scanner.push(before, out);
        self.step(content, flow)?;
        let Some((_, reason)) = other else { return Ok(()) };
        content.opaque(reason, &self.path)?;
        let flow = self.scanner.push(rest, out);
        self.step(content, flow)
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        let flow = self.scanner.finish(out);
        self.step(content, flow)
    }

    /// Hands over what was found and what was not read, and says whether that stops the stream.
    fn step(&mut self, content: &mut Content, flow: Flow) -> Step {
        if !self.scanner.findings().is_empty() {
            content.found(self.scanner.take_findings(), &self.path);
        }
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
        let polyglot = self.polyglot.as_ref().map_or(0, Polyglot::held);
        size_of::<Text>() + self.scanner.held() + self.path.len() + polyglot
    }
}
