//! A block of bytes, classified: first roughly and fast, then exactly where that is worth it.

/// Bytes tested at once.
pub(super) const BLOCK: usize = 64;
/// A block and what of the next one is looked at.
pub(super) const WINDOW: usize = BLOCK + 16;
/// Bytes before the block that its masks begin with.
const BEFORE: usize = 2;
/// Words this long are looked at: no key is shorter, prefix included.
pub(crate) const WORD: usize = 20;

/// Whether anything in the block, or so near behind it that it could belong to what begins in the block, may be
/// a clue: digits in a row or in groups, `@`, `+` and a digit, or [`WORD`] bytes of a word. May say yes where
/// [`Signs`] say no, never the reverse. It has no branches, so that it compiles to vector code.
#[allow(
    clippy::needless_range_loop,
    clippy::indexing_slicing,
    reason = "overlapping loads from constant bounds are what vectorises"
)]
pub(super) fn hot(window: &[u8; WINDOW]) -> bool {
    let value = |position: usize| window[position].wrapping_sub(b'0');
    let mut any = 0;
    for position in 0..BLOCK + 8 {
        let ends = value(position).max(value(position + 1)).max(value(position + 3));
        let largest = ends.max(value(position + 2).min(value(position + 4)));
        let signed = (window[position] ^ b'+') | u8::from(value(position + 1) >= 10);
        any |= u8::from(largest < 10) | u8::from(window[position] == b'@') | u8::from(signed == 0);
    }
    any != 0 || long_word(window)
}

/// Whether four aligned groups of four bytes are of a word: in [`WORD`] bytes of one there are four.
#[allow(clippy::needless_range_loop, clippy::indexing_slicing, reason = "as above")]
fn long_word(window: &[u8; WINDOW]) -> bool {
    let mut class = [0_u8; WINDOW];
    for position in 0..WINDOW {
        let byte = window[position];
        // With a comma more than a word has: one range is faster than two.
        let inside =
            ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'+') < 15) | (byte == b'_') | (byte == b'~');
        class[position] = 0_u8.wrapping_sub(u8::from(inside));
    }
    let mut groups = [0_u32; WINDOW / 4];
    for (group, bytes) in groups.iter_mut().zip(class.as_chunks().0) {
        *group = u32::from_le_bytes(*bytes);
    }
    let mut pairs = [0_u32; WINDOW / 4 - 1];
    for number in 0..pairs.len() {
        pairs[number] = groups[number] & groups[number + 1];
    }
    let mut any = false;
    for number in 0..pairs.len() - 2 {
        any |= pairs[number] & pairs[number + 2] == u32::MAX;
    }
    any
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
    /// The first letter or digit after something else, at least 16 bytes before the end of a word.
    pub(super) starts: u64,
    /// The first byte of a word of at least 16 bytes.
    pub(super) words: u64,
    /// At least 16 bytes before the end of a word.
    pub(super) inside: u64,
    /// A colon after or before a hexadecimal digit or a colon.
    pub(super) colons: u64,
}

/// One bit a byte of the window, after [`BEFORE`] of the bytes before it.
type Mask = u128;

struct Classes {
    digit: Mask,
    capital: Mask,
    /// Letters and digits.
    alnum: Mask,
    /// What keys, names, paths and base64 are made of.
    word: Mask,
    /// What may stand between groups of digits.
    gap: Mask,
}

impl Signs {
    /// Exact signs of the block at the start of the window. `seen`: bytes of the window that have arrived; the
    /// rest counts as going on with a word if `open`.
    pub(super) fn of(before: [u8; BEFORE], window: &[u8; WINDOW], seen: usize, open: bool) -> Signs {
        let Classes { digit, capital, alnum, mut word, gap } = Classes::of(before, window);
        let beyond = Mask::MAX << (BEFORE + seen);
        word = if open { word | beyond } else { word & !beyond };
        let two = word & word >> 1;
        let four = two & two >> 2;
        let eight = four & four >> 4;
        let long = eight & eight >> 8;

        let start = digit & !(digit << 1);
        let four_digits = start & digit >> 1 & digit >> 2 & digit >> 3;
        let one = start & !(digit >> 1);
        let pair = start & digit >> 1 & !(digit >> 2);
        let triple = start & digit >> 1 & digit >> 2 & !(digit >> 3);
        let follows = |size: u32| gap >> size & (digit >> (size + 1) | gap >> (size + 1) & digit >> (size + 2));
        let grouped = (one & follows(1) | pair & follows(2) | triple & follows(3)) & !(alnum << 1);
        let inner = (gap & word) << 1 & digit << 2;
        let lettered = pair & capital >> 2 & digit >> 3 & digit >> 4;
        Signs {
            at: bits(only(window, b'@')),
            plus: bits(only(window, b'+') & digit >> 1 & !(word << 1)),
            digits: bits(four_digits),
            groups: bits(grouped & !inner | lettered),
            starts: bits(alnum & !(alnum << 1) & long),
            words: bits(word & !(word << 1) & long & !beyond),
            inside: bits(long),
            colons: 0,
        }
    }

