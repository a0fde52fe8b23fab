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
/// The shortest run of digits that every number of interest contains.
const RUN: usize = 4;

/// What points to a possible match.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Clue {
    /// An `@`.
    At,
    /// The first of at least [`RUN`] digits.
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
        self.at
            .checked_add_signed(by)
            .map(|at| Anchor { at, ..self })
    }
}

static LITERALS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    // Building fails only beyond limits that a table of constants does not come near; a test holds that.
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(literals().map(|(text, _)| text))
        .ok()
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
                anchors.push(Anchor {
                    at: from + found.start(),
                    clue: Clue::Literal(literal),
                });
            }
        }
        if numbers > 0 && anchors.len() > numbers {
            anchors.sort_by_key(|anchor| anchor.at);
        }
    }

    fn list_bytes(self, bytes: &[u8], from: usize, anchors: &mut Vec<Anchor>) {
        let mut at = from;
        while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            if hot(block) {
                self.locate(bytes, at, at + BLOCK, anchors);
            }
            at += BLOCK;
        }
        self.locate(bytes, at, bytes.len(), anchors);
    }

    /// Lists the clues that begin between two positions.
    fn locate(self, bytes: &[u8], from: usize, to: usize, anchors: &mut Vec<Anchor>) {
        let mut at = from;
        while let Some(&byte) = bytes.get(at).filter(|_| at < to) {
            if !byte.is_ascii_digit() {
                if byte == b'@' && self.at {
                    anchors.push(Anchor { at, clue: Clue::At });
                }
                at += 1;
                continue;
            }
            // What lies beyond `to` matters only up to the length of interest.
            let stop = to.max(at + RUN).min(bytes.len());
            let inside = bytes.get(at..stop).unwrap_or_default();
            let run = inside
                .iter()
                .position(|b| !b.is_ascii_digit())
                .unwrap_or(inside.len());
            let previous = at.checked_sub(1).and_then(|p| bytes.get(p));
            if run >= RUN && self.digits && !previous.is_some_and(u8::is_ascii_digit) {
                anchors.push(Anchor {
                    at,
                    clue: Clue::Digits,
                });
            }
            at += run;
        }
    }
}

/// Whether an `@` or a run of four digits begins in the block (three bytes of the next one looked at).
fn hot(window: &[u8; BLOCK + RUN - 1]) -> bool {
    let value = |position: usize| window[position].wrapping_sub(b'0');
    let mut any = 0;
    for position in 0..BLOCK {
        let largest = value(position)
            .max(value(position + 1))
            .max(value(position + 2))
            .max(value(position + 3));
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
            assert_eq!(
                found[0],
                Anchor {
                    at: lead,
                    clue: Clue::Digits
                }
            );
            assert_eq!(
                found[1],
                Anchor {
                    at: lead + 5,
                    clue: Clue::At
                }
            );
            assert!(matches!(found[2], Anchor { at, clue: Clue::Literal(_) } if at == lead + 7));
            assert_eq!(
                found[3],
                Anchor {
                    at: lead + 15,
                    clue: Clue::Digits
                }
            );
        }
    }

    #[test]
    fn a_long_run_of_digits_is_one_clue() {
        assert_eq!(list("7".repeat(10_000).as_bytes()).len(), 1);
    }
}
