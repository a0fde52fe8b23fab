//! Which runs of letters and digits are taken for encoded content.

use super::codec::{Codec, Decoder, decode_eight};

/// The shortest run that is looked at: base64 of a date. Characters, padding not counted.
pub(super) const SHORTEST: usize = 14;
/// The shortest run of hexadecimal digits: a social security number.
pub(super) const SHORTEST_HEX: usize = 18;
/// A run of this length is content whatever it decodes to.
pub(super) const LONG: usize = 80;
/// Characters that are looked at before it is decided what a run is: those of a long line.
pub(super) const AHEAD: usize = 128;
/// Bytes that tell whether they are text. What follows them is not asked: a redaction would change the answer.
const TOLD: usize = 12;
/// Places of a run that are tried as its beginning: it may be glued to what stands before it.
const BEGINNINGS: usize = 16;

/// What a run is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Characters before the content.
    pub(super) skip: usize,
    pub(super) codec: Codec,
    /// The first bytes of the content.
    pub(crate) opening: Vec<u8>,
}

impl Judged {
    /// Whether the content is one by its first bytes, and not by its length alone.
    pub(crate) fn is_plain(&self) -> bool {
        is_readable(&self.opening)
    }
}

/// Judges a run by its first characters, at most [`AHEAD`], which are all of it unless it is `long`; `before` is what stands
/// before it. `None` where it is a word.
pub(super) fn judge(run: &[u8], long: bool, before: Option<u8>) -> Option<Judged> {
    if !long && run.iter().all(|byte| Some(byte) == run.first()) {
        return None;
    }
    if let Some(digits) = hex(run) {
        if digits.len() < SHORTEST_HEX && !long {
            return None;
        }
        let codec = Codec::Hex { upper: run.iter().any(u8::is_ascii_uppercase) };
        let content = digits.len() >= SHORTEST_HEX && is_readable(first_of_hex(digits, &mut [0; TOLD]));
        let judged = || Judged { skip: run.len() - digits.len(), codec, opening: decode(codec, digits) };
        return (content || long).then(judged);
    }
    let glued =
        run.iter().enumerate().filter(|(_, byte)| matches!(byte, b'/' | b'-' | b'_' | b'+')).map(|(at, _)| at + 1);
    for skip in std::iter::once(0).chain(glued).take(BEGINNINGS) {
        let Some(rest) = run.get(skip..).filter(|rest| rest.len() >= SHORTEST) else { continue };
        // All of a run is of the alphabet. Most is told by its first bytes, and the rest by no more than count.
        let told = |eight: &[u8; 8]| is_readable(&decode_eight(eight));
        if !rest.first_chunk().is_some_and(told) || !is_readable(first_bytes(rest, &mut [0; TOLD])) {
            continue;
        }
        let codec = Codec::Base64 { url: is_url(rest, before) };
        return Some(Judged { skip, codec, opening: decode(codec, rest) });
    }
    // Hexadecimal digits behind a path or a word.
    let digits = run.iter().rposition(|byte| !byte.is_ascii_hexdigit()).map_or(0, |last| last + 1);
    for skip in [digits, digits + 1] {
        let Some(rest) = run.get(skip..).filter(|rest| rest.len() >= SHORTEST_HEX) else { continue };
        if is_readable(first_of_hex(rest, &mut [0; TOLD])) {
            let codec = Codec::Hex { upper: rest.iter().any(u8::is_ascii_uppercase) };
            return Some(Judged { skip, codec, opening: decode(codec, rest) });
        }
    }
    let codec = Codec::Base64 { url: is_url(run, before) };
    long.then(|| Judged { skip: 0, codec, opening: decode(codec, run) })
}

/// The digits of a run that has no other characters, but for `0x` before them.
fn hex(run: &[u8]) -> Option<&[u8]> {
    let digits = run.strip_prefix(b"0x").unwrap_or(run);
    digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)
}

/// The alphabet in use; where none of its own characters tells, the one of tokens in parts joined by dots.
fn is_url(run: &[u8], before: Option<u8>) -> bool {
    match run.iter().find(|byte| b"+/-_".contains(byte)) {
        Some(byte) => matches!(byte, b'-' | b'_'),
        None => before == Some(b'.'),
    }
}

/// The bytes that base64 stands for, as far as they tell.
fn first_bytes<'b>(characters: &[u8], bytes: &'b mut [u8; TOLD]) -> &'b [u8] {
    let mut count = 0;
    for (slots, eight) in bytes.chunks_mut(6).zip(characters.chunks(8)) {
        let mut whole = [b'A'; 8];
        whole.iter_mut().zip(eight).for_each(|(slot, character)| *slot = *character);
        slots.copy_from_slice(&decode_eight(&whole));
        count += eight.len() * 6 / 8;
    }
    bytes.get(..count).unwrap_or_default()
}

