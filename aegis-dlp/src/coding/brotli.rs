//! Brotli (RFC 7932), without the large windows that the content coding does not have.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, HuffmanCode, StandardAlloc};

use super::{BROKEN, PIECE, Sink, Stop};

type State = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

pub(crate) struct Brotli {
    state: Box<State>,
    ended: bool,
    begun: bool,
    made: usize,
}

impl Default for Brotli {
    fn default() -> Self {
        let alloc = StandardAlloc::default;
        let state = Box::new(State::new_strict(alloc(), alloc(), alloc()));
        Brotli { state, ended: false, begun: false, made: 0 }
    }
}

impl Brotli {
    /// The largest window, and tables.
    const MOST: usize = 17 * 1024 * 1024;

    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        let mut buffer = [0_u8; PIECE];
        let (mut left, mut taken) = (bytes.len(), 0);
        self.begun |= !bytes.is_empty();
        while !self.ended {
            let (mut room, mut made) = (buffer.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut taken,
                bytes,
                &mut room,
                &mut made,
                &mut buffer,
                &mut self.made,
                &mut self.state,
            );
            let piece = buffer.get(..made).unwrap_or_default();
            if !piece.is_empty() {
                sink(piece)?;
            }
            match result {
                BrotliResult::ResultSuccess => self.ended = true,
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultFailure => return Err(BROKEN.into()),
            }
        }
        if left == 0 { Ok(()) } else { Err(BROKEN.into()) }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.ended || !self.begun
    }

    /// The window grows with what was decoded.
    pub(crate) fn held(&self) -> usize {
        size_of::<State>() + size_of::<HuffmanCode>() * 4096 + self.made.next_power_of_two().min(Brotli::MOST)
    }
}