    /// Adds what addresses of IPv6 are found by.
    pub(super) fn with_colons(self, before: [u8; BEFORE], window: &[u8; WINDOW]) -> Signs {
        let colon = only(window, b':') | pack(BEFORE, before, |byte| byte == b':');
        let hex = mask(window, |byte| byte.is_ascii_hexdigit()) | pack(BEFORE, before, |byte| byte.is_ascii_hexdigit());
        let first = colon & !(colon << 1);
        Signs { colons: bits(first & (colon >> 1 | hex >> 1 & hex << 1)), ..self }
    }

    pub(super) fn any(self) -> u64 {
        self.at | self.plus | self.digits | self.groups | self.starts | self.words | self.colons
    }
}

impl Classes {
    fn of(before: [u8; BEFORE], window: &[u8; WINDOW]) -> Classes {
        let is = |class: fn(u8) -> bool| mask(window, class) | pack(BEFORE, before, class);
        Classes {
            digit: is(|byte| byte.wrapping_sub(b'0') < 10),
            capital: is(|byte| byte.wrapping_sub(b'A') < 26),
            alnum: is(alphanumeric),
            word: is(in_word),
            gap: is(|byte| (byte == b' ') | (byte.wrapping_sub(b'-') < 3) | (byte == b'(') | (byte == b')')),
        }
    }
}

/// Branch-free, unlike the standard one.
#[inline]
fn alphanumeric(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10)
}

/// Whether a byte may be inside a word: letters, digits and `_-+./~`.
#[inline]
pub(crate) fn in_word(byte: u8) -> bool {
    alphanumeric(byte) | (byte == b'_') | (byte == b'~') | (byte == b'+') | (byte.wrapping_sub(b'-') < 3)
}

fn only(window: &[u8; WINDOW], wanted: u8) -> Mask {
    mask(window, |byte| byte == wanted)
}

/// The bytes of a class.
#[inline]
#[allow(clippy::needless_range_loop, clippy::indexing_slicing, reason = "constant bounds are what vectorises")]
fn mask(window: &[u8; WINDOW], class: impl Fn(u8) -> bool) -> Mask {
    let mut high = [0_u8; WINDOW];
    for position in 0..WINDOW {
        high[position] = u8::from(class(window[position])) << 7;
    }
    let mut bits = 0;
    for (number, word) in high.as_chunks().0.iter().enumerate() {
        bits |= Mask::from(high_bits(u64::from_le_bytes(*word))) << (number * 8 + BEFORE);
    }
    bits
}

fn pack(count: usize, bytes: [u8; BEFORE], class: impl Fn(u8) -> bool) -> Mask {
    bytes.iter().take(count).enumerate().fold(0, |bits, (number, byte)| bits | Mask::from(class(*byte)) << number)
}

/// The bits of the block itself.
fn bits(mask: Mask) -> u64 {
    (mask >> BEFORE) as u64
}

/// The high bits of eight bytes, of which no other is set, side by side.
fn high_bits(bytes: u64) -> u64 {
    (bytes >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_hot_has_no_signs() {
        let pieces =
            ["85T10", "12 34", "1 84 12", "(555) 12-34", "0123", "+4", "@", "abcdefghij_klmnop-qrst.uv", "a", " ", "."];
        for piece in pieces {
            for lead in 0..BLOCK {
                let mut window = [b' '; WINDOW];
                for (slot, byte) in window[lead..].iter_mut().zip(piece.bytes()) {
                    *slot = byte;
                }
                let signs = Signs::of([b' '; 2], &window, WINDOW, false);
                assert!(
                    signs.any() == 0 || hot(&window) || signs.any() == signs.words | signs.starts,
                    "{piece} at {lead}"
                );
            }
        }
    }

    #[test]
    fn bytes_are_classified_exactly() {
        for byte in 0..=255_u8 {
            let mut window = [0; WINDOW];
            window[3] = byte;
            let is = |class: fn(u8) -> bool| mask(&window, class) >> (BEFORE + 3) & 1 == 1;
            assert_eq!(is(alphanumeric), byte.is_ascii_alphanumeric(), "{byte}");
            assert_eq!(is(in_word), byte.is_ascii_alphanumeric() || b"_-+./~".contains(&byte), "{byte}");
        }
    }
}
