//! A block of bytes, classified: where in it clues begin.

use fearless_simd::prelude::*;

pub(super) use crate::lanes::BLOCK;
use crate::lanes::{Lanes, is, within};

/// Words this long are looked at: no key is shorter, prefix included.
pub(crate) const WORD: usize = 20;

/// How far behind the block there is something that tells whether a clue in it is one.
pub(super) const NEAR: usize = 8;

/// What the bytes of a block are, one bit each.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Kinds {
    digit: u64,
    /// Letters and digits.
    alnum: u64,
    /// What keys, names, paths and base64 are made of.
    word: u64,
    /// `@` or `+`: they are told apart where there is one.
    mark: u64,
    colon: u64,
}

impl Kinds {
    #[inline(always)]
    pub(super) fn of<S: Simd>(lane: Lanes<S>) -> Kinds {
        let (digit, plus) = (within(lane, b'0', 10), is(lane, b'+'));
        let alnum = digit | within(lane | 0x20, b'a', 26);
        let word = alnum | plus | within(lane, b'-', 3) | is(lane, b'_') | is(lane, b'~');
        Kinds {
            digit: digit.to_bitmask(),
            alnum: alnum.to_bitmask(),
            word: word.to_bitmask(),
            mark: (plus | is(lane, b'@')).to_bitmask(),
            colon: is(lane, b':').to_bitmask(),
        }
    }

    /// With the bits from `seen` on as of a word that goes on, or none.
    #[inline(always)]
    pub(super) fn open_from(self, seen: usize, open: bool) -> Kinds {
        if seen >= BLOCK {
            return self;
        }
        let beyond = u64::MAX << seen;
        Kinds { word: if open { self.word | beyond } else { self.word & !beyond }, ..self }
    }
}

/// Whether a byte may be inside a word: letters, digits and `_-+./~`.
#[inline]
pub(crate) fn in_word(byte: u8) -> bool {
    IN_WORD[usize::from(byte)]
}

static IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'~' | b'+' | b'-' | b'.' | b'/');
        at += 1;
    }
    table
};

/// Where clues begin in a block: bit N for its byte N.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Signs {
    /// `@`.
    pub(super) at: u64,
    /// `+` before a digit, at the start of a number.
    pub(super) plus: u64,
    /// The first of at least four digits.
    pub(super) digits: u64,
    /// The first of one to three digits with a group of digits behind them, or with a capital and digits; a code that
    /// begins with a digit and a capital.
    pub(super) groups: u64,
    /// The first letter or digit after something else, at least [`WORD`] bytes before the end of a word.
    pub(super) starts: u64,
    /// The first byte of a word of at least [`WORD`] bytes.
    pub(super) words: u64,
    /// At least [`WORD`] bytes before the end of a word.
    pub(super) inside: u64,
    /// The first colon of what may be an address of IPv6.
    pub(super) colons: u64,
    /// The first digit of what may be a hardware address.
    pub(super) hardware: u64,
    /// All digits of the block, and of the next one.
    pub(super) run: [u64; 2],
}

impl Signs {
    /// Those of the first bytes.
    pub(super) fn below(self, count: usize) -> Signs {
        let few = |bits: u64| bits & ((1 << count) - 1);
        Signs {
            at: few(self.at),
            plus: few(self.plus),
            digits: few(self.digits),
            groups: few(self.groups),
            starts: few(self.starts),
            words: few(self.words),
            inside: few(self.inside),
            colons: few(self.colons),
            hardware: few(self.hardware),
            run: self.run,
        }
    }

    /// How many digits in a row there are at a byte of the block; exact for fewer than half a block.
    #[inline]
    pub(super) fn digits_at(&self, bit: u32) -> usize {
        let [here, after] = self.run;
        let bits = here >> bit | (after << 1) << (u64::BITS - 1 - bit);
        bits.trailing_ones() as usize
    }

    pub(super) fn any(self) -> u64 {
        self.at | self.plus | self.digits | self.groups | self.starts | self.words | self.colons | self.hardware
    }
}

/// The bits of a class in a block, and in those before and after it.
#[derive(Copy, Clone)]
struct Row {
    before: u64,
    here: u64,
    after: u64,
}

impl Row {
    /// Bit N is of the byte that is `by` bytes before byte N, fewer than a block.
    #[inline(always)]
    fn back(self, by: u32) -> u64 {
        self.here << by | self.before >> (u64::BITS - by)
    }

