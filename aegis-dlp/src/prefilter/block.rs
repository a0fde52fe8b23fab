//! A block of bytes, classified: where in it clues begin.

use wide::u8x16;

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
}

impl Kinds {
    #[inline]
    pub(super) fn of(block: &[u8; BLOCK]) -> Kinds {
        let lanes = Lanes::new(block);
        let digit = lanes.which(|lane| within(lane, b'0', 10));
        let alnum = digit | lanes.which(|lane| within(lane | u8x16::splat(0x20), b'a', 26));
        let sign = lanes.which(|lane| is(lane, b'+') | within(lane, b'-', 3) | is(lane, b'_') | is(lane, b'~'));
        let mark = lanes.which(|lane| is(lane, b'@') | is(lane, b'+'));
        Kinds { digit, alnum, word: alnum | sign, mark }
    }

    /// With the bits from `seen` on as of a word that goes on, or none.
    #[inline]
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
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'~' | b'+' | b'-' | b'.' | b'/')
}

/// Where clues begin in a block: bit N for its byte N.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Signs {
    /// `@`.
    pub(super) at: u64,
    /// `+` before a digit, at the start of a number.
    pub(super) plus: u64,
    /// The first of at least four digits.
    pub(super) digits: u64,
    /// The first of one to three digits with a group of digits behind them, or with a capital and digits.
    pub(super) groups: u64,
    /// The first letter or digit after something else, at least [`WORD`] bytes before the end of a word.
    pub(super) starts: u64,
    /// The first byte of a word of at least [`WORD`] bytes.
    pub(super) words: u64,
    /// At least [`WORD`] bytes before the end of a word.
    pub(super) inside: u64,
    /// The first colon of what may be an address of IPv6.
    pub(super) colons: u64,
}

impl Signs {
    pub(super) fn any(self) -> u64 {
        self.at | self.plus | self.digits | self.groups | self.starts | self.words | self.colons
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
    #[inline]
    fn back(self, by: u32) -> u64 {
        self.here << by | self.before >> (u64::BITS - by)
    }

    /// Bit N is of the byte that is `by` bytes after byte N, fewer than a block.
    #[inline]
    fn ahead(self, by: u32) -> u64 {
        self.here >> by | self.after << (u64::BITS - by)
    }

    /// What is of the class, and `by` bytes on as well. True of the block and most of the one after it.
    #[inline]
    fn twice(self, by: u32) -> Row {
        Row { before: 0, here: self.here & self.ahead(by), after: self.after & self.after >> by }
    }

    /// What is followed by [`WORD`] bytes of the class, itself counted.
    #[inline]
    fn long(self) -> u64 {
        const _: () = assert!(WORD == 16 + 4);
        let four = self.twice(1).twice(2);
        four.twice(4).twice(8).here & four.ahead(16)
    }
}

/// Where two digits in a row are not far on: a single one without is no group of a number of interest, but `4.2` or a list.
#[inline]
fn pair_near(digit: Row) -> u64 {
    let pair = digit.twice(1);
    (2..=7).fold(0, |near, by| near | pair.ahead(by))
}

/// A block, and what stands around it.
pub(super) struct Around<'a> {
    pub(super) before: u8,
    pub(super) block: &'a [u8; BLOCK],
    pub(super) next: &'a [u8; BLOCK],
    /// More bytes are to come, within [`NEAR`] of the block.
    pub(super) open: bool,
}

