//! A gzip file among other content: read, and sent as it came.

use crate::Format;
use crate::coding::{Gzip, Stop};
use crate::stream::{Content, Reason, Step};

use super::trail::{PIECE, Trail};
use super::{Reader, Text, Within};

pub(crate) struct Packed {
    decoder: Gzip,
    within: Within,
    inner: Box<Reader>,
    trail: Trail,
    decoded: u64,
    judged: u64,
    scratch: Vec<u8>,
    /// Given up: passes as the rule says.
    unread: bool,
}

impl Packed {
    pub(crate) fn new(within: Within) -> Self {
        let inner = super::Opening::new(None, within.piece("gzip"));
        Packed {
            decoder: Gzip::default(),
            inner: Box::new(Reader::Opening(Box::new(inner))),
            within,
            trail: Trail::default(),
            decoded: 0,
            judged: 0,
            scratch: Vec::new(),
            unread: false,
        }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        for piece in bytes.chunks(PIECE) {
            if self.unread {
                out.extend_from_slice(piece);
                continue;
            }
            let (inner, scratch) = (&mut self.inner, &mut self.scratch);
            let (decoded, judged) = (&mut self.decoded, &mut self.judged);
            let pushed = self.decoder.push(piece, &mut |unfolded| {
                content.unfold(unfolded.len())?;
                *decoded += unfolded.len() as u64;
                let step = inner.push(content, unfolded, scratch);
                *judged += scratch.len() as u64;
                scratch.clear();
                step.map_err(Stop::Why)
            });
            // A header that is not whole has not been looked at.
            let open = u64::from(self.decoder.in_header());
            self.trail.add(piece, [self.decoded + open, 0]);
            self.fields(content)?;
            self.trail.release([self.judged, 0], out);
            match pushed {
                Ok(()) => {}
                Err(Stop::Reason(reason)) => self.give_up(content, reason, out)?,
                Err(Stop::Why(why)) => return Err(why),
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        if self.unread {
            return Ok(());
        }
        if !self.decoder.is_whole() {
            return self.give_up(content, Reason::Broken("compressed data"), out);
        }
        self.inner.finish(content, &mut self.scratch)?;
        self.trail.release([u64::MAX; 2], out);
        Ok(())
    }

    /// Scans names and comments in headers: they leave with the file, and are in nothing that it decodes to.
    fn fields(&mut self, content: &mut Content) -> Step {
        if self.decoder.in_header() {
            return Ok(());
        }
        let fields = self.decoder.take_fields();
        if fields.is_empty() {
            return Ok(());
        }
        let mut text = Text::of_format(self.within.profile(content), Format::Text, &self.within.path);
        text.push(content, &fields, &mut Vec::new())?;
        text.finish(content, &mut Vec::new())
    }

    /// It cannot be read on: the rule's choice.
    fn give_up(&mut self, content: &mut Content, reason: Reason, out: &mut Vec<u8>) -> Step {
        content.opaque(reason, &self.within.path)?;
        // What came of it was read, also what is held until more follows.
        self.inner.finish(content, &mut self.scratch)?;
        self.trail.release([u64::MAX; 2], out);
        self.unread = true;
        Ok(())
    }

    pub(crate) fn held(&self) -> usize {
        size_of::<Packed>() + self.decoder.held() + self.inner.held() + self.trail.held() + self.scratch.capacity()
    }
}
