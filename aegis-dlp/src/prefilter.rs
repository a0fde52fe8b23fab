//! Finds the few places worth a detector's look, at the speed of the machine's vector units.
//!
//! Every match contains a clue: an `@`, a run of at least four digits, or a literal such as `ghp_`. Two
//! passes look for them: a branch-free loop over blocks for digits and `@`, which compilers turn into
//! vector code, and a packed multi-literal search (Teddy, of the aho-corasick crate).

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::detect::{Literal, literals};
use crate::{Detector, DetectorSet};

/// Bytes tested at once.
const BLOCK: usize = 64;
/// A block and what of the next one is looked at.
const WINDOW: usize = BLOCK + 8;

/// What points to a possible match.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Clue {
    /// An `@`.
    At,
    /// The first of at least four digits.
    Digits,
    /// The first byte of a literal.
    Literal(Literal),
}

/// A clue and its position.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Anchor {
    pub(crate) at: usize,
    pub(crate) clue: Clue,
}

impl Anchor {
    /// The anchor after the bytes before it became so many more or fewer; `None` where it is gone.
    pub(crate) fn moved(self, by: isize) -> Option<Anchor> {
        self.at.checked_add_signed(by).map(|at| Anchor { at, ..self })
    }
}

static LITERALS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    // Building fails only beyond limits that a table of constants does not come near; a test holds that.
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(literals().map(|(text, _)| text)).ok()
});

/// What a set of detectors needs looked for.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Prefilter {
    at: bool,
    digits: bool,
    literals: bool,
}

impl Prefilter {
    pub(crate) fn new(wanted: DetectorSet) -> Self {
        let numbers = [Detector::Ssn, Detector::DateOfBirth, Detector::PaymentCard];
        Prefilter {
            at: wanted.contains(Detector::Email),
            digits: wanted.intersects(numbers.into_iter().collect()),
            literals: wanted.intersects(DetectorSet::SECRETS),
        }
    }

    /// Lists the clues of `bytes` from `from` on, in order. A run of digits that began before `from` is
    /// not listed.
    pub(crate) fn list(self, bytes: &[u8], from: usize, anchors: &mut Vec<Anchor>) {
        anchors.clear();
        if self.at || self.digits {
            self.list_bytes(bytes, from, anchors);
        }
        if !self.literals {
            return;
        }
        let (Some(searcher), Some(rest)) = (LITERALS.as_ref(), bytes.get(from..)) else {
            return;
        };
        let numbers = anchors.len();
        for found in searcher.find_iter(rest) {
            if let Some((_, literal)) = literals().nth(found.pattern().as_usize()) {
                anchors.push(Anchor { at: from + found.start(), clue: Clue::Literal(literal) });
            }
        }
        if numbers > 0 && anchors.len() > numbers {
            anchors.sort_by_key(|anchor| anchor.at);
        }
    }

    fn list_bytes(self, bytes: &[u8], from: usize, anchors: &mut Vec<Anchor>) {
        let mut at = from;
        while let Some(window) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            if hot(window) {
                self.locate(bytes, at, window, anchors);
            }
            at += BLOCK;
        }
        // The rest is shorter than a window: padded with what is no clue.
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let mut window = [0; WINDOW];
            for (slot, byte) in window.iter_mut().zip(rest) {
                *slot = *byte;
            }
            self.locate(bytes, at, &window, anchors);
            at += BLOCK;
        }
    }

    /// Lists the clues that begin in the block at `at`.
    fn locate(self, bytes: &[u8], at: usize, window: &[u8; WINDOW], anchors: &mut Vec<Anchor>) {
        let [words @ .., next] = window.as_chunks::<8>().0 else { return };
        let (mut digits, mut signs) = (0, 0);
        for (number, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            digits |= high_bits(digit_bytes(word)) << (number * 8);
            signs |= high_bits(zero_bytes(word ^ AT)) << (number * 8);
        }
        let next = high_bits(digit_bytes(u64::from_le_bytes(*next)));
        let later = |by: u32| digits >> by | next << (BLOCK as u32 - by);
        let previous = at.checked_sub(1).and_then(|p| bytes.get(p)).is_some_and(u8::is_ascii_digit);
        let starts = digits & later(1) & later(2) & later(3) & !(digits << 1 | u64::from(previous));
        let mut clues = if self.digits { starts } else { 0 } | if self.at { signs } else { 0 };
        while clues != 0 {
            let bit = clues & clues.wrapping_neg();
            let clue = if signs & bit == 0 { Clue::Digits } else { Clue::At };
            anchors.push(Anchor { at: at + bit.trailing_zeros() as usize, clue });
            clues ^= bit;
        }
    }
}

