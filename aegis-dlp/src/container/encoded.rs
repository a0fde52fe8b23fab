//! Files that stand encoded in text: a picture or an archive in base64 within JSON.

use crate::finding::Finding;
use crate::nested::{Layer, Unread};
use crate::stream::{Content, Step, Why};
use crate::{Flow, Profile};

use super::sniff::{self, Kind};
use super::{Reader, Within};

/// A file within text, read as what it is. It is never rewritten.
pub(crate) struct Encoded {
    content: Content,
    /// `None` where it passes unread, as the rule says.
    reader: Option<Reader>,
    refused: Option<Why>,
}

impl Encoded {
    /// What reads content with these first bytes and so many levels left; `None` for text.
    pub(crate) fn open(profile: &Profile, opening: &[u8], depth: u8) -> Option<Box<dyn Layer>> {
        let kind = sniff::kind(opening, true).filter(|kind| *kind != Kind::Text)?;
        let mut content = Content::new(profile);
        let depth = content.rules().nesting.saturating_sub(depth);
        let within = Within { depth, fixed: true, ..Within::default() };
        let judged = judge(&content, opening, kind);
        let reader = judged.and_then(|()| match Reader::of_kind(kind, None, &mut content, &within) {
            Ok(reader) => Ok(Some(reader)),
            Err(reason) => content.opaque(reason, "").map(|()| None),
        });
        let (reader, refused) = match reader {
            Ok(reader) => (reader, None),
            Err(why) => (None, Some(why)),
        };
        Some(Box::new(Encoded { content, reader, refused }))
    }

    fn flow(&self) -> Flow {
        match &self.refused {
            None => Flow::Continue,
            Some(Why::Detector(detector)) => Flow::Deny(*detector),
            Some(Why::Approval(detector)) => Flow::Approve(*detector),
            Some(Why::Opaque(_)) => Flow::Opaque,
        }
    }
}

/// Whether the rule lets a file of this kind out; what stands in a value cannot be taken out of it.
fn judge(content: &Content, opening: &[u8], kind: Kind) -> Step {
    let types = sniff::media_type(opening, kind);
    let attachments = &content.rules().attachments;
    if attachments.deny.has_type(types) || attachments.strip.has_type(types) {
        return Err(content.attachment("type", ""));
    }
    Ok(())
}

impl Layer for Encoded {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Flow {
        if self.refused.is_none() {
            self.content.take(chunk.len());
            match &mut self.reader {
                Some(reader) => self.refused = reader.push(&mut self.content, chunk, out).err(),
                None => out.extend_from_slice(chunk),
            }
        }
        self.flow()
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Flow {
        if let (None, Some(reader)) = (&self.refused, &mut self.reader) {
            self.refused = reader.finish(&mut self.content, out).err();
        }
        self.flow()
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        self.content.take_findings()
    }

    fn altered_at(&self) -> Option<u64> {
        None
    }

    fn take_unread(&mut self) -> Unread {
        let refused = match &self.refused {
            Some(Why::Opaque(opaque)) => Some(opaque.clone()),
            _ => None,
        };
        Unread { remarks: self.content.take_remarks(), refused }
    }

    fn held(&self) -> usize {
        size_of::<Encoded>() + self.reader.as_ref().map_or(0, Reader::held)
    }
}
