//! Files that are not text but hold some: pictures with their descriptions, programs, databases.
//!
//! Runs of readable characters are scanned, of one byte each or of two as in UTF-16, as `strings` lists them; what is between
//! them is noise in which a scanner would find addresses that nobody wrote. Nothing in such a file can be replaced.

use std::cmp::Ordering;

use crate::stream::{Content, Step};

use super::trail::{Mark, PIECE, Trail};
use super::{Polyglot, Voice, Within};

/// The shortest run that counts: that of a social security number.
const RUN: usize = 11;
/// Characters of a run of two bytes each that are kept for its end.
const KEPT: usize = 64;

pub(crate) struct Binary {
    path: Box<str>,
    trail: Trail,
    narrow: Narrow,
    wide: Wide,
    polyglot: Polyglot,
}

/// Runs of one byte a character; other bytes are a zero each.
struct Narrow {
    voice: Voice,
    /// A run that is not long enough yet.
    run: Vec<u8>,
    long: bool,
}

/// Runs of two bytes a character, of which one is zero.
struct Wide {
    voice: Voice,
    /// The last characters of the run, and how many it has.
    run: Vec<u8>,
    length: usize,
    /// A character whose zero may follow.
    half: Option<u8>,
}

impl Binary {
    pub(crate) fn new(content: &Content, within: &Within) -> Self {
        Binary {
            path: within.path.clone(),
            trail: Trail::default(),
            narrow: Narrow { voice: Voice::new(content, within), run: Vec::new(), long: false },
            wide: Wide { voice: Voice::new(content, within), run: Vec::new(), length: 0, half: None },
            polyglot: Polyglot::default(),
        }
    }

    pub(crate) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        for piece in bytes.chunks(PIECE) {
            if let Some((_, reason)) = self.polyglot.watch(piece) {
                content.opaque(reason, &self.path)?;
            }
            for byte in piece {
                self.narrow.read(*byte);
                self.wide.read(*byte);
            }
            let step = self.narrow.voice.speak(content).and_then(|()| self.wide.voice.speak(content));
            self.trail.add(piece, self.spoken());
            self.trail.release(self.judged(), out);
            step?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        self.narrow.end();
        let half = self.wide.half.take();
        self.wide.end(half);
        let step = self.narrow.voice.finish(content).and_then(|()| self.wide.voice.finish(content));
        let judged = if step.is_ok() { [u64::MAX; 2] } else { self.judged() };
        self.trail.release(judged, out);
        step
    }

    /// How much has to be judged before what was read so far may leave. A run that is not said yet will be.
    fn spoken(&self) -> Mark {
        let wide = self.wide.voice.spoken + u64::from((1..RUN).contains(&self.wide.length));
        [self.narrow.voice.spoken + self.narrow.run.len() as u64, wide]
    }

    fn judged(&self) -> Mark {
        [self.narrow.voice.judged, self.wide.voice.judged]
    }

    pub(crate) fn held(&self) -> usize {
        let runs = self.narrow.run.capacity() + self.wide.run.capacity();
        let voices = self.narrow.voice.held() + self.wide.voice.held();
        size_of::<Binary>() + runs + voices + self.trail.held() + self.polyglot.held()
    }
}

impl Narrow {
    fn read(&mut self, byte: u8) {
        match (is_readable(byte), self.long) {
            (true, true) => self.voice.said.push(byte),
            (true, false) => {
                self.run.push(byte);
                if self.run.len() == RUN {
                    self.voice.said.append(&mut self.run);
                    self.long = true;
                }
            }
            (false, _) => {
                self.end();
                self.voice.said.push(0);
            }
        }
    }

    fn end(&mut self) {
        let said = &mut self.voice.said;
        said.resize(said.len() + self.run.len(), 0);
        self.run.clear();
        self.long = false;
    }
}

impl Wide {
    fn read(&mut self, byte: u8) {
        match self.half.take() {
            Some(character) if byte == 0 => self.add(character),
            None if is_readable(byte) => self.half = Some(byte),
            half => {
                self.end(half);
                self.half = Some(byte).filter(|byte| half.is_some() && is_readable(*byte));
            }
        }
    }

    fn add(&mut self, character: u8) {
        if self.run.len() == KEPT {
            self.run.remove(0);
        }
        self.run.push(character);
        self.length += 1;
        match self.length.cmp(&RUN) {
            Ordering::Less => {}
            Ordering::Equal => self.voice.said.extend_from_slice(&self.run),
            Ordering::Greater => self.voice.said.push(character),
        }
    }

    /// Ends a run. A character without a zero behind it is the last one where the zeros come first: then the run is said
    /// once more, with it.
    fn end(&mut self, half: Option<u8>) {
        if self.length == 0 {
            return;
        }
        self.voice.said.push(b'\n');
        if let Some(last) = half.filter(|_| self.length + 1 >= RUN) {
            self.voice.said.extend_from_slice(&self.run);
            self.voice.said.extend([last, b'\n']);
        }
        self.run.clear();
        self.length = 0;
    }
}

fn is_readable(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}