    /// Bit N is of the byte that is `by` bytes after byte N, fewer than a block.
    #[inline(always)]
    fn ahead(self, by: u32) -> u64 {
        self.here >> by | self.after << (u64::BITS - by)
    }

    /// What is of the class, and `by` bytes on as well. True of the block and most of the one after it.
    #[inline(always)]
    fn twice(self, by: u32) -> Row {
        Row { before: 0, here: self.here & self.ahead(by), after: self.after & self.after >> by }
    }

    /// What is followed by [`WORD`] bytes of the class, itself counted.
    #[inline(always)]
    fn long(self) -> u64 {
        const _: () = assert!(WORD == 16 + 4);
        let four = self.twice(1).twice(2);
        four.twice(4).twice(8).here & four.ahead(16)
    }
}

/// Where two digits in a row are not far on: a single one without is no group of a number of interest, but `4.2` or a list.
#[inline(always)]
fn pair_near(digit: Row) -> u64 {
    let pair = digit.twice(1);
    (2..=7).fold(0, |near, by| near | pair.ahead(by))
}

/// A block, and what stands around it.
pub(super) struct Around<S: Simd> {
    pub(super) before: u8,
    pub(super) here: Lanes<S>,
    pub(super) next: Lanes<S>,
    /// What of the block and of the one after it has not arrived, but is to come: it may be what a clue wants near. A clue that
    /// was not listed for want of it would not be looked at any more once what begins behind it was.
    pub(super) unseen: Unseen,
}

/// The bytes that are still to come: those of a block, and of the one after it.
#[derive(Copy, Clone, Default)]
pub(super) struct Unseen {
    here: u64,
    after: u64,
}

impl Unseen {
    /// All from so many bytes behind the start of the block on.
    #[inline(always)]
    pub(super) fn from(seen: usize) -> Unseen {
        let from = |seen: usize| u64::MAX.checked_shl(seen.min(BLOCK) as u32).unwrap_or(0);
        Unseen { here: from(seen), after: from(seen.saturating_sub(BLOCK)) }
    }

    /// What may be of a class.
    #[inline(always)]
    fn or(self, row: Row) -> Row {
        Row { before: row.before, here: row.here | self.here, after: row.after | self.after }
    }
}

impl<S: Simd> Around<S> {
    /// The signs of the block, given the kinds of its bytes and of those of the blocks before and after it, and whether
    /// addresses of IP and of hardware count.
    #[inline(always)]
    pub(super) fn signs(&self, [before, here, after]: [Kinds; 3], addresses: bool, hardware: bool) -> Signs {
        // Within `NEAR` of the block.
        let open = if self.unseen.after << (BLOCK - NEAR) == 0 { 0 } else { u64::MAX };
        let word = Row { before: before.word, here: here.word, after: after.word };
        let alnum = Row { before: before.alnum, here: here.alnum, after: after.alnum };
        let inside = word.long();
        let mut signs = Signs { inside, ..Signs::default() };
        if inside != 0 {
            signs.words = inside & !word.back(1);
            signs.starts = inside & here.alnum & !alnum.back(1);
        }
        if addresses && here.colon != 0 {
            signs.colons = self.colons(Row { before: before.colon, here: here.colon, after: after.colon }, open);
        }
        if hardware {
            signs.hardware = self.hardware(alnum);
        }
        if here.digit | here.mark == 0 {
            return signs;
        }
        let digit = Row { before: before.digit, here: here.digit, after: after.digit };
        if here.mark != 0 {
            signs.at = is(self.here, b'@').to_bitmask();
            signs.plus = here.mark & !signs.at & self.unseen.or(digit).ahead(1) & !word.back(1);
        }
        let first = digit.here & !digit.back(1);
        let four = digit.ahead(1) & digit.ahead(2) & digit.ahead(3);
        // Behind the point of a decimal so many digits are never looked at.
        let fraction = row(self.before == b'.', points(self.here), 0).back(1);
        signs.digits = first & four & !(fraction & digit.back(2) & digit.twice(1).twice(2).twice(4).here);
        signs.run = [digit.here, digit.after];
        let few = first & !four;
        // `1EG4`: a code that begins with a digit and a capital.
        let (more, digits) = (self.unseen.or(alnum), self.unseen.or(digit));
        let coded = few & !alnum.back(1) & more.ahead(1) & !digit.ahead(1) & more.ahead(2) & digits.ahead(3);
        let coded =
            if coded == 0 { 0 } else { coded & (self.seldom(false, capitals).ahead(1) | self.small_code(digits)) };
        let spelled = if few == 0 { 0 } else { self.spelled(few, digit) };
        let few = if addresses || few == 0 { few } else { few & (digit.ahead(1) | pair_near(digit) | open) };
        signs.groups = self.groups(few, digit, alnum, word) | coded | spelled;
        signs
    }

