//! Finds the few places worth a detector's look, at the speed of the machine's vector units.
//!
//! Every match contains a clue: an `@`, digits in a row or in groups, the start of a long word, or one of a few
//! literals such as `://`. Two passes look for them: one that classifies the bytes of a block at once and finds clues by
//! shifts of the bits that this gives, and a packed multi-literal search (Teddy, of the aho-corasick crate), fast as long as
//! its literals are few.
//! Keys with a prefix of their own, however many formats there are, need no literal: they begin long words.

mod block;
#[cfg(test)]
mod density;

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use fearless_simd::{Level, Simd, dispatch};

pub(crate) use block::WORD;
pub(crate) use block::in_word;
use block::{Around, BLOCK, Kinds, Signs, Unseen};

use crate::context::REACH;
use crate::detect::{LITERALS, Literal, may_begin_key, may_go_on, small_lead};
use crate::lanes::{Lanes, lanes, lanes_at};
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
    /// The first digit of what may be a hardware address.
    pub(crate) const HARDWARE: Sign = Sign(128);

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

/// Runs of digits that are longer need not be measured further.
const MOST_DIGITS: usize = 20;

/// What is found by its digits.
static NUMBERS: LazyLock<DetectorSet> = LazyLock::new(|| DetectorSet::PII.difference(Group::Contact.set()));

/// What a set of detectors needs looked for.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Prefilter {
    at: bool,
    numbers: bool,
    words: bool,
    literals: bool,
    /// Addresses of IP are wanted: they have colons, or single digits with dots between.
    addresses: bool,
    /// Hardware addresses are.
    hardware: bool,
    /// Places on earth are: they are decimals.
    decimals: bool,
    /// Words that are not in the text itself may say what is in it.
    headed: bool,
}

impl Prefilter {
    pub(crate) fn new(wanted: DetectorSet) -> Self {
        let addresses = wanted.contains(Detector::IpAddress);
        let secrets = wanted.intersects(DetectorSet::SECRETS);
        let numbers = wanted.intersects(*NUMBERS);
        Prefilter {
            at: wanted.contains(Detector::Email),
            numbers: addresses || numbers || wanted.contains(Detector::Phone) || wanted.contains(Detector::Geo),
            // Wallets are long words, too.
            words: secrets || wanted.contains(Detector::CryptoWallet),
            literals: secrets,
            addresses,
            hardware: wanted.contains(Detector::MacAddress),
            decimals: wanted.contains(Detector::Geo),
            headed: true,
        }
    }

    /// The same for content of which only its own words say what is in it, or not.
    pub(crate) fn headed(self, headed: bool) -> Self {
        Prefilter { headed, ..self }
    }

