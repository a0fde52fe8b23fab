//! Zstandard (RFC 8878), in windows of at most 8 MiB as RFC 9659 asks for content codings.
//!
//! The decoder works on whole blocks, so frames are cut into those here.

use std::io::Read;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{BROKEN, PIECE, Sink, Stop};
use crate::stream::Reason;

const WINDOW: u64 = 8 * 1024 * 1024;
/// The longest block, compressed or not.
const BLOCK: usize = 128 * 1024;
const BLOCK_HEADER: usize = 3;
const CHECKSUM: usize = 4;
const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

#[derive(Default)]
pub(crate) struct Zstd {
    decoder: Option<Box<FrameDecoder>>,
    state: State,
    hides: bool,
    /// The unit that is not whole yet: a header, or a block.
    held: Vec<u8>,
}

#[derive(Copy, Clone, Default, Eq, PartialEq)]
enum State {
    /// Between frames.
    #[default]
    Frame,
    Block {
        /// Behind the last block there are four more bytes.
        checksum: bool,
    },
    /// Bytes that mean nothing to a decoder.
    Skip(u32),
}

impl Zstd {
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        let mut rest = bytes;
        loop {
            if let State::Skip(left) = self.state {
                let skipped = rest.len().min(left as usize);
                rest = rest.get(skipped..).unwrap_or_default();
                let left = left - u32::try_from(skipped).unwrap_or(left);
                self.state = if left == 0 { State::Frame } else { State::Skip(left) };
            }
            let missing = self.unit()?.saturating_sub(self.held.len());
            if rest.is_empty() && missing > 0 {
                return Ok(());
            }
            let (more, after) = rest.split_at(missing.min(rest.len()));
            self.held.extend_from_slice(more);
            rest = after;
            if more.len() == missing && self.unit()? == self.held.len() && !self.held.is_empty() {
                self.decode(sink)?;
                self.held.clear();
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// How long the unit is that is being held, as far as can be told.
    fn unit(&self) -> Result<usize, Reason> {
        match self.state {
            State::Skip(_) => Ok(0),
            State::Frame => frame_header(&self.held),
            State::Block { checksum } => {
                let [low, middle, high] = match self.held.get(..BLOCK_HEADER) {
                    Some(&[low, middle, high]) => [low, middle, high],
                    _ => return Ok(BLOCK_HEADER),
                };
                let header = u32::from_le_bytes([low, middle, high, 0]);
                let (last, kind, size) = (header & 1 == 1, header >> 1 & 3, (header >> 3) as usize);
                if kind == 3 || size > BLOCK {
                    return Err(BROKEN);
                }
                let content = if kind == 1 { 1 } else { size };
                Ok(BLOCK_HEADER + content + if last && checksum { CHECKSUM } else { 0 })
            }
        }
    }

    fn decode(&mut self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        match self.state {
            State::Skip(_) => Ok(()),
            State::Frame => self.begin(),
            State::Block { .. } => self.block(sink),
        }
    }

    fn begin(&mut self) -> Result<(), Stop> {
        if let Some(&[a, b, c, d]) = self.held.get(4..8)
            && SKIPPABLE.contains(&magic(&self.held))
        {
            self.hides = true;
            let length = u32::from_le_bytes([a, b, c, d]);
            self.state = if length == 0 { State::Frame } else { State::Skip(length) };
            return Ok(());
        }
        let checksum = self.held.get(4).is_some_and(|descriptor| descriptor & 4 != 0);
        let decoder = self.decoder.get_or_insert_with(|| {
            let mut decoder = FrameDecoder::new();
            decoder.set_max_window_size(WINDOW);
            Box::new(decoder)
        });
        // Windows that are too large, and dictionaries that nobody has.
        decoder.init(self.held.as_slice()).map_err(|_| BROKEN)?;
        self.state = State::Block { checksum };
        Ok(())
    }

    fn block(&mut self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let decoder = self.decoder.as_mut().ok_or(BROKEN)?;
        decoder.decode_blocks(self.held.as_slice(), BlockDecodingStrategy::UptoBlocks(1)).map_err(|_| BROKEN)?;
        let mut buffer = [0_u8; PIECE];
        while decoder.can_collect() > 0 {
            let made = decoder.read(&mut buffer).map_err(|_| BROKEN)?;
            sink(buffer.get(..made).unwrap_or_default())?;
        }
        if decoder.is_finished() {
            let told = decoder.get_checksum_from_data();
            if told.is_some() && told != decoder.get_calculated_checksum() {
                return Err(BROKEN.into());
            }
            self.state = State::Frame;
        }
        Ok(())
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.state == State::Frame && self.held.is_empty()
    }

    /// Whether frames were skipped.
    pub(crate) fn hides(&self) -> bool {
        self.hides
    }

    pub(crate) fn held(&self) -> usize {
        let window = if self.decoder.is_some() { WINDOW as usize + 2 * BLOCK } else { 0 };
        self.held.capacity() + window
    }
}

fn magic(held: &[u8]) -> u32 {
    match held.get(..4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// The length of the frame header that is held (RFC 8878, section 3.1.1.1), as far as it can be told.
fn frame_header(held: &[u8]) -> Result<usize, Reason> {
    if held.len() < 4 {
        return Ok(4);
    }
    match magic(held) {
        MAGIC => {}
        skippable if SKIPPABLE.contains(&skippable) => return Ok(8),
        _ => return Err(BROKEN),
    }
    let Some(descriptor) = held.get(4) else { return Ok(5) };
    let single = descriptor >> 5 & 1 == 1;
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
    let size = match (descriptor >> 6, single) {
        (0, single) => usize::from(single),
        (1, _) => 2,
        (2, _) => 4,
        _ => 8,
    };
    Ok(5 + usize::from(!single) + dictionary + size)
}