impl Around<'_> {
    /// The signs of the block, given the kinds of its bytes and of those of the blocks before and after it, and whether
    /// addresses of IP count.
    #[inline]
    pub(super) fn signs(&self, [before, here, after]: [Kinds; 3], addresses: bool) -> Signs {
        // What has not arrived may be what a clue wants near.
        let open = if self.open { u64::MAX } else { 0 };
        let row = |class: fn(Kinds) -> u64| Row { before: class(before), here: class(here), after: class(after) };
        let word = row(|kinds| kinds.word);
        let inside = word.long();
        let mut signs = Signs { inside, ..Signs::default() };
        if inside != 0 {
            signs.words = inside & !word.back(1);
            signs.starts = inside & here.alnum & !row(|kinds| kinds.alnum).back(1);
        }
        if addresses {
            signs.colons = self.colons(open);
        }
        if here.digit | here.mark == 0 {
            return signs;
        }
        let digit = row(|kinds| kinds.digit);
        if here.mark != 0 {
            let lanes = Lanes::new(self.block);
            signs.at = lanes.which(|lane| is(lane, b'@'));
            signs.plus = lanes.which(|lane| is(lane, b'+')) & digit.ahead(1) & !word.back(1);
        }
        let first = digit.here & !digit.back(1);
        let four = digit.ahead(1) & digit.ahead(2) & digit.ahead(3);
        signs.digits = first & four;
        let few = first & !four;
        let few = if addresses || few == 0 { few } else { few & (digit.ahead(1) | pair_near(digit) | open) };
        signs.groups = self.groups(few, digit, row(|kinds| kinds.alnum), word);
        signs
    }

    /// Which of the first of one to three digits have more digits near.
    #[inline]
    fn groups(&self, first: u64, digit: Row, alnum: Row, word: Row) -> u64 {
        let near = digit.ahead(2) | digit.ahead(3) | digit.ahead(4) | digit.ahead(5);
        if first & near == 0 {
            return 0;
        }
        let gap = self.row(
            |lane| is(lane, b' ') | within(lane, b'-', 3) | within(lane, b'(', 2),
            |byte| matches!(byte, b' ' | b'-'..=b'/' | b'(' | b')'),
        );
        let one = first & !digit.ahead(1);
        let pair = first & digit.ahead(1) & !digit.ahead(2);
        let triple = first & digit.ahead(1) & digit.ahead(2);
        let follows =
            |size: u32| gap.ahead(size) & (digit.ahead(size + 1) | gap.ahead(size + 1) & digit.ahead(size + 2));
        let grouped = (one & follows(1) | pair & follows(2) | triple & follows(3)) & !alnum.back(1);
        // A group that is not the first one.
        let inner = gap.back(1) & word.back(1) & digit.back(2);
        let lettered = pair & digit.ahead(3) & digit.ahead(4);
        let capital = |lane| within(lane, b'A', 26);
        let lettered = if lettered == 0 { 0 } else { lettered & self.row(capital, |_| false).ahead(2) };
        grouped & !inner | lettered
    }

    /// Where the first colons of addresses of IPv6 may be: `::`, or with another colon at most four digits on.
    fn colons(&self, open: u64) -> u64 {
        let colon = self.row(|lane| is(lane, b':'), |byte| byte == b':');
        let first = colon.here & !colon.back(1);
        let near = open | colon.ahead(2) | colon.ahead(3) | colon.ahead(4) | colon.ahead(5);
        if first & (colon.ahead(1) | near) == 0 {
            return 0;
        }
        let hex = self.row(
            |lane| within(lane, b'0', 10) | within(lane | u8x16::splat(0x20), b'a', 6),
            |byte| byte.is_ascii_hexdigit(),
        );
        first & (colon.ahead(1) | near & hex.ahead(1) & hex.back(1))
    }

    /// The bits of a class that is seldom asked for; of the block before only the last one.
    fn row(&self, test: impl Fn(u8x16) -> u8x16 + Copy, class: impl Fn(u8) -> bool) -> Row {
        Row {
            before: u64::from(class(self.before)) << (u64::BITS - 1),
            here: Lanes::new(self.block).which(test),
            after: Lanes::new(self.next).which(test),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_classified_exactly() {
        for byte in 0..=255_u8 {
            let mut block = [0; BLOCK];
            block[3] = byte;
            let kinds = Kinds::of(&block);
            let is = |bits: u64| bits == 1 << 3;
            assert_eq!(is(kinds.digit), byte.is_ascii_digit(), "{byte}");
            assert_eq!(is(kinds.alnum), byte.is_ascii_alphanumeric(), "{byte}");
            assert_eq!(is(kinds.word), in_word(byte), "{byte}");
            assert_eq!(is(kinds.mark), b"@+".contains(&byte), "{byte}");
            assert_eq!((kinds.digit | kinds.alnum | kinds.word | kinds.mark) & !(1 << 3), 0, "{byte}");
        }
    }

    #[test]
    fn what_has_not_arrived_is_of_the_word_or_not() {
        let kinds = Kinds::of(&[b'.'; BLOCK]);
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
