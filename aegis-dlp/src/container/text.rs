//! Text of any format: what the scanner reads.

use crate::stream::{Content, Step, step};
use crate::{Format, Profile, Scanner};

/// A piece of text somewhere in a body.
pub(crate) struct Text {
    scanner: Scanner,
    path: Box<str>,
}

impl Text {
    /// Text of this media type, at `path` of the body.
    pub(crate) fn new(profile: Profile, content_type: Option<&str>, path: &str) -> Self {
        Text::of_format(profile, Format::from_content_type(content_type), path)
    }

    pub(crate) fn of_format(profile: Profile, format: Format, path: &str) -> Self {
        Text { scanner: Scanner::new(profile, format), path: path.into() }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let flow = self.scanner.push(bytes, out);
        self.hand_over(content);
        step(flow)
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        let flow = self.scanner.finish(out);
        self.hand_over(content);
        step(flow)
    }

    fn hand_over(&mut self, content: &mut Content) {
        if !self.scanner.findings().is_empty() {
            content.found(self.scanner.take_findings(), &self.path);
        }
    }

    pub(crate) fn held(&self) -> usize {
        size_of::<Text>() + self.scanner.held() + self.path.len()
    }
}