    /// Which of the first of one to three digits have more digits near.
    #[inline(always)]
    fn groups(&self, first: u64, digit: Row, alnum: Row, word: Row) -> u64 {
        let more = self.unseen.or(digit);
        let near = more.ahead(2) | more.ahead(3) | more.ahead(4) | more.ahead(5);
        if first & near == 0 {
            return 0;
        }
        let before = matches!(self.before, b' ' | b'-'..=b'/' | b'(' | b')');
        let gap = self.seldom(before, gaps);
        let one = first & !digit.ahead(1);
        let pair = first & digit.ahead(1) & !digit.ahead(2);
        let triple = first & digit.ahead(1) & digit.ahead(2);
        let follows = |size: u32| gap.ahead(size) & (more.ahead(size + 1) | gap.ahead(size + 1) & more.ahead(size + 2));
        let grouped = (one & follows(1) | pair & follows(2) | triple & follows(3)) & !alnum.back(1);
        // A group that is not the first one.
        let inner = gap.back(1) & word.back(1) & digit.back(2);
        let lettered = pair & more.ahead(3) & more.ahead(4);
        let lettered = if lettered == 0 { 0 } else { lettered & self.seldom(false, capitals).ahead(2) };
        grouped & !inner | lettered
    }

    /// `1eg4-te5-mk73`, `1eg4te5mk73`: a code as above in small letters, as many names and hashes begin, is looked at as a whole.
    #[inline(always)]
    fn small_code(&self, digit: Row) -> u64 {
        let (letter, hyphen) = (self.seldom(false, small_letters), self.seldom(false, hyphens));
        let middle = |at: u32| letter.ahead(at) & digit.ahead(at + 2);
        let last = |at: u32| letter.ahead(at) & letter.ahead(at + 1) & digit.ahead(at + 2) & digit.ahead(at + 3);
        let parted = hyphen.ahead(4) & middle(5) & hyphen.ahead(8) & last(9);
        letter.ahead(1) & (middle(4) & last(7) | parted)
    }

    /// The first of at least five single digits with blanks between them.
    #[inline(always)]
    fn spelled(&self, first: u64, digit: Row) -> u64 {
        let more = self.unseen.or(digit);
        let single = first & !digit.ahead(1) & !digit.ahead(3) & !digit.ahead(5) & !digit.ahead(7);
        let single = single & more.ahead(2) & more.ahead(4) & more.ahead(6) & more.ahead(8);
        if single == 0 {
            return 0;
        }
        let blank = self.seldom(self.before == b' ', blanks);
        let parted = blank.ahead(1) & blank.ahead(3) & blank.ahead(5) & blank.ahead(7);
        single & parted & !(blank.back(1) & digit.back(2))
    }

    /// Where hardware addresses may begin: two pairs of hexadecimal digits with the same sign behind each, or two fours with points.
    #[inline(always)]
    fn hardware(&self, alnum: Row) -> u64 {
        let more = self.unseen.or(alnum);
        let each = |from: u32, to: u32| (from..to).fold(u64::MAX, |all, by| all & more.ahead(by));
        let pairs = each(1, 2) & !alnum.ahead(2) & each(3, 5) & !alnum.ahead(5);
        let fours = each(1, 4) & !alnum.ahead(4) & each(5, 9) & !alnum.ahead(9);
        let may_be = alnum.here & (pairs | fours);
        if may_be == 0 {
            return 0;
        }
        let hex = self.seldom(false, hex_digits);
        let (colon, hyphen, point) =
            (self.seldom(false, colons), self.seldom(false, hyphens), self.seldom(false, points));
        let both = |sign: Row, size: u32| sign.ahead(size) & sign.ahead(2 * size + 1);
        let signs = pairs & (both(colon, 2) | both(hyphen, 2)) | fours & both(point, 4);
        may_be & hex.here & hex.ahead(1) & signs
    }

    /// The bits of a class that is seldom asked for; of the block before only whether its last byte is of it.
    #[inline(always)]
    fn seldom(&self, before: bool, class: impl Fn(Lanes<S>) -> u64) -> Row {
        self.unseen.or(row(before, class(self.here), class(self.next)))
    }