    /// Lists the clues of `bytes` from `from` on, in order. What began before `from` is not listed. Unless this is the
    /// `end`, what has not arrived counts as going on with the word that the bytes end in.
    pub(crate) fn list(self, bytes: &[u8], from: usize, end: bool, anchors: &mut Vec<Anchor>) {
        anchors.clear();
        if self.at || self.numbers || self.words || self.hardware {
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
        if self.may_begin_clue(bytes, from, (from + NEAR).min(bytes.len()), end) {
            let signs = dispatch!(Level::new(), simd => {
                let here = lanes_at(simd, bytes, from);
                let kinds = [kinds_before(simd, bytes, from), self.kinds(here, bytes, from, end)];
                self.signs(simd, here, bytes, from, kinds, end).signs
            });
            self.locate(bytes, from, end, signs.below(NEAR), anchors);
        }
    }

    /// Whether a clue but a literal may begin between two positions: behind most masks none does.
    fn may_begin_clue(self, bytes: &[u8], from: usize, to: usize, end: bool) -> bool {
        let long = |at: usize| {
            let word = bytes.get(at..).unwrap_or_default().iter().take(WORD);
            let length = word.take_while(|byte| in_word(**byte)).count();
            length == WORD || !end && at + length == bytes.len()
        };
        (from..to).any(|at| match bytes.get(at) {
            Some(b'@' | b':' | b'+' | b'0'..=b'9') => true,
            Some(byte) => in_word(*byte) && (long(at) || self.hardware && byte.is_ascii_hexdigit()),
            None => false,
        })
    }

    fn list_signs(self, bytes: &[u8], from: usize, end: bool, anchors: &mut Vec<Anchor>) {
        dispatch!(Level::new(), simd => self.list_blocks(simd, bytes, from, end, anchors));
    }

    #[inline(always)]
    fn list_blocks<S: Simd>(self, simd: S, bytes: &[u8], from: usize, end: bool, anchors: &mut Vec<Anchor>) {
        if from >= bytes.len() {
            return;
        }
        let mut here = lanes_at(simd, bytes, from);
        let mut kinds = [kinds_before(simd, bytes, from), self.kinds(here, bytes, from, end)];
        for at in (from..bytes.len()).step_by(BLOCK) {
            let block = self.signs(simd, here, bytes, at, kinds, end);
            if block.signs.any() | block.signs.inside & 1 != 0 {
                self.locate(bytes, at, end, block.signs, anchors);
            }
            (here, kinds) = (block.next, [kinds[1], block.after]);
        }
    }

    /// The kinds of the bytes of a block at a position.
    #[inline(always)]
    fn kinds<S: Simd>(self, lane: Lanes<S>, bytes: &[u8], at: usize, end: bool) -> Kinds {
        Kinds::of(lane).open_from(bytes.len().saturating_sub(at), !end)
    }

    /// What the block at a position tells, given the kinds of its bytes and of those before it.
    #[inline(always)]
    fn signs<S: Simd>(self, simd: S, here: Lanes<S>, bytes: &[u8], at: usize, kinds: [Kinds; 2], end: bool) -> Told<S> {
        let next = lanes_at(simd, bytes, at + BLOCK);
        let after = self.kinds(next, bytes, at + BLOCK, end);
        let before = at.checked_sub(1).and_then(|last| bytes.get(last)).copied().unwrap_or(0);
        let unseen = if end { Unseen::default() } else { Unseen::from(bytes.len() - at) };
        let around = Around { before, here, next, unseen };
        let signs = around.signs([kinds[0], kinds[1], after], self.addresses, self.hardware);
        Told { signs, next, after }
    }

    /// Lists the clues that begin in the block at `at`.
    #[inline(never)]
    fn locate(self, bytes: &[u8], at: usize, end: bool, mut signs: Signs, anchors: &mut Vec<Anchor>) {
        if !self.at {
            signs.at = 0;
        }
        if !self.numbers {
            (signs.plus, signs.digits, signs.groups, signs.colons) = (0, 0, 0, 0);
        }
        if self.words {
            // What has not arrived begins nothing.
            signs.words &= u64::MAX >> (BLOCK - (bytes.len() - at).min(BLOCK));
            signs.starts |= after_escapes(bytes, at, signs);
        } else {
            (signs.starts, signs.words) = (0, 0);
        }
        let mut clues = signs.any();
        while clues != 0 {
            let bit = clues.trailing_zeros();
            clues &= clues - 1;
            let position = at + bit as usize;
            let rest = bytes.get(position..).unwrap_or_default();
            let sign = |mask: u64, sign: Sign| if mask >> bit & 1 == 1 { sign.0 } else { 0 };
            let mut found = sign(signs.at, Sign::AT)
                | sign(signs.plus, Sign::PLUS)
                | sign(signs.digits, Sign::DIGITS)
                | sign(signs.groups, Sign::GROUPS)
                | sign(signs.words, Sign::WORD)
                | sign(signs.colons, Sign::COLON)
                | sign(signs.hardware, Sign::HARDWARE);
            let number = found == Sign::DIGITS.0 || found == Sign::GROUPS.0;
            if number {
                let whole = signs.digits_at(bit).min(MOST_DIGITS);
                let run = |position: usize| match u32::try_from(position - at) {
                    Ok(bit @ 0..u64::BITS) => signs.digits_at(bit).min(MOST_DIGITS),
                    _ => digits(bytes.get(position..).unwrap_or_default()),
                };
                if is_part(bytes, position, whole) || self.is_none(bytes, position, whole, run) {
                    found = 0;
                }
            }
            if signs.starts >> bit & 1 == 1 && may_begin_key(rest, end) {
                found |= Sign::KEY.0;
            }
            if found != 0 {
                anchors.push(Anchor { at: position, clue: Clue::Signs(Sign(found)) });
            }
        }
    }
}

/// The signs of a block, and what the next one has.
struct Told<S: Simd> {
    signs: Signs,
    next: Lanes<S>,
    after: Kinds,
}

/// The kinds of the bytes up to `at`, with what is no clue before them.
#[inline(always)]
fn kinds_before<S: Simd>(simd: S, bytes: &[u8], at: usize) -> Kinds {
    let before = bytes.get(..at).unwrap_or_default();
    if let Some(block) = before.last_chunk() {
        return Kinds::of(lanes(simd, block));
    }
    let mut block = [0; BLOCK];
    for (slot, byte) in block.iter_mut().rev().zip(before.iter().rev()) {
        *slot = *byte;
    }
    Kinds::of(lanes(simd, &block))
}

/// The length of the run of digits that a stretch begins with, as far as it matters.
fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take(MOST_DIGITS).take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether so many digits at `position` are part of a word or of a decimal number, in which nothing is found by them: most digits
/// of hashes, ids and tables are.
fn is_part(bytes: &[u8], position: usize, digits: usize) -> bool {
    let rest = bytes.get(position..).unwrap_or_default();
    let Some(after) = rest.get(digits) else { return false };
    // No kind has a small letter behind its first group, but where somebody wrote its last one so.
    if after.is_ascii_lowercase() && !may_go_on(digits, *after, rest.get(digits + 1).copied()) {
        return true;
    }
    match position.checked_sub(2).and_then(|from| bytes.get(from..position)) {
        // The day of a date that begins with its year, and of which a capital follows, that of a time: digits before it were asked.
        Some([b'0'..=b'9', b'-']) => {
            let before = position.checked_sub(8).and_then(|from| bytes.get(from..position));
            digits == 2
                && matches!(before, Some([a, b, c, d, b'-', e, f, b'-']) if [a, b, c, d, e, f].into_iter().all(u8::is_ascii_digit))
        }
        // Behind the point: the year of a date, or the seven digits in a line of a passport.
        Some([b'0'..=b'9', b'.']) => digits != 4 && !(digits == 7 && matches!(after, b'M' | b'F' | b'X' | b'<')),
        // The letter of an escape that stayed in the content is none of the word.
        Some([b'\\', b'n' | b'r' | b't']) => false,
        Some([_, b'a'..=b'z']) => small_lead(bytes.get(..position).unwrap_or_default(), digits).is_none(),
        _ => false,
    }
}

impl Prefilter {
    /// Whether the number at `position` is a decimal, or an element of a list, of which nothing says that it is anything: of
    /// such there are a thousand in every vector. `run` tells how many digits there are from a position on.
    #[inline]
    fn is_none(self, bytes: &[u8], position: usize, whole: usize, run: impl Fn(usize) -> usize) -> bool {
        let rest = bytes.get(position..).unwrap_or_default();
        if let Some([b'.', fraction @ ..]) = rest.get(whole..) {
            let length = run(position + whole + 1);
            let goes_on = |byte: u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-'..=b'/' | b'(' | b')');
            let ends = length > 0 && fraction.get(length).is_some_and(|byte| !goes_on(*byte));
            let after = (fraction.get(length).copied(), fraction.get(length + 1).copied());
            if ends && is_float(whole, fraction.get(..length).unwrap_or_default(), after) {
                return false;
            }
            // It may be a telephone's where it is called so, and where nothing goes on behind it.
            let joined = after.0.is_some_and(|byte| byte.is_ascii_alphanumeric() && !matches!(byte, b'e' | b'E'));
            let may_be_phone = !joined && (7..=13).contains(&(whole + length));
            return ends && !self.decimals && (!may_be_phone || self.is_quiet(bytes, position));
        }
        let listed = matches!(rest.get(whole), Some(b',' | b']' | b'\n'))
            && matches!(position.checked_sub(1).and_then(|last| bytes.get(last)), Some(b',' | b'[' | b'\n'));
        // Numbers of these lengths in one run need a word, whatever their check digits are.
        listed && matches!(whole, 1..=10 | 12) && self.is_quiet(bytes, position)
    }

