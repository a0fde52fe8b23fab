//! Text of any format: what the scanner reads.

use crate::stream::{Content, Opaque, Reason, Step, Why, join};
use crate::{Flow, Format, Profile, Scanner};

use super::Encoded;

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
        let scanner = Scanner::new(profile, format).with_packed(Encoded::open);
        Text { scanner, path: path.into() }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let flow = self.scanner.push(bytes, out);
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
        let unread = self.scanner.take_unread();
        for remark in unread.remarks {
            content.remark(remark.deed, remark.reason, &join(&self.path, Some(&remark.path)));
        }
        match (flow, unread.refused) {
            (Flow::Continue, _) => Ok(()),
            (Flow::Deny(detector), _) => Err(Why::Detector(detector)),
            (Flow::Approve(detector), _) => Err(Why::Approval(detector)),
            (Flow::Opaque, Some(opaque)) => {
                Err(Why::Opaque(Opaque { path: join(&self.path, Some(&opaque.path)), ..opaque }))
            }
            (Flow::Opaque, None) => Err(content.broken(Reason::Unreadable("a file within text"), &self.path)),
        }
    }

    pub(crate) fn held(&self) -> usize {
        size_of::<Text>() + self.scanner.held() + self.path.len()
    }
}