const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
const AT: u64 = u64::from_le_bytes([b'@'; 8]);

/// The high bit of each byte that is a digit, all others clear.
fn digit_bytes(word: u64) -> u64 {
    let value = word ^ u64::from_le_bytes([b'0'; 8]);
    // Adding 0x76 to seven bits carries into the eighth from ten on, and never into the next byte.
    let beyond = (value & LOW) + u64::from_le_bytes([0x80 - 10; 8]);
    !(beyond | value) & !LOW
}

/// The high bit of each byte that is zero, all others clear.
fn zero_bytes(word: u64) -> u64 {
    !(((word & LOW) + LOW) | word) & !LOW
}

/// The high bits of eight bytes, side by side.
fn high_bits(bytes: u64) -> u64 {
    (bytes >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Whether an `@` or a run of four digits begins in the block at the start of the window. It has no
/// branches, so that it compiles to vector code.
#[allow(clippy::needless_range_loop, reason = "four overlapping loads from constant bounds are what vectorises")]
fn hot(window: &[u8; WINDOW]) -> bool {
    let value = |position: usize| window[position].wrapping_sub(b'0');
    let mut any = 0;
    for position in 0..BLOCK {
        let largest = value(position).max(value(position + 1)).max(value(position + 2)).max(value(position + 3));
        any |= u8::from(largest < 10) | u8::from(window[position] == b'@');
    }
    any != 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn list(bytes: &[u8]) -> Vec<Anchor> {
        let mut anchors = Vec::new();
        Prefilter::new(DetectorSet::ALL).list(bytes, 0, &mut anchors);
        anchors
    }

    #[test]
    fn the_literals_build() {
        assert!(LITERALS.is_some());
    }

    #[test]
    fn clues_are_found_at_every_alignment() {
        for lead in 0..200 {
            let text = format!("{}1234 @ ghp_ 99 12345", ".".repeat(lead));
            let found = list(text.as_bytes());
            assert_eq!(found.len(), 4, "{lead}: {found:?}");
            assert_eq!(found[0], Anchor { at: lead, clue: Clue::Digits });
            assert_eq!(found[1], Anchor { at: lead + 5, clue: Clue::At });
            assert!(matches!(found[2], Anchor { at, clue: Clue::Literal(_) } if at == lead + 7));
            assert_eq!(found[3], Anchor { at: lead + 15, clue: Clue::Digits });
        }
    }

    #[test]
    fn bytes_are_classified_exactly() {
        for byte in 0..=255_u8 {
            let word = u64::from_le_bytes([b'x', byte, 0xff, byte, b'0', byte, byte, 0]);
            let expect = |is: bool, rest: u64| if is { 0b0110_1010 | rest } else { rest };
            assert_eq!(high_bits(digit_bytes(word)), expect(byte.is_ascii_digit(), 0b1_0000), "{byte}");
            assert_eq!(high_bits(zero_bytes(word)), expect(byte == 0, 0b1000_0000), "{byte}");
        }
    }

    #[test]
    fn a_long_run_of_digits_is_one_clue() {
        assert_eq!(list("7".repeat(10_000).as_bytes()).len(), 1);
    }
}
