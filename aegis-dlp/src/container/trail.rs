//! Bytes that wait until what they decode to has been judged.

use std::collections::VecDeque;

/// Bytes decoded at once while their outcome is waited for.
pub(crate) const PIECE: usize = 1024;

/// How many decoded bytes there are, of each of the (at most two) texts that they are decoded to.
pub(crate) type Mark = [u64; 2];

/// What was taken and not yet put out, in pieces, each with the count of decoded bytes up to its end.
#[derive(Default)]
pub(crate) struct Trail {
    bytes: VecDeque<u8>,
    pieces: VecDeque<(usize, Mark)>,
}

impl Trail {
    /// Adds bytes which may leave once so many decoded bytes were judged.
    pub(crate) fn add(&mut self, bytes: &[u8], decoded: Mark) {
        if bytes.is_empty() {
            return;
        }
        self.bytes.extend(bytes);
        match self.pieces.back_mut() {
            Some((length, until)) if *until == decoded => *length += bytes.len(),
            _ => self.pieces.push_back((bytes.len(), decoded)),
        }
    }

    /// Puts out what may leave.
    pub(crate) fn release(&mut self, judged: Mark, out: &mut Vec<u8>) {
        let reached = |until: &Mark| until.iter().zip(judged).all(|(until, judged)| *until <= judged);
        while let Some((length, _)) = self.pieces.front().copied().filter(|(_, until)| reached(until)) {
            let length = length.min(self.bytes.len());
            // Two copies: a queue gives its bytes one by one.
            let (front, back) = self.bytes.as_slices();
            let (first, second) = (length.min(front.len()), length.saturating_sub(front.len()));
            out.extend_from_slice(front.get(..first).unwrap_or_default());
            out.extend_from_slice(back.get(..second).unwrap_or_default());
            self.bytes.drain(..length);
            self.pieces.pop_front();
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity() + self.pieces.capacity() * size_of::<(usize, Mark)>()
    }
}
