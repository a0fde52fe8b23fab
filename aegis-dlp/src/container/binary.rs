//! Files that are not text but hold some: pictures with their descriptions, programs, databases.
//!
//! Runs of readable characters are scanned, as `strings` lists them; what is between them is noise in which a
//! scanner would find addresses that nobody wrote. Nothing in such a file can be replaced.

use crate::Format;
use crate::stream::{Content, Step};

use super::text::Text;
use super::{Polyglot, Within, trail};

/// The shortest run that counts: that of a social security number.
const RUN: usize = 11;

pub(crate) struct Binary {
    path: Box<str>,
    text: Text,
    /// Taken and not put out.
    held: Vec<u8>,
    /// Bytes at the end of `held` that the scanner has not seen: a run that may become long enough.
    open: usize,
    /// Whether the run at the end is long enough already.
    long: bool,
    /// What the scanner is shown: as long as what it stands for.
    shown: Vec<u8>,
    judged: Vec<u8>,
    polyglot: Polyglot,
}

impl Binary {
    pub(crate) fn new(content: &Content, within: &Within) -> Self {
        let text = Text::of_format(within.fixed().profile(content), Format::Text, &within.path);
        Binary {
            path: within.path.clone(),
            text,
            held: Vec::new(),
            open: 0,
            long: false,
            shown: Vec::new(),
            judged: Vec::new(),
            polyglot: Polyglot::default(),
        }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        for piece in bytes.chunks(trail::PIECE) {
            if let Some((_, reason)) = self.polyglot.watch(piece) {
                content.opaque(reason, &self.path)?;
            }
            self.show(piece);
            let step = self.text.push(content, &self.shown, &mut self.judged);
            self.release(out);
            step?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        self.shown.clear();
        self.shown.resize(self.open, 0);
        let pushed = self.text.push(content, &self.shown, &mut self.judged);
        let step = pushed.and_then(|()| self.text.finish(content, &mut self.judged));
        self.release(out);
        step
    }

    /// Sets what the scanner is to see next: long runs as they are, a zero for each other byte.
    fn show(&mut self, piece: &[u8]) {
        self.shown.clear();
        for byte in piece {
            self.held.push(*byte);
            let readable = matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
            match (readable, self.long) {
                (true, true) => self.shown.push(*byte),
                (true, false) => {
                    self.open += 1;
                    if self.open == RUN {
                        let run = self.held.len() - RUN;
                        self.shown.extend_from_slice(self.held.get(run..).unwrap_or_default());
                        (self.open, self.long) = (0, true);
                    }
                }
                (false, _) => {
                    self.shown.resize(self.shown.len() + self.open + 1, 0);
                    (self.open, self.long) = (0, false);
                }
            }
        }
    }

    /// Puts out as many bytes as the scanner has judged.
    fn release(&mut self, out: &mut Vec<u8>) {
        let judged = self.judged.len().min(self.held.len());
        out.extend(self.held.drain(..judged));
        self.judged.clear();
    }

    pub(crate) fn held(&self) -> usize {
        let own = self.held.capacity() + self.shown.capacity() + self.judged.capacity() + self.polyglot.held();
        size_of::<Binary>() + own + self.text.held()
    }
}
