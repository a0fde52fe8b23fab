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
    }
}
