//! Finds the few places worth a detector's look, at the speed of the machine's vector units.
//!
//! Every match contains a clue: an `@`, digits in a row or in groups, the start of a long word, or one of a few
//! literals such as `://`. Two passes look for them: branch-free loops over blocks, which compilers turn into vector
//! code, and a packed multi-literal search (Teddy, of the aho-corasick crate), fast as long as its literals are few.
//! Keys with a prefix of their own, however many formats there are, need no literal: they begin long words.

mod block;

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

pub(crate) use block::WORD;
pub(crate) use block::in_word;
use block::{BLOCK, Signs, WINDOW, hot};

use crate::detect::{LITERALS, Literal, may_begin_key};
use crate::{Detector, DetectorSet, Group};

/// What points to a possible match.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Clue {
    /// What begins at the byte.
    Signs(Sign),
    /// The last byte of a literal: what begins inside of one comes before it.
    Literal(Literal),
}

/// What may begin at a byte, one bit each.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Sign(u8);

impl Sign {
    /// An `@`.
    pub(crate) const AT: Sign = Sign(1);
    /// A `+` before a digit.
    pub(crate) const PLUS: Sign = Sign(2);
    /// The first of at least four digits.
    pub(crate) const DIGITS: Sign = Sign(4);
    /// The first of one to three digits with more digits near.
    pub(crate) const GROUPS: Sign = Sign(8);
    /// A key may begin here: a letter or digit after something else.
    pub(crate) const KEY: Sign = Sign(16);
    /// A long word begins here.
    pub(crate) const WORD: Sign = Sign(32);
    /// A colon with hexadecimal digits around it.
    pub(crate) const COLON: Sign = Sign(64);

    pub(crate) fn has(self, other: Sign) -> bool {
        self.0 & other.0 != 0
    }
}

/// A clue and its position.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Anchor {
    pub(crate) at: usize,
    pub(crate) clue: Clue,
}

impl Anchor {
    /// Whether this one says of its place all that the other one does.
    pub(crate) fn replaces(self, other: Anchor) -> bool {
        matches!((self.clue, other.clue), (Clue::Signs(_), Clue::Signs(_)))
    }

    /// The anchor after the bytes before it became so many more or fewer; `None` where it is gone.
    pub(crate) fn moved(self, by: isize) -> Option<Anchor> {
        self.at.checked_add_signed(by).map(|at| Anchor { at, ..self })
    }
}

static SEARCHER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    // Building fails only beyond limits that a table of constants does not come near; a test holds that.
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(LITERALS.iter().map(|(text, _)| text)).ok()
});

/// What a set of detectors needs looked for.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Prefilter {
    at: bool,
    numbers: bool,
    words: bool,
    literals: bool,
    /// Every block is looked at: what is wanted may be short.
    all: bool,
}

impl Prefilter {
    pub(crate) fn new(wanted: DetectorSet) -> Self {
        let all = wanted.contains(Detector::IpAddress) || wanted.contains(Detector::Geo);
        let secrets = wanted.intersects(DetectorSet::SECRETS);
        let numbers = wanted.intersects(DetectorSet::PII.difference(Group::Contact.set()));
        Prefilter {
            at: wanted.contains(Detector::Email),
            numbers: all || numbers || wanted.contains(Detector::Phone),
            words: secrets,
            literals: secrets,
            all,
        }
    }

    /// Lists the clues of `bytes` from `from` on, in order. What began before `from` is not listed. Unless this is the
    /// `end`, what has not arrived counts as going on with the word that the bytes end in.
    pub(crate) fn list(self, bytes: &[u8], from: usize, end: bool, anchors: &mut Vec<Anchor>) {
        anchors.clear();
        if self.at || self.numbers || self.words {
            self.list_signs(bytes, from, end, anchors);
        }
        if !self.literals {
            return;
        }
        let (Some(searcher), Some(rest)) = (SEARCHER.as_ref(), bytes.get(from..)) else {
            return;
        };
        let signs = anchors.len();
        for found in searcher.find_iter(rest) {
            if let Some((_, literal)) = LITERALS.get(found.pattern().as_usize()) {
                anchors.push(Anchor { at: from + found.end() - 1, clue: Clue::Literal(*literal) });
            }
        }
        if signs > 0 && anchors.len() > signs {
            anchors.sort_by_key(|anchor| anchor.at);
        }
    }

    /// Lists the clues that begin at one of the few bytes from `from` on, for which those before it count.
    pub(crate) fn list_near(self, bytes: &[u8], from: usize, end: bool, anchors: &mut Vec<Anchor>) {
        /// The bytes before a clue that count, and one.
        const NEAR: usize = 3;
        anchors.clear();
        self.locate(bytes, from, &padded(bytes.get(from..).unwrap_or_default()), end, anchors);
        anchors.retain(|anchor| anchor.at < from + NEAR);
    }

