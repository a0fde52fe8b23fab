//! Sixty-four bytes at once: which of them are of a kind, as the bits of a word.

use wide::u8x16;

/// Bytes looked at together.
pub(crate) const BLOCK: usize = 64;

/// A block of bytes. Bit `n` of what its methods give is of byte `n`.
#[derive(Copy, Clone)]
pub(crate) struct Lanes([u8x16; 4]);

impl Lanes {
    #[inline]
    pub(crate) fn new(block: &[u8; BLOCK]) -> Self {
        let mut lanes = [u8x16::ZERO; 4];
        for (lane, part) in lanes.iter_mut().zip(block.as_chunks::<16>().0) {
            *lane = u8x16::new(*part);
        }
        Lanes(lanes)
    }

    /// The bytes of which a test says so: all bits of a lane are set where it does.
    #[inline]
    pub(crate) fn which(self, test: impl Fn(u8x16) -> u8x16) -> u64 {
        let mut bits = 0;
        for (number, lane) in self.0.into_iter().enumerate() {
            bits |= u64::from(test(lane).to_bitmask()) << (16 * number);
        }
        bits
    }
}

/// Whether each byte is this one.
#[inline]
pub(crate) fn is(lane: u8x16, byte: u8) -> u8x16 {
    lane.simd_eq(u8x16::splat(byte))
}

/// Whether each byte is one of so many from `first` on.
#[inline]
pub(crate) fn within(lane: u8x16, first: u8, count: u8) -> u8x16 {
    let offset = lane - u8x16::splat(first);
    offset.min(u8x16::splat(count - 1)).simd_eq(offset)
}

/// The bytes of a block that so many of a kind end with, given the bits of that kind in the block and in the one before it.
#[inline]
pub(crate) fn run_ends(before: u64, here: u64, length: u32) -> u64 {
    let (mut before, mut here, mut known) = (before, here, 1);
    while known < length {
        // Of the block before only the last bits are asked for.
        let by = known.min(length - known);
        here &= here << by | before >> (u64::BITS - by);
        before &= before << by;
        known += by;
    }
    here
}

/// A stretch block by block, the last one filled up with zeros.
pub(crate) fn blocks(bytes: &[u8]) -> impl Iterator<Item = [u8; BLOCK]> {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
    blocks.iter().copied().chain((!rest.is_empty()).then_some(last))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_of_bytes() {
        let block = std::array::from_fn(|at| u8::try_from(at * 4).unwrap());
        let lanes = Lanes::new(&block);
        assert_eq!(lanes.which(|lane| is(lane, 148)), 1 << 37);
        assert_eq!(lanes.which(|lane| is(lane | u8x16::splat(0x20), b'x')), 1 << 22 | 1 << 30);
        assert_eq!(lanes.which(|lane| within(lane, 148, 5)), 1 << 37 | 1 << 38);
    }

    #[test]
    fn runs_end_where_enough_bytes_are_of_a_kind() {
        for length in 1..40 {
            for run in 1..40_u32 {
                for last in 0..64_u32 {
                    // Bits of two blocks.
                    let bits = ((1_u128 << run) - 1) << (64 + last + 1 - run);
                    let ends = run_ends((bits & u128::from(u64::MAX)) as u64, (bits >> 64) as u64, length);
                    assert_eq!(ends >> last & 1 == 1, run >= length, "{run} up to {last}");
                    assert_eq!(ends >> last >> 1, 0);
                }
            }
        }
    }
}