    /// Whether no word and no key is near enough before a place to say what is there.
    fn is_quiet(self, bytes: &[u8], position: usize) -> bool {
        let before = bytes.get(position.saturating_sub(REACH + 2)..position).unwrap_or_default();
        let says = |byte: &u8| byte.is_ascii_alphabetic() | !byte.is_ascii() | (*byte == b'"');
        !self.headed && !before.iter().fold(false, |any, byte| any | says(byte))
    }
}

/// Whether a decimal may be a long number that was taken for a float: what is behind the point are zeros, or its digits and an
/// exponent, of which the next two bytes are given.
#[inline]
fn is_float(whole: usize, fraction: &[u8], after: (Option<u8>, Option<u8>)) -> bool {
    let exponent = matches!(after.0, Some(b'e' | b'E'));
    match whole {
        1 => fraction.len() > 10 && exponent && after.1 != Some(b'-'),
        _ if exponent => whole + fraction.len() > 11,
        13.. => fraction.iter().all(|digit| *digit == b'0'),
        _ => false,
    }
}

/// A key may begin after the letter of an escape that stayed in the content: `\nghp_`, as in JSON within text.
fn after_escapes(bytes: &[u8], at: usize, signs: Signs) -> u64 {
    let escape = |letter: usize| {
        let pair = letter.checked_sub(1).and_then(|from| bytes.get(from..=letter));
        matches!(pair, Some([b'\\', b'n' | b'r' | b't']))
    };
    let mut found = u64::from(at.checked_sub(1).is_some_and(escape)) & signs.inside;
    let mut left = signs.words;
    while left != 0 {
        let bit = left & left.wrapping_neg();
        left ^= bit;
        if escape(at + bit.trailing_zeros() as usize) {
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

    /// What is asked of a few bytes alone is what all bytes from there on tell of them.
    #[test]
    fn clues_near_a_place_are_those_of_the_whole_list() {
        let mut seed = 5_u32;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        let asked = DetectorSet::ALL.with(Detector::IpAddress).with(Detector::MacAddress);
        let filters = [Prefilter::new(DetectorSet::ALL), Prefilter::new(asked)];
        let mut some = 0;
        for round in 0..20_000 {
            let (words, filter) = (round % 40, filters[round % 2]);
            let text: Vec<u8> = (0..random(160))
                .map(|_| if random(40) < words { b"anGH0139_-"[random(10)] } else { b" ,:@+]:-\\"[random(9)] })
                .collect();
            let (from, end) = (random(text.len() + 1), random(2) == 0);
            let (mut near, mut all) = (Vec::new(), Vec::new());
            filter.list_near(&text, from, end, &mut near);
            filter.list(&text, from, end, &mut all);
            // Behind an escape there may be one more.
            near.retain(|anchor| anchor.at < from + 3);
            all.retain(|anchor| anchor.at < from + 3 && matches!(anchor.clue, Clue::Signs(_)));
            assert_eq!(near, all, "{:?} from {from}", String::from_utf8_lossy(&text));
            some += usize::from(!near.is_empty());
        }
        assert!(some > 1000, "{some}");
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