    fn list_signs(self, bytes: &[u8], from: usize, end: bool, anchors: &mut Vec<Anchor>) {
        let mut at = from;
        while let Some(window) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            if self.all || hot(window) {
                self.locate(bytes, at, window, end, anchors);
            }
            at += BLOCK;
        }
        // The rest is shorter than a window: padded with what is no clue.
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            self.locate(bytes, at, &padded(rest), end, anchors);
            at += BLOCK;
        }
    }

    /// Lists the clues that begin in the block at `at`.
    fn locate(self, bytes: &[u8], at: usize, window: &[u8; WINDOW], end: bool, anchors: &mut Vec<Anchor>) {
        let byte = |back: usize| at.checked_sub(back).and_then(|position| bytes.get(position)).copied().unwrap_or(0);
        let before = [byte(2), byte(1)];
        let seen = bytes.len().saturating_sub(at).min(WINDOW);
        let mut signs = Signs::of(before, window, seen, !end);
        if self.all {
            signs = signs.with_colons(before, window);
        }
        if !self.at {
            signs.at = 0;
        }
        if !self.numbers {
            (signs.plus, signs.digits, signs.groups, signs.colons) = (0, 0, 0, 0);
        }
        if !self.words {
            (signs.starts, signs.words) = (0, 0);
        }
        if self.words {
            signs.starts |= after_escapes(before, window, signs);
        }
        let mut clues = signs.any();
        while clues != 0 {
            let bit = clues & clues.wrapping_neg();
            clues ^= bit;
            let position = at + bit.trailing_zeros() as usize;
            let mut sign = 0;
            for (mask, meaning) in [
                (signs.at, Sign::AT),
                (signs.plus, Sign::PLUS),
                (signs.digits, Sign::DIGITS),
                (signs.groups, Sign::GROUPS),
                (signs.words, Sign::WORD),
                (signs.colons, Sign::COLON),
            ] {
                sign |= if mask & bit == 0 { 0 } else { meaning.0 };
            }
            if signs.starts & bit != 0 && may_begin_key(bytes.get(position..).unwrap_or_default(), end) {
                sign |= Sign::KEY.0;
            }
            if sign != 0 {
                anchors.push(Anchor { at: position, clue: Clue::Signs(Sign(sign)) });
            }
        }
    }
}

/// A window over the start of `bytes`, filled up with what is no clue.
fn padded(bytes: &[u8]) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    for (slot, byte) in window.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    window
}

/// A key may begin after the letter of an escape that stayed in the content: `\nghp_`, as in JSON within text.
fn after_escapes(before: [u8; 2], window: &[u8; WINDOW], signs: Signs) -> u64 {
    let escape = matches!(before, [b'\\', b'n' | b'r' | b't']);
    let (mut found, mut left) = (u64::from(escape) & signs.inside, signs.words);
    while left != 0 {
        let bit = left & left.wrapping_neg();
        left ^= bit;
        let at = bit.trailing_zeros() as usize;
        let previous = match at.checked_sub(1) {
            Some(previous) => window.get(previous).copied(),
            None => before.last().copied(),
        };
        if previous == Some(b'\\') && matches!(window.get(at), Some(b'n' | b'r' | b't')) {
            found |= bit << 1;
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn list(bytes: &[u8]) -> Vec<Anchor> {
        let mut anchors = Vec::new();
        Prefilter::new(DetectorSet::ALL).list(bytes, 0, true, &mut anchors);
        anchors
    }

    #[test]
    fn the_literals_build() {
        assert!(SEARCHER.is_some());
    }

    #[test]
    fn clues_are_found_at_every_alignment() {
        let token = "ghp_".to_owned() + &"a1".repeat(20);
        for lead in 0..200 {
            let text = format!("{}1234 @ {token} 99 12345 BEGIN +4", ",".repeat(lead));
            let found: Vec<(usize, Clue)> = list(text.as_bytes()).into_iter().map(|a| (a.at - lead, a.clue)).collect();
            let has = |at: usize, sign: Sign| {
                found.iter().any(|(a, clue)| *a == at && matches!(clue, Clue::Signs(s) if s.has(sign)))
            };
            assert!(
                has(0, Sign::DIGITS) && has(5, Sign::AT) && has(7, Sign::KEY) && has(7, Sign::WORD),
                "{lead}: {found:?}"
            );
            assert!(has(52, Sign::GROUPS) && has(55, Sign::DIGITS) && has(67, Sign::PLUS), "{lead}: {found:?}");
            assert!(found.iter().any(|(at, clue)| *at == 66 && matches!(clue, Clue::Literal(_))), "{lead}: {found:?}");
        }
    }

    #[test]
    fn a_long_run_is_one_clue() {
        assert_eq!(list("7".repeat(10_000).as_bytes()).len(), 1);
        assert_eq!(list("g".repeat(10_000).as_bytes()).len(), 1);
    }

    #[test]
    fn what_has_not_arrived_may_go_on() {
        let listed = |end| {
            let mut anchors = Vec::new();
            Prefilter::new(DetectorSet::ALL).list(b"see ghp_a", 0, end, &mut anchors);
            anchors.len()
        };
        assert_eq!((listed(false), listed(true)), (2, 0));
    }
}
