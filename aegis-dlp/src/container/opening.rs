//! Content whose kind its first bytes tell.

use crate::Charset;
use crate::stream::{Content, Reason, Step, Why};

use super::sniff::{self, Kind};
use super::{Media, Reader, Within};

/// Blanks that a document may begin with.
const BLANKS: usize = 4 * 1024;

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
        let Some(kind) = sniff::kind(&self.held, false).filter(|kind| *kind != Kind::Text || !self.undecided()) else {
            return Ok(None);
        };
        self.read(kind, content, out).map(Some)
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        let kind = sniff::kind(&self.held, true).unwrap_or(Kind::Text);
        self.read(kind, content, out)?.finish(content, out)
    }

    /// Whether what is read as a document may begin yet: before it are a mark and blanks at most.
    fn undecided(&self) -> bool {
        self.within.fixed && self.held.len() < BLANKS && sniff::may_open_markup(&self.held)
    }

    fn read(&mut self, kind: Kind, content: &mut Content, out: &mut Vec<u8>) -> Result<Reader, Why> {
        // A body that is a file as a whole; files within others are asked about where they are.
        if self.within.depth == 0 {
            self.judge(kind, content)?;
        }
        let kind = self.declared_kind(kind, content)?;
        let kind = if self.within.fixed && kind == Kind::Text { self.text_kind(content)? } else { kind };
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

    /// What is declared to be text is read as such: in a charset that has ASCII in single bytes, or UTF-16.
    fn declared_kind(&self, kind: Kind, content: &mut Content) -> Result<Kind, Why> {
        let media = Media::of(self.declared.as_deref());
        let wide = !matches!(Charset::from_content_type(media.value), None | Some(Charset::Utf8));
        let reason = match kind {
            Kind::Binary(sniff::OCTETS) if wide => return Ok(Kind::Text),
            Kind::Binary(sniff::OCTETS) if media.is_textual() && !media.essence().is_empty() => {
                Reason::Unreadable(sniff::OCTETS)
            }
            Kind::Text if !media.value.is_none_or(Charset::is_read) => {
                Reason::Unreadable("text in a charset that Aegis does not read")
            }
            kind => return Ok(kind),
        };
        content.opaque(reason, &self.within.path)?;
        Ok(kind)
    }

    /// Whether text that cannot be rewritten is a document. Where that cannot be told it is not guessed.
    fn text_kind(&self, content: &mut Content) -> Result<Kind, Why> {
        if sniff::opens_markup(&self.held) {
            return Ok(Kind::Markup);
        }
        let reason = match () {
            () if self.held.len() >= BLANKS && sniff::may_open_markup(&self.held) => Reason::Ambiguous("a document"),
            () if sniff::opens_wide_markup(&self.held) => Reason::Unreadable("text/xml; charset=utf-16"),
            () => return Ok(Kind::Text),
        };
        content.opaque(reason, &self.within.path)?;
        Ok(Kind::Text)
    }

    /// Whether the rule lets a body of this kind out. What a body consists of cannot be taken out of it.
    fn judge(&self, kind: Kind, content: &Content) -> Step {
        let attachments = &content.rules().attachments;
        if attachments.is_empty() {
            return Ok(());
        }
        let Some(sniffed) = sniff::media_type(&self.held, kind) else { return Ok(()) };
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