/// The same of hexadecimal digits, up to the first character that is none.
fn first_of_hex<'b>(digits: &[u8], bytes: &'b mut [u8; TOLD]) -> &'b [u8] {
    let mut count = 0;
    for (slot, [high, low]) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let Some(byte) = hex_value(*high).zip(hex_value(*low)).map(|(high, low)| high << 4 | low) else { break };
        *slot = byte;
        count += 1;
    }
    bytes.get(..count).unwrap_or_default()
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn decode(codec: Codec, characters: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(characters.len());
    Decoder::new(codec).decode(characters, &mut bytes);
    bytes
}

/// Whether most of the first bytes is text (what is not may be a length, a separator or a letter of an old charset), or they
/// are UTF-16, or begin as packed content does.
fn is_readable(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..TOLD).unwrap_or(bytes);
    match *bytes {
        [0x1F, 0x8B, 8, ..] | [b'P', b'K', 3, 4, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] => return true,
        [0x78, 0x01 | 0x5E | 0x9C | 0xDA, ..] | [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return true,
        [a, 0, b, 0, ..] | [0, a, 0, b, ..] => return is_printable(a) && is_printable(b),
        _ => {}
    }
    let counts = bytes.iter().fold(0, |counts, byte| counts + COUNTS[usize::from(*byte)]);
    let (text, controls) = (usize::from(counts % CONTROL), counts / CONTROL);
    text * 3 >= bytes.len() * 2 || controls == 0 && begins_utf8(bytes)
}

/// Whether bytes are UTF-8, or the beginning of it.
fn begins_utf8(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

const fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// What a byte adds to the count of printable ones, and of control characters: so many of the first kind as are looked at stay
/// below one of the second.
static COUNTS: [u8; 256] = {
    let mut counts = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        counts[byte] = if is_printable(byte as u8) { 1 } else { CONTROL };
        byte += 1;
    }
    counts
};
const CONTROL: u8 = 16;
const _: () = assert!(TOLD < CONTROL as usize && TOLD * (CONTROL as usize) < 256);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn whole(run: &[u8], before: Option<u8>) -> Option<Judged> {
        judge(run, false, before)
    }

    #[test]
    fn content() {
        for (run, skip, name) in [
            ("MTIzLTQ1LTY3ODk", 0, "base64"),
            ("MTk4MC0wMS0wMg", 0, "base64"),
            ("/users/MTIzLTQ1LTY3ODk", 7, "base64"),
            ("3132332d34352d36373839", 0, "hex"),
            ("0x3132332D34352D36373839", 2, "hex"),
            ("ZQB5AEoAaABiAEcAYwBpAE8", 0, "base64"),
            ("H4sIAAAAAAAAA0vOzwUA", 0, "base64"),
            ("AHVzZXIAMTIzLTQ1LTY3ODk", 0, "base64"),
            ("UmVu6SAxMjMtNDUtNjc4OQ", 0, "base64"),
            ("/users/3132332d34352d36373839", 7, "hex"),
            ("x3132332d34352d36373839", 1, "hex"),
        ] {
            let judged = whole(run.as_bytes(), None).unwrap();
            assert_eq!((judged.skip, judged.codec.name()), (skip, name), "{run}");
        }
        assert!(judge(&[b"Zm9v".repeat(3), b"zAAA".repeat(20)].concat()[..LONG], true, None).is_some());
        assert!(judge(&b"ab/d".repeat(20), true, None).is_some(), "a long run is content whatever it is");
        assert_eq!(whole(b"eyJhIjoxLCJiIjoyfQ", None).unwrap().codec, Codec::Base64 { url: false });
        assert_eq!(whole(b"eyJhIjoxLCJiIjoyfQ", Some(b'.')).unwrap().codec, Codec::Base64 { url: true });
    }

    #[test]
    fn words() {
        for run in [
            "internationalisation",
            "organization_member_id",
            "/usr/local/lib/python3",
            "550e8400-e29b-41d4-a716-446655440000",
            "9fceb02d0ae598e95dc970b74767f19372d61af8",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "AKIAIOSFODNN7EXAMPLE",
            "4111111111111111",
            "----------------------",
            "application/json",
            "getElementsByTagName",
        ] {
            assert_eq!(whole(run.as_bytes(), None), None, "{run}");
        }
        assert!(judge(&[b'-'; LONG], true, None).is_some(), "what follows may be anything");
    }
}
