//! Base64 (RFC 4648, sections 4 and 5: both alphabets at once), base32 (section 6) and hexadecimal digits.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u8x64, u32x16};

use crate::lanes::{BLOCK, is, within};

/// How bytes are written as letters and digits.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Codec {
    /// With `-` and `_` for the last two, where so.
    Base64 {
        url: bool,
    },
    Base32 {
        upper: bool,
    },
    Hex {
        upper: bool,
    },
}

/// Bytes that a block of characters stands for.
const DECODED: usize = BLOCK / 4 * 3;
/// What is in neither alphabet: the only value with the highest bit.
const NONE: u8 = 0xFF;

const BASE64: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut at = 0;
    while at < 26 {
        table[b'A' as usize + at] = at as u8;
        table[b'a' as usize + at] = at as u8 + 26;
        at += 1;
    }
    at = 0;
    while at < 10 {
        table[b'0' as usize + at] = at as u8 + 52;
        at += 1;
    }
    (table[b'+' as usize], table[b'-' as usize]) = (62, 62);
    (table[b'/' as usize], table[b'_' as usize]) = (63, 63);
    table
};

pub(super) const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
pub(super) const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Whether a byte is of either alphabet of base64; hexadecimal digits are too.
pub(super) fn in_alphabet(byte: u8) -> bool {
    BASE64[usize::from(byte)] != NONE
}

impl Codec {
    pub(super) fn name(self) -> &'static str {
        match self {
            Codec::Base64 { .. } => "base64",
            Codec::Base32 { .. } => "base32",
            Codec::Hex { .. } => "hex",
        }
    }

    /// Characters of a group, and the bytes they stand for.
    pub(super) fn group(self) -> (u64, u64) {
        match self {
            Codec::Base64 { .. } => (4, 3),
            Codec::Base32 { .. } => (8, 5),
            Codec::Hex { .. } => (2, 1),
        }
    }

    /// The most signs that fill the last group.
    pub(super) fn padding(self) -> usize {
        match self {
            Codec::Base64 { .. } => 2,
            Codec::Base32 { .. } => 6,
            Codec::Hex { .. } => 0,
        }
    }

    /// The value of a character, and its bits.
    fn value(self, byte: u8) -> Option<(u32, u32)> {
        match self {
            Codec::Base64 { .. } => {
                let value = BASE64[usize::from(byte)];
                (value != NONE).then_some((u32::from(value), 6))
            }
            Codec::Base32 { .. } => match byte {
                b'A'..=b'Z' => Some((u32::from(byte - b'A'), 5)),
                b'a'..=b'z' => Some((u32::from(byte - b'a'), 5)),
                b'2'..=b'7' => Some((u32::from(byte - b'2') + 26, 5)),
                _ => None,
            },
            Codec::Hex { .. } => char::from(byte).to_digit(16).map(|value| (value, 4)),
        }
    }

    /// The character that begins with this byte, so many bytes in.
    pub(super) fn character_of(self, byte: u64) -> u64 {
        let (characters, bytes) = self.group();
        byte.saturating_mul(characters) / bytes
    }
}

/// From characters to bytes.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    codec: Codec,
    bits: u32,
    count: u32,
}

impl Decoder {
    pub(super) fn new(codec: Codec) -> Self {
        Decoder { codec, bits: 0, count: 0 }
    }

    /// Decodes characters up to the first that is none; gives how many.
    pub(super) fn decode(&mut self, characters: &[u8], bytes: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        if let Codec::Base64 { .. } = self.codec {
            // Up to the end of the group under way.
            while self.count != 0 {
                if !self.character(characters.get(taken), bytes) {
                    return taken;
                }
                taken += 1;
            }
            taken += decode_blocks(characters.get(taken..).unwrap_or_default(), bytes);
        }
        while self.character(characters.get(taken), bytes) {
            taken += 1;
        }
        taken
    }

    /// Decodes one character, if there is one.
    #[inline]
    fn character(&mut self, character: Option<&u8>, bytes: &mut Vec<u8>) -> bool {
        let Some((value, bits)) = character.and_then(|character| self.codec.value(*character)) else { return false };
        self.bits = (self.bits << bits | value) & 0xFFFF;
        self.count += bits;
        if self.count >= 8 {
            self.count -= 8;
            bytes.push((self.bits >> self.count & 0xFF) as u8);
        }
        true
    }
}

