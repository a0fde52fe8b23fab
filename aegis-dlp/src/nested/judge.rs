//! Which runs of letters and digits are taken for encoded content.

use super::codec::{Codec, Decoder, STANDARD, URL, decode_eight};

/// The shortest run that is looked at: base64 of a date. Characters, padding not counted.
pub(super) const SHORTEST: usize = 14;
/// The shortest run of hexadecimal digits: a social security number.
pub(super) const SHORTEST_HEX: usize = 18;
/// The shortest run of base32: the same.
const SHORTEST_32: usize = 18;
/// A run of this length is content whatever it decodes to.
pub(super) const LONG: usize = 80;
/// Characters that are looked at before it is decided what a run is: those of a long line.
pub(super) const AHEAD: usize = 128;
/// Bytes that tell whether they are text. What follows them is not asked: a redaction would change the answer.
const TOLD: usize = 12;
/// Places of a run that are tried as its beginning: it may be glued to what stands before it.
const BEGINNINGS: usize = 16;
/// Characters that content is looked for behind, where a run begins with some that are none of it.
const GLUED: usize = 32;
/// Those of a short word, which take whole groups with them at most twice.
const WORD: usize = 8;

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
        let judged = |digits: &[u8]| Judged { skip: run.len() - digits.len(), codec, opening: decode(codec, digits) };
        // A digit before them shifts all others.
        let text = |digits: &&[u8]| first_of_hex(digits, &mut [0; TOLD]).iter().all(|byte| is_printable(*byte));
        let shifted = digits.get(1..).filter(|digits| !content && digits.len() >= SHORTEST_HEX && text(digits));
        return shifted.map(judged).or_else(|| (content || long).then(|| judged(digits)));
    }
    if let Some(judged) = base32(run) {
        return Some(judged);
    }
    let glued =
        run.iter().enumerate().filter(|(_, byte)| matches!(byte, b'/' | b'-' | b'_' | b'+')).map(|(at, _)| at + 1);
    for skip in std::iter::once(0).chain(glued).take(BEGINNINGS) {
        let Some(rest) = run.get(skip..).filter(|rest| rest.len() >= SHORTEST) else { continue };
        // All of a run is of the alphabet. Most is told by its first bytes, and the rest by no more than count.
        let told = |eight: &[u8; 8]| is_readable(&decode_eight(eight));
        if !rest.first_chunk().is_some_and(told) {
            continue;
        }
        let mut first = [0; TOLD];
        let first = first_bytes(rest, &mut first);
        // Many a long run is binary, and one in thirty places of it reads like text in a wrong alignment.
        if !is_readable(first) || long && skip > 0 && !is_surely_text(first) {
            continue;
        }
        if long && skip > GLUED && skip % 4 == 0 {
            // It goes on as it began: what stands before it is content too.
            break;
        }
        // A word of whole groups before it stands for bytes that are no text, and would hide the first word that is.
        let text = first.iter().take(3).all(|byte| is_printable(*byte)) || is_packed(first) || begins_utf8(first);
        let word = if text { None } else { text_at(rest) };
        let begin = skip + word.filter(|at| *at <= WORD).unwrap_or(0);
        // So does text before what it is glued to.
        let sooner = if skip > 0 { text_at(run).filter(|at| *at < begin) } else { None };
        return Some(base64(run, sooner.unwrap_or(begin), before));
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
    let text = text_at(run);
    if !long {
        return text.map(|skip| base64(run, skip, before));
    }
    let whole = base64(run, 0, before);
    // A file is read from its first byte on, and so is what may be one.
    let glued = text.filter(|at| *at <= GLUED && (at % 4 != 0 || *at <= WORD) && infer::get(&whole.opening).is_none());
    Some(glued.map_or(whole, |skip| base64(run, skip, before)))
}

/// Base64 from a place in a run on.
fn base64(run: &[u8], skip: usize, before: Option<u8>) -> Judged {
    let rest = run.get(skip..).unwrap_or_default();
    let codec = Codec::Base64 { url: is_url(rest, before) };
    Judged { skip, codec, opening: decode(codec, rest) }
}

/// A run that is base32 of text: many a word has only letters of that alphabet, and is none.
fn base32(run: &[u8]) -> Option<Judged> {
    let upper = run.first()?.is_ascii_uppercase() || !run.iter().any(u8::is_ascii_lowercase);
    let letter = |byte: &u8| if upper { byte.is_ascii_uppercase() } else { byte.is_ascii_lowercase() };
    if run.len() < SHORTEST_32 || !run.iter().all(|byte| letter(byte) || matches!(byte, b'2'..=b'7')) {
        return None;
    }
    let codec = Codec::Base32 { upper };
    let opening = decode(codec, run);
    let text = opening.iter().take(TOLD).all(|byte| is_printable(*byte));
    text.then_some(Judged { skip: 0, codec, opening })
}

/// Where text begins in a run that does not begin with it: the first place, of any alignment, from which on base64 stands for
/// nothing but printable ASCII, as far as it is looked at.
fn text_at(run: &[u8]) -> Option<usize> {
    // Hardly any text has no capital in its base64, and most words and ids have none.
    if !run.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut last = 0_u64;
    run.iter().enumerate().find_map(|(at, byte)| {
        last = last << 4 | u64::from(PLACES[usize::from(*byte)]);
        let begin = (at + 1).checked_sub(GROUPS_SEEN).filter(|_| last & GROUPS == GROUPS)?;
        let rest = run.get(begin..).filter(|rest| rest.len() >= SHORTEST)?;
        first_bytes(rest, &mut [0; TOLD]).iter().all(|byte| is_printable(*byte)).then_some(begin)
    })
}