    /// Where the first colons of addresses of IPv6 may be: `::`, or with another colon at most four digits on.
    #[inline(always)]
    fn colons(&self, colon: Row, open: u64) -> u64 {
        let first = colon.here & !colon.back(1);
        let near = open | colon.ahead(2) | colon.ahead(3) | colon.ahead(4) | colon.ahead(5);
        if first & (colon.ahead(1) | near) == 0 {
            return 0;
        }
        let hex = self.seldom(self.before.is_ascii_hexdigit(), hex_digits);
        first & (colon.ahead(1) | near & hex.ahead(1) & hex.back(1))
    }
}

/// The bits of a class that is seldom asked for; of the block before only the last one.
#[inline(always)]
fn row(before: bool, here: u64, after: u64) -> Row {
    Row { before: u64::from(before) << (u64::BITS - 1), here, after }
}

/// What may stand between groups of a number.
#[inline(always)]
fn gaps<S: Simd>(lane: Lanes<S>) -> u64 {
    (is(lane, b' ') | within(lane, b'-', 3) | within(lane, b'(', 2)).to_bitmask()
}

#[inline(always)]
fn points<S: Simd>(lane: Lanes<S>) -> u64 {
    is(lane, b'.').to_bitmask()
}

#[inline(always)]
fn capitals<S: Simd>(lane: Lanes<S>) -> u64 {
    within(lane, b'A', 26).to_bitmask()
}

#[inline(always)]
fn small_letters<S: Simd>(lane: Lanes<S>) -> u64 {
    within(lane, b'a', 26).to_bitmask()
}

#[inline(always)]
fn blanks<S: Simd>(lane: Lanes<S>) -> u64 {
    is(lane, b' ').to_bitmask()
}

#[inline(always)]
fn hyphens<S: Simd>(lane: Lanes<S>) -> u64 {
    is(lane, b'-').to_bitmask()
}

#[inline(always)]
fn colons<S: Simd>(lane: Lanes<S>) -> u64 {
    is(lane, b':').to_bitmask()
}

#[inline(always)]
fn hex_digits<S: Simd>(lane: Lanes<S>) -> u64 {
    (within(lane, b'0', 10) | within(lane | 0x20, b'a', 6)).to_bitmask()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;
    use crate::lanes::lanes;

    fn kinds_of(block: &[u8; BLOCK]) -> Kinds {
        dispatch!(Level::new(), simd => Kinds::of(lanes(simd, block)))
    }

    #[test]
    fn bytes_are_classified_exactly() {
        for byte in 0..=255_u8 {
            let mut block = [0; BLOCK];
            block[3] = byte;
            let kinds = kinds_of(&block);
            let is = |bits: u64| bits == 1 << 3;
            assert_eq!(is(kinds.colon), byte == b':', "{byte}");
            assert_eq!(is(kinds.digit), byte.is_ascii_digit(), "{byte}");
            assert_eq!(is(kinds.alnum), byte.is_ascii_alphanumeric(), "{byte}");
            assert_eq!(is(kinds.word), in_word(byte), "{byte}");
            assert_eq!(is(kinds.mark), b"@+".contains(&byte), "{byte}");
            assert_eq!((kinds.digit | kinds.alnum | kinds.word | kinds.mark) & !(1 << 3), 0, "{byte}");
        }
    }

    #[test]
    fn what_has_not_arrived_is_of_the_word_or_not() {
        let kinds = kinds_of(&[b'.'; BLOCK]);
        assert_eq!(kinds.open_from(10, false).word, (1 << 10) - 1);
        assert_eq!(Kinds::default().open_from(10, true).word, !((1 << 10) - 1));
        assert_eq!(kinds.open_from(BLOCK, false).word, u64::MAX);
    }

    /// A word is long where it has [`WORD`] bytes, whichever block it ends in.
    #[test]
    fn long_words_are_told_across_blocks() {
        for length in 1..=2 * BLOCK {
            for from in 0..BLOCK {
                let bits = |range: std::ops::Range<usize>| {
                    range.fold(0_u64, |bits, at| bits << 1 | u64::from((from..from + length).contains(&at)))
                };
                let row = Row {
                    before: 0,
                    here: bits(0..BLOCK).reverse_bits(),
                    after: bits(BLOCK..2 * BLOCK).reverse_bits(),
                };
                assert_eq!(row.long() >> from & 1 == 1, length >= WORD, "{length} from {from}");
            }
        }
    }
}
