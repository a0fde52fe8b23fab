//! What stands on both sides of where two texts meet: most are words, in which there is nothing to look for.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};

use crate::detect::may_begin_key;
use crate::lanes::{BLOCK, Lanes, is, lanes, lanes_at, within};
use crate::prefilter::WORD;

/// What is near a seam.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Near {
    /// Words and nothing else, none of which a key or the name of a password begins with.
    Words,
    /// Words, and perhaps such a one.
    Keyed,
    /// Something else.
    Other,
}

/// Looks at the last bytes before a seam, and at the first ones behind it: a block of each.
pub(super) fn near(before: &str, after: &str) -> Near {
    let (before, after) = (before.as_bytes(), after.as_bytes());
    dispatch!(Level::new(), simd => look(simd, before, after))
}

#[inline(always)]
fn look<S: Simd>(simd: S, before: &[u8], after: &[u8]) -> Near {
    let count = before.len().min(BLOCK) + after.len().min(BLOCK);
    // Bit n is of the byte that is n bytes behind the first of 64 before the seam.
    let first = BLOCK - before.len().min(BLOCK);
    let here = [last(simd, before), lanes_at(simd, after, 0)];
    let words = both(here, |lane| {
        let letters = within(lane | 0x20, b'a', 26);
        let signs = within(lane, b' ', 3) | within(lane, b'\'', 3) | within(lane, b',', 4) | within(lane, b':', 2);
        letters | signs | is(lane, b'?')
    });
    let all = u128::MAX >> (u128::BITS as usize - count.max(1)) << first;
    if words & all != all {
        return Near::Other;
    }
    let letters = both(here, |lane| within(lane | 0x20, b'a', 26));
    let token = letters | both(here, |lane| within(lane, b'-', 3));
    let starts = long(token) & letters & !(letters << 1);
    if names(here) || has_key(starts as u64, before) { Near::Keyed } else { Near::Words }
}

/// Whether a key may begin at one of the last bytes, a bit each.
#[inline(always)]
fn has_key(mut starts: u64, before: &[u8]) -> bool {
    while starts != 0 {
        let back = starts.leading_zeros() as usize;
        // What begins in the last bytes is not all here.
        if may_begin_key(before.get(before.len().saturating_sub(back + 1)..).unwrap_or_default(), false) {
            return true;
        }
        starts &= !(1 << (u64::BITS - 1)) >> back;
    }
    false
}

/// The bits of a class in both blocks.
#[inline(always)]
fn both<S: Simd, M: SimdMask<S>>(here: [Lanes<S>; 2], class: impl Fn(Lanes<S>) -> M) -> u128 {
    let [before, after] = here.map(|lane| u128::from(class(lane).to_bitmask()));
    before | after << BLOCK
}

/// The block that a stretch ends with, filled up with zeros where that begins.
#[inline(always)]
fn last<S: Simd>(simd: S, bytes: &[u8]) -> Lanes<S> {
    if let Some(block) = bytes.last_chunk() {
        return lanes(simd, block);
    }
    let mut block = [0; BLOCK];
    if let Some(place) = block.get_mut(BLOCK - bytes.len()..) {
        place.copy_from_slice(bytes);
    }
    lanes(simd, &block)
}

/// What is followed by [`WORD`] bytes of the class, itself counted.
#[inline(always)]
fn long(class: u128) -> u128 {
    const _: () = assert!(WORD == 16 + 4);
    let twice = |bits: u128, by: u32| bits & bits >> by;
    let four = twice(twice(class, 1), 2);
    twice(twice(four, 4), 8) & four >> 16
}

/// Whether some letters stand in a row that the literals of the prefilter have.
#[inline(always)]
fn names<S: Simd>(here: [Lanes<S>; 2]) -> bool {
    let of = |byte: u8| both(here, |lane| is(lane | 0x20, byte));
    let [a, b, d, e, g, n, p, s, u, w] = [b'a', b'b', b'd', b'e', b'g', b'n', b'p', b's', b'u', b'w'].map(of);
    let (colon, slash, dash) = (of(b':'), of(b'/'), of(b'-'));
    let pairs = p & w >> 1 | colon & slash >> 1 | dash & u >> 1;
    let triples = (p | b) & a >> 1 & s >> 2 | b & e >> 1 & g >> 2 | d & e >> 1 & n >> 2;
    pairs | triples != 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::detect::LITERALS;

    fn is_word(byte: u8) -> bool {
        byte.is_ascii_alphabetic() || b" .,:;!?'\"()-/".contains(&byte)
    }

    #[test]
    fn words_are_told_wherever_the_seam_is() {
        for byte in 0..=127_u8 {
            let expected = if is_word(byte) { Near::Words } else { Near::Other };
            let text = [[b' '; 70].as_slice(), &[byte], &[b' '; 70]].concat();
            let text = String::from_utf8(text).unwrap();
            for at in 8..text.len() - 7 {
                let (before, after) = text.split_at(at);
                let seen = before.len().saturating_sub(BLOCK) <= 70 && 70 < at + BLOCK;
                let expected = if seen { expected } else { Near::Words };
                assert_eq!(near(before, after), expected, "{byte} at {at}");
            }
        }
        for (before, after, expected) in [
            ("a", "", Near::Words),
            ("é", "x", Near::Other),
            ("x", "é", Near::Other),
            ("the night shift", "It could not be", Near::Words),
        ] {
            assert_eq!(near(before, after), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn no_literal_of_words_is_missed() {
        let words = LITERALS.iter().filter(|(text, _)| text.bytes().all(is_word));
        assert!(words.clone().count() > 10);
        for (literal, _) in words {
            let text = format!("{}{literal}{}", " x".repeat(40), ", y".repeat(40));
            for at in 80 + literal.len() - BLOCK..=80 {
                let (before, after) = text.split_at(at);
                assert_eq!(near(before, after), Near::Keyed, "{literal} at {at}");
                let (before, after) = text.split_at(at + BLOCK.min(120));
                assert_eq!(near(before, after), Near::Keyed, "{literal} before {at}");
            }
        }
    }

    #[test]
    fn keys_that_begin_before_the_seam_are_told() {
        for length in 4..40 {
            let word = format!("AKIA{}", "Qb-/x".repeat(9).get(..length - 4).unwrap());
            let text = format!("{}{word}{}", ". ".repeat(40), " .".repeat(40));
            for at in 81..=80 + length {
                let (before, after) = text.split_at(at);
                assert_eq!(near(before, after) == Near::Keyed, length >= WORD, "{length} at {at}");
            }
            let (before, after) = text.split_at(80);
            assert_eq!(near(before, after), Near::Words, "{length}: one of the second text alone");
        }
        assert_eq!(near("INFOWARNINFOINFOWARNINFOWARN", "INFO"), Near::Words, "no key begins so");
        let far = format!("AKIA{}", "Q".repeat(BLOCK - 4));
        assert_eq!(near(&far, "x"), Near::Keyed);
        assert_eq!(near(&format!("{far}Q"), "x"), Near::Words, "it begins too far away");
    }
}