/// In which places of a group of four a character may stand where that is ASCII which is printable: bits for the first, the
/// second and the third. In the fourth any may.
static PLACES: [u8; 256] = {
    let mut places = [0; 256];
    let mut value = 0;
    while value < 64 {
        let first = value >= 0x20 >> 2 && value <= 0x7E >> 2;
        let second = value & 15 >= 2 && value & 15 <= 7;
        let third = value & 3 <= 1;
        places[STANDARD[value] as usize] = first as u8 | (second as u8) << 1 | (third as u8) << 2;
        places[URL[value] as usize] = places[STANDARD[value] as usize];
        value += 1;
    }
    places
};
/// Characters of three groups but for the last one of them, and what they have to be, four bits each.
const GROUPS_SEEN: usize = 11;
const GROUPS: u64 = 0x124_0124_0124;

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
    if is_packed(bytes) {
        return true;
    }
    if let Some(printable) = utf16(bytes) {
        return printable;
    }
    let counts = bytes.iter().fold(0, |counts, byte| counts + COUNTS[usize::from(*byte)]);
    let (text, controls) = (usize::from(counts % CONTROL), counts / CONTROL);
    text * 3 >= bytes.len() * 2 || controls == 0 && begins_utf8(bytes)
}

/// Whether all of the first bytes are text, or they begin as packed content does.
fn is_surely_text(bytes: &[u8]) -> bool {
    let text = begins_utf8(bytes) && bytes.iter().all(|byte| *byte >= 0x80 || is_printable(*byte));
    text || utf16(bytes) == Some(true) || is_packed(bytes)
}

/// Whether bytes that look like UTF-16 begin with characters that are printable.
fn utf16(bytes: &[u8]) -> Option<bool> {
    let ([a, 0, b, 0, ..] | [0, a, 0, b, ..]) = *bytes else { return None };
    Some(is_printable(a) && is_printable(b))
}

/// Whether bytes begin as packed content or with a byte order mark.
fn is_packed(bytes: &[u8]) -> bool {
    matches!(
        *bytes,
        [0x1F, 0x8B, 8, ..]
            | [b'P', b'K', 3, 4, ..]
            | [0x28, 0xB5, 0x2F, 0xFD, ..]
            | [0x78, 0x01 | 0x5E | 0x9C | 0xDA, ..]
            | [0xFF, 0xFE, ..]
            | [0xFE, 0xFF, ..]
    )
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
    fn content_behind_a_word() {
        for (run, skip) in [
            ("nameNTM2LTIyLTg3NDE", 4),
            ("nNTM2LTIyLTg3NDE", 1),
            ("naNTM2LTIyLTg3NDE", 2),
            ("namNTM2LTIyLTg3NDE", 3),
            ("/v1/data/xNTM2LTIyLTg3NDE", 10),
            ("f3132332d34352d36373839", 1),
            ("oKGio6SlpqeoqaqrrK2uNTM2LTIyLTg3NDE", 20),
        ] {
            let judged = whole(run.as_bytes(), None).unwrap();
            let name = if run.starts_with('f') { "hex" } else { "base64" };
            assert_eq!((judged.skip, judged.codec.name()), (skip, name), "{run}");
        }
        // What begins as text, and goes on with bytes that are none, is read from its beginning.
        assert_eq!(whole(b"UmVu6SBNZWllciA1MzYtMjItODc0MQ", None).unwrap().skip, 0);
        let long = |lead: &str| format!("{lead}{}", "d29yZHMg".repeat(12));
        for (lead, skip) in [("x", 1), ("data/x", 6), ("na", 2)] {
            assert_eq!(judge(&long(lead).as_bytes()[..LONG], true, None).unwrap().skip, skip, "{lead}");
        }
        // A picture is read as one, text within it or not.
        let picture = long("iVBORw0KGgoAAAANSUhEUgAAAAEx");
        assert_eq!(judge(&picture.as_bytes()[..LONG], true, None).unwrap().skip, 0);
    }

    #[test]
    fn content_that_begins_with_bytes_is_read_from_its_beginning() {
        // Text behind signs of the alphabet, in the alignment of the whole and in another one.
        let binary = "oKGio6SlpqeoqaqrrK2uNTM2LTIyLTg3NDGg";
        for (lead, skip) in [("oKG/", 0), ("oKG/oKG/", 0), ("/", 37), ("rr/", 39)] {
            let run = format!("{binary}{lead}{}", "d29yZHMgYW5kIG1vcmUg".repeat(4));
            assert_eq!(judge(&run.as_bytes()[..LONG], true, None).unwrap().skip, skip, "{run}");
        }
        // What reads like text by chance is none.
        let chance = format!("{binary}oKG/gGFiY2SAZWZnaIBp{}", "oKGi".repeat(20));
        assert_eq!(judge(&chance.as_bytes()[..AHEAD], true, None).unwrap().skip, 0);
        // Text comes before what stands behind a sign.
        assert_eq!(whole(b"oKGio6SlpqeoqaqrNTM2LTIyLTg3NDEgaXQ/d29yZHMgYW5kIG1vcmU", None).unwrap().skip, 16);
    }

    #[test]
    fn base32_of_text() {
        for (run, upper) in [("GUZTMLJSGIWTQNZUGE", true), ("njqw4zjomrxwkqddn5zhaltfpbqw24dmmu", false)] {
            assert_eq!(whole(run.as_bytes(), None).unwrap().codec, Codec::Base32 { upper });
        }
        for word in ["INTERNATIONALISATION", "internationalisation", "JBSWY3DPEHPK3PXP", "GUZTMLJSGIWTQNZug"] {
            assert_eq!(whole(word.as_bytes(), None), None, "{word}");
        }
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
