//! Base64 (RFC 4648, sections 4 and 5: both alphabets at once) and hexadecimal digits.

/// How bytes are written as letters and digits.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Codec {
    /// With `-` and `_` for the last two, where so.
    Base64 {
        url: bool,
    },
    Hex {
        upper: bool,
    },
}

/// Characters that are decoded before it is seen whether a run goes on.
const PIECE: usize = 256;
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

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Whether a byte is of either alphabet of base64; hexadecimal digits are too.
pub(super) fn in_alphabet(byte: u8) -> bool {
    BASE64[usize::from(byte)] != NONE
}

impl Codec {
    pub(super) fn name(self) -> &'static str {
        match self {
            Codec::Base64 { .. } => "base64",
            Codec::Hex { .. } => "hex",
        }
    }

    /// Characters of a group, and the bytes they stand for.
    pub(super) fn group(self) -> (u64, u64) {
        match self {
            Codec::Base64 { .. } => (4, 3),
            Codec::Hex { .. } => (2, 1),
        }
    }

    /// The value of a character, and its bits.
    fn value(self, byte: u8) -> Option<(u32, u32)> {
        match self {
            Codec::Base64 { .. } => {
                let value = BASE64[usize::from(byte)];
                (value != NONE).then_some((u32::from(value), 6))
            }
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
            taken = self.groups(characters, bytes);
        }
        for character in characters.get(taken..).unwrap_or_default() {
            let Some((value, bits)) = self.codec.value(*character) else { break };
            self.bits = (self.bits << bits | value) & 0xFFFF;
            self.count += bits;
            if self.count >= 8 {
                self.count -= 8;
                bytes.push((self.bits >> self.count & 0xFF) as u8);
            }
            taken += 1;
        }
        taken
    }

    /// Decodes whole groups of base64, where none is under way.
    fn groups(&mut self, characters: &[u8], bytes: &mut Vec<u8>) -> usize {
        if self.count != 0 {
            return 0;
        }
        let mut taken = 0;
        for piece in characters.chunks(PIECE) {
            let (start, groups) = (bytes.len(), piece.as_chunks::<4>().0);
            bytes.resize(start + 3 * groups.len(), 0);
            let slots = bytes.get_mut(start..).unwrap_or_default().as_chunks_mut::<3>().0;
            let mut whole = 0;
            for (group, slot) in groups.iter().zip(slots) {
                let [one, two, three, four] = group.map(|character| BASE64[usize::from(character)]);
                if (one | two | three | four) & 0x80 != 0 {
                    break;
                }
                *slot = [one << 2 | two >> 4, two << 4 | three >> 2, three << 6 | four];
                whole += 1;
            }
            taken += 4 * whole;
            if 4 * whole < piece.len() {
                bytes.truncate(start + 3 * whole);
                break;
            }
        }
        taken
    }
}

/// From bytes to characters.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    codec: Codec,
    group: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(codec: Codec) -> Self {
        Encoder { codec, group: Vec::with_capacity(3) }
    }

    /// Appends the characters of all groups that are whole.
    pub(super) fn push(&mut self, bytes: &[u8], characters: &mut Vec<u8>) {
        for byte in bytes {
            match self.codec {
                Codec::Hex { upper } => {
                    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
                    characters.extend([byte >> 4, byte & 15].map(|digit| digits[usize::from(digit)]));
                }
                Codec::Base64 { .. } => {
                    self.group.push(*byte);
                    if self.group.len() == 3 {
                        self.write(4, characters);
                    }
                }
            }
        }
    }

    /// Appends the rest, padded where asked.
    pub(super) fn finish(&mut self, padded: bool, characters: &mut Vec<u8>) {
        let rest = self.group.len();
        if rest == 0 {
            return;
        }
        self.group.resize(3, 0);
        self.write(rest + 1, characters);
        if padded {
            characters.extend(std::iter::repeat_n(b'=', 3 - rest));
        }
    }

    fn write(&mut self, count: usize, characters: &mut Vec<u8>) {
        let alphabet = if self.codec == (Codec::Base64 { url: true }) { URL } else { STANDARD };
        let bits = self.group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        characters.extend([18, 12, 6, 0].into_iter().take(count).map(|shift| alphabet[bits >> shift & 63]));
        self.group.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (codec, padded, bytes, text) in [
            (Codec::Base64 { url: false }, true, &b"foob"[..], "Zm9vYg=="),
            (Codec::Base64 { url: false }, false, b"fooba", "Zm9vYmE"),
            (Codec::Base64 { url: false }, true, b"\xfb\xff\xfe", "+//+"),
            (Codec::Base64 { url: true }, true, b"\xfb\xff\xfe", "-__-"),
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
