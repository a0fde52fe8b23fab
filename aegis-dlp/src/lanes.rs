//! Sixty-four bytes at once: which of them are of a kind, as the bits of a word.
//!
//! What is generic over [`Simd`] is compiled once for each kind of vector unit, and `dispatch!` takes the best that the machine
//! has. Between there and here all is inlined, closures too, or it would be compiled for the oldest machine there is.

use fearless_simd::prelude::*;
use fearless_simd::{Simd, mask8x64, u8x64};

/// Bytes looked at together.
pub(crate) const BLOCK: usize = 64;

/// A block of bytes. Bit `n` of what is told of it is of byte `n`.
pub(crate) type Lanes<S> = u8x64<S>;

#[inline(always)]
pub(crate) fn lanes<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Lanes<S> {
    u8x64::load_array_ref(simd, block)
}

/// The block at a position of a stretch, filled up with zeros where that ends.
#[inline(always)]
pub(crate) fn lanes_at<S: Simd>(simd: S, bytes: &[u8], at: usize) -> Lanes<S> {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(block) => lanes(simd, block),
        None => lanes(simd, &filled_up(rest)),
    }
}

/// Whether each byte is this one.
#[inline(always)]
pub(crate) fn is<S: Simd>(lane: Lanes<S>, byte: u8) -> mask8x64<S> {
    lane.simd_eq(byte)
}

/// Whether each byte is one of so many from `first` on.
#[inline(always)]
pub(crate) fn within<S: Simd>(lane: Lanes<S>, first: u8, count: u8) -> mask8x64<S> {
    (lane - first).simd_le(count - 1)
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

/// The bytes of a block that are between quotes, the first of each pair counted, given where quotes are and whether it begins
/// between two.
#[inline(always)]
pub(crate) fn inside(quotes: u64, begun: bool) -> u64 {
    let mut odd = quotes;
    for shift in [1, 2, 4, 8, 16, 32] {
        odd ^= odd << shift;
    }
    if begun { !odd } else { odd }
}

/// Fewer bytes than a block has, with zeros behind them.
#[inline(never)]
fn filled_up(bytes: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    if let Some(place) = block.get_mut(..bytes.len()) {
        place.copy_from_slice(bytes);
    }
    block
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    #[test]
    fn bits_are_of_bytes_on_every_vector_unit() {
        let block = std::array::from_fn(|at| u8::try_from(at * 4).unwrap());
        let bits = |level: Level| {
            dispatch!(level, simd => {
                let lane = lanes(simd, &block);
                [
                    is(lane, 148),
                    is(lane | 0x20, b'x'),
                    within(lane, 148, 5) | is(lane, 0),
                    is(lanes_at(simd, &block, 60), 0),
                    is(lanes_at(simd, &block, 600), 0),
                ]
                .map(SimdMask::to_bitmask)
            })
        };
        let expected = [1 << 37, 1 << 22 | 1 << 30, 1 << 37 | 1 << 38 | 1, u64::MAX << 4, u64::MAX];
        for level in [Level::baseline(), Level::new()] {
            assert_eq!(bits(level), expected, "{level:?}");
        }
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
