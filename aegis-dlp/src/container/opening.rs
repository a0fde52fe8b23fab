//! Content whose kind its first bytes tell.

use crate::stream::{Content, Step, Why};

use super::sniff::{self, Kind};
use super::{Media, Reader, Within};

/// Holds first bytes until they say what reads them.
pub(crate) struct Opening {
    declared: Option<Box<str>>,
    within: Within,
    held: Vec<u8>,
}

impl Opening {
    pub(crate) fn new(declared: Option<&str>, within: Within) -> Self {
        Opening { declared: declared.map(Box::from), within, held: Vec::new() }
    }

    /// Takes bytes; the reader for all that follows, once it is known.
    pub(crate) fn push(
        &mut self,
        content: &mut Content,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Reader>, Why> {
        self.held.extend_from_slice(bytes);
        let Some(kind) = sniff::kind(&self.held, false) else { return Ok(None) };
        self.read(kind, content, out).map(Some)
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        let kind = sniff::kind(&self.held, true).unwrap_or(Kind::Text);
        self.read(kind, content, out)?.finish(content, out)
    }

    fn read(&mut self, kind: Kind, content: &mut Content, out: &mut Vec<u8>) -> Result<Reader, Why> {
        // A body that is a file as a whole; files within others are asked about where they are.
        if self.within.depth == 0 {
            self.judge(kind, content)?;
        }
        let document = self.within.fixed && kind == Kind::Text && sniff::opens_markup(&self.held);
        let kind = if document { Kind::Markup } else { kind };
        let reader = Reader::of_kind(kind, self.declared.as_deref(), content, &self.within);
        let mut reader = match reader {
            Ok(reader) => reader,
            Err(reason) => {
                content.opaque(reason, &self.within.path)?;
                // Passes as the rule says; what can be read of it is.
                Reader::of_kind(Kind::Binary(""), None, content, &self.within).unwrap_or(Reader::Unread)
            }
        };
        reader.push(content, &std::mem::take(&mut self.held), out)?;
        Ok(reader)
    }

    /// Whether the rule lets a body of this kind out. What a body consists of cannot be taken out of it.
    fn judge(&self, kind: Kind, content: &Content) -> Step {
        let attachments = &content.rules().attachments;
        let Some(sniffed) = sniff::media_type(&self.held, kind).filter(|_| !attachments.is_empty()) else {
            return Ok(());
        };
        let media = Media::of(self.declared.as_deref());
        let types = [media.essence(), sniffed];
        if attachments.deny.has_type(types) || attachments.strip.has_type(types) {
            return Err(content.attachment("type", &self.within.path));
        }
        Ok(())
    }

    pub(crate) fn held(&self) -> usize {
        size_of::<Opening>() + self.held.capacity()
    }
}