/// The bytes that eight characters of base64 stand for.
pub(super) fn decode_eight(characters: &[u8; 8]) -> [u8; 6] {
    let [a, b, c, d, e, f, g, h] = characters.map(|character| BASE64[usize::from(character)] & 63);
    [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d, e << 2 | f >> 4, f << 4 | g >> 2, g << 6 | h]
}

/// Decodes whole groups of base64 as far as there are blocks of them; gives how many characters.
fn decode_blocks(characters: &[u8], bytes: &mut Vec<u8>) -> usize {
    let blocks = characters.as_chunks::<BLOCK>().0;
    bytes.reserve(blocks.len() * DECODED);
    BLOCK * dispatch!(Level::new(), simd => decode_whole(simd, blocks, bytes))
}

/// Decodes blocks up to the first with a character that is none; gives how many.
#[inline(always)]
fn decode_whole<S: Simd>(simd: S, blocks: &[[u8; BLOCK]], bytes: &mut Vec<u8>) -> usize {
    for (number, block) in blocks.iter().enumerate() {
        let Some(decoded) = decode_block(simd, block) else { return number };
        bytes.extend_from_slice(&decoded);
    }
    blocks.len()
}

/// The bytes that a block of characters stands for, if all of them are of the alphabets.
#[inline(always)]
fn decode_block<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Option<[u8; DECODED]> {
    /// Of each four bytes three count.
    const COUNTING: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 15, 15, 15];
    let lane = u8x64::load_array_ref(simd, block);
    let (upper, lower, digit) = (within(lane, b'A', 26), within(lane, b'a', 26), within(lane, b'0', 10));
    let (last_but_one, last) = (is(lane, b'+') | is(lane, b'-'), is(lane, b'/') | is(lane, b'_'));
    if (upper | lower | digit | last_but_one | last).to_bitmask() != u64::MAX {
        return None;
    }
    let signs = last_but_one.select(u8x64::splat(simd, 62), u8x64::splat(simd, 63));
    let small = lower.select(lane - (b'a' - 26), digit.select(lane + (52 - b'0'), signs));
    // Four values, the first of them in the lowest byte, become three bytes in this order.
    let four: u32x16<S> = upper.select(lane - b'A', small).bitcast();
    let first = ((four << 2) & 0xFC) | ((four >> 12) & 0x03);
    let second = ((four << 4) & 0xF000) | ((four >> 10) & 0x0F00);
    let third = ((four << 6) & 0xC0_0000) | ((four >> 8) & 0x3F_0000);
    let three: u8x64<S> = (first | second | third).bitcast();
    let order = u8x64::block_splat(fearless_simd::u8x16::load_array(simd, COUNTING));
    let packed: [u8; BLOCK] = three.swizzle_dyn_within_blocks(order).into();
    let mut decoded = [0; DECODED];
    for (slot, part) in decoded.as_chunks_mut::<12>().0.iter_mut().zip(packed.as_chunks::<16>().0) {
        if let Some(part) = part.first_chunk() {
            *slot = *part;
        }
    }
    Some(decoded)
}

