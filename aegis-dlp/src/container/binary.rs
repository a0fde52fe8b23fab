//! Files that are not text but hold some: pictures with their descriptions, programs, databases.
//!
//! Runs of readable characters are scanned, of one byte each or of two as in UTF-16, as `strings` lists them; what is between
//! them is noise in which a scanner would find addresses that nobody wrote. Nothing in such a file can be replaced.

use std::cmp::Ordering;

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};

use crate::lanes::{BLOCK, is, lanes, run_ends, within};
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
            self.read(piece);
            let step = self.narrow.voice.speak(content).and_then(|()| self.wide.voice.speak(content));
            self.trail.add(piece, self.spoken());
            self.trail.release(self.judged(), out);
            step?;
        }
        Ok(())
    }

    fn read(&mut self, piece: &[u8]) {
        let (blocks, rest) = piece.as_chunks::<BLOCK>();
        dispatch!(Level::new(), simd => self.read_blocks(simd, blocks));
        for byte in rest {
            self.narrow.read(*byte);
            self.wide.read(*byte);
        }
    }

    #[inline(always)]
    fn read_blocks<S: Simd>(&mut self, simd: S, blocks: &[[u8; BLOCK]]) {
        for block in blocks {
            let lane = lanes(simd, block);
            let readable = (within(lane, b' ', 95) | within(lane, b'\t', 2) | is(lane, b'\r')).to_bitmask();
            if !self.narrow.passes(block, readable) {
                block.iter().for_each(|byte| self.narrow.read(*byte));
            }
            self.wide.read_block(block, readable, is(lane, 0).to_bitmask());
        }
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
    /// Reads a block at once in which no run is long enough, given which of its bytes are readable: most of what is not text.
    fn passes(&mut self, block: &[u8; BLOCK], readable: u64) -> bool {
        let before = u64::MAX.checked_shl(u64::BITS - self.run.len() as u32).unwrap_or_default();
        if self.long || run_ends(before, readable, RUN as u32) != 0 {
            return false;
        }
        let (noise, begun) = block.split_at(BLOCK - readable.leading_ones() as usize);
        self.end();
        self.voice.said.resize(self.voice.said.len() + noise.len(), 0);
        self.run.extend_from_slice(begun);
        true
    }

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
    /// Reads a block, given which of its bytes are readable, and which are zero: what is between characters of two bytes is
    /// passed at once.
    fn read_block(&mut self, block: &[u8; BLOCK], readable: u64, zero: u64) {
        let ends = zero & (readable << 1 | u64::from(self.half.is_some()));
        let mut at = 0;
        while let Some(byte) = block.get(at) {
            let next = (ends >> at).trailing_zeros() as usize;
            if self.length > 0 || next == 0 {
                self.read(*byte);
                at += 1;
                continue;
            }
            // Up to the zero of the next character, or all of the rest.
            at = (at + next).min(BLOCK);
            self.half = block.get(at - 1).copied().filter(|byte| is_readable(*byte));
        }
    }

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

#[cfg(test)]
mod tests {
    use crate::Profile;

    use super::*;

    type Said<'a> = (&'a [u8], &'a [u8], bool, &'a [u8], &'a [u8], usize, Option<u8>);

    fn said(binary: &Binary) -> Said<'_> {
        let Binary { narrow, wide, .. } = binary;
        (&narrow.voice.said, &narrow.run, narrow.long, &wide.voice.said, &wide.run, wide.length, wide.half)
    }

    #[test]
    fn blocks_are_read_as_their_bytes_are() {
        let (profile, within) = (Profile::default(), Within::default());
        let content = Content::new(&profile);
        // Noise, text and text of two bytes, each for a while.
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for _ in 0..300 {
            let (mut blocks, mut bytes) = (Binary::new(&content, &within), Binary::new(&content, &within));
            let mut piece = Vec::new();
            while piece.len() < 700 {
                let (kind, length) = (random(4), random(90));
                for _ in 0..length {
                    match kind {
                        0 => piece.push(random(256) as u8),
                        1 => piece.extend([b"\t\n\r\x0b\x1f\x7f"[random(6) as usize], b' ' + random(95) as u8]),
                        2 => piece.extend([b'a' + random(26) as u8, 0]),
                        _ => piece.push(b'a' + random(26) as u8),
                    }
                }
                if kind == 3 {
                    piece.push(0x80);
                }
            }
            for part in piece.chunks(1 + random(300) as usize) {
                blocks.read(part);
                for byte in part {
                    bytes.narrow.read(*byte);
                    bytes.wide.read(*byte);
                }
                assert_eq!(said(&blocks), said(&bytes));
            }
        }
    }
}