/// From bytes to characters.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    codec: Codec,
    group: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(codec: Codec) -> Self {
        Encoder { codec, group: Vec::with_capacity(5) }
    }

    /// Appends the characters of all groups that are whole.
    pub(super) fn push(&mut self, bytes: &[u8], characters: &mut Vec<u8>) {
        for byte in bytes {
            match self.codec {
                Codec::Hex { upper } => {
                    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
                    characters.extend([byte >> 4, byte & 15].map(|digit| digits[usize::from(digit)]));
                }
                Codec::Base64 { .. } | Codec::Base32 { .. } => {
                    self.group.push(*byte);
                    let (count, whole) = self.sizes();
                    if self.group.len() == whole {
                        self.write(count, characters);
                    }
                }
            }
        }
    }

    /// Characters of a group, and its bytes.
    fn sizes(&self) -> (usize, usize) {
        if matches!(self.codec, Codec::Base32 { .. }) { (8, 5) } else { (4, 3) }
    }

    /// Appends the rest, padded where asked.
    pub(super) fn finish(&mut self, padded: bool, characters: &mut Vec<u8>) {
        let rest = self.group.len();
        if rest == 0 {
            return;
        }
        let (all, whole) = self.sizes();
        // As many as it takes for all bits of the rest.
        let count = (rest * all).div_ceil(whole);
        self.group.resize(whole, 0);
        self.write(count, characters);
        if padded {
            characters.extend(std::iter::repeat_n(b'=', all - count));
        }
    }

    fn write(&mut self, count: usize, characters: &mut Vec<u8>) {
        let bits = self.group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let value = |shift: u32, mask: u64| usize::try_from(bits >> shift & mask).unwrap_or(0);
        match self.codec {
            Codec::Base32 { upper } => {
                let alphabet =
                    if upper { b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" } else { b"abcdefghijklmnopqrstuvwxyz234567" };
                let shifts = [35, 30, 25, 20, 15, 10, 5, 0].into_iter().take(count);
                characters.extend(shifts.map(|shift| alphabet[value(shift, 31)]));
            }
            codec => {
                let alphabet = if codec == (Codec::Base64 { url: true }) { URL } else { STANDARD };
                let shifts = [18, 12, 6, 0].into_iter().take(count);
                characters.extend(shifts.map(|shift| alphabet[value(shift, 63)]));
            }
        }
        self.group.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_decoded_as_their_characters_are() {
        let mut seed = 3_u32;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        for length in 0..400 {
            let mut text: Vec<u8> = (0..length).map(|_| [STANDARD, URL][random(2)][random(64)]).collect();
            if random(2) == 0 && length > 0 {
                text[random(length)] = b"=\xff.,:@[`{ "[random(10)];
            }
            let from = random(5).min(length);
            let mut whole = Decoder::new(Codec::Base64 { url: false });
            let mut bytes = Vec::new();
            let first = whole.decode(&text[..from], &mut bytes);
            let taken = if first == from { from + whole.decode(&text[from..], &mut bytes) } else { first };
            let mut single = Decoder::new(Codec::Base64 { url: false });
            let mut expected = Vec::new();
            let count = text.iter().take_while(|one| single.character(Some(one), &mut expected)).count();
            assert_eq!((taken, &bytes), (count, &expected), "{length}");
            if let Some(eight) = text.first_chunk().filter(|_| count >= 8) {
                assert_eq!(decode_eight(eight), bytes[..6]);
            }
        }
    }

    #[test]
    fn there_and_back() {
        for (codec, padded, bytes, text) in [
            (Codec::Base64 { url: false }, true, &b"foob"[..], "Zm9vYg=="),
            (Codec::Base64 { url: false }, false, b"fooba", "Zm9vYmE"),
            (Codec::Base64 { url: false }, true, b"\xfb\xff\xfe", "+//+"),
            (Codec::Base64 { url: true }, true, b"\xfb\xff\xfe", "-__-"),
            (Codec::Base32 { upper: true }, true, b"f", "MY======"),
            (Codec::Base32 { upper: true }, true, b"foob", "MZXW6YQ="),
            (Codec::Base32 { upper: false }, false, b"foo", "mzxw6"),
            (Codec::Base32 { upper: true }, true, b"fooba", "MZXW6YTB"),
            (Codec::Base32 { upper: false }, false, b"foobar\xff", "mzxw6ytbol7q"),
            (Codec::Hex { upper: false }, true, b"\x00\xab1", "00ab31"),
            (Codec::Hex { upper: true }, true, b"\x00\xab1", "00AB31"),
        ] {
            let mut encoder = Encoder::new(codec);
            let mut characters = Vec::new();
            bytes.iter().for_each(|byte| encoder.push(&[*byte], &mut characters));
            encoder.finish(padded, &mut characters);
            assert_eq!(std::str::from_utf8(&characters).unwrap(), text);
            for size in 1..=characters.len() {
                let mut decoder = Decoder::new(codec);
                let mut back = Vec::new();
                characters.chunks(size).for_each(|chunk| {
                    decoder.decode(chunk, &mut back);
                });
                assert_eq!(back, bytes, "{text} by {size}");
            }
        }
    }
}
