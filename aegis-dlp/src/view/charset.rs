//! UTF-16 (RFC 2781), which is read and written as UTF-8 within.
//!
//! Lone surrogates become three bytes each, as if they were characters (WTF-8), so that every sequence of units has its own
//! bytes and leaves as it came.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// Names of charsets that have ASCII in single bytes and that the Encoding Standard does not list.
const OTHERS: [&str; 12] = [
    "binary",
    "8bit",
    "unknown-8bit",
    "utf8mb4",
    "latin-1",
    "ansi",
    "cp437",
    "ibm437",
    "cp850",
    "ibm850",
    "cp852",
    "ibm852",
];

/// How the characters of a body are written.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub enum Charset {
    /// UTF-8, or any other that has ASCII in single bytes.
    #[default]
    Utf8,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
}

impl Charset {
    /// What the `charset` parameter of a `Content-Type` says, where it is one of these; `utf-16` alone is big-endian. How a body
    /// begins has the last word: see [`Scanner::with_charset`](crate::Scanner::with_charset).
    pub fn from_content_type(value: Option<&str>) -> Option<Charset> {
        Self::named(&declared(value?).next()?)
    }

    /// The charset of this name in small letters.
    pub(crate) fn named(name: &str) -> Option<Charset> {
        match name {
            "utf-8" | "us-ascii" | "ascii" => Some(Charset::Utf8),
            "utf-16" | "utf-16be" | "ucs-2" | "iso-10646-ucs-2" | "unicode" => Some(Charset::Utf16Be),
            "utf-16le" => Some(Charset::Utf16Le),
            _ => None,
        }
    }

    /// Whether text of this media type can be read: its charset, where it names one, has ASCII in single bytes or is UTF-16.
    pub(crate) fn is_read(content_type: &str) -> bool {
        declared(content_type).all(|name| is_known(&name))
    }

    /// How a body that begins so is written; `None` while that depends on bytes to come. `declared` counts where the bytes
    /// say nothing.
    pub(crate) fn of(first: &[u8], declared: Option<Charset>, end: bool) -> Option<Charset> {
        let undeclared = declared.unwrap_or_default();
        Some(match *first {
            [0xFF, 0xFE, ..] => Charset::Utf16Le,
            [0xFE, 0xFF, ..] => Charset::Utf16Be,
            // As parsers of JSON tell it (RFC 4627, section 3): by the NUL of the first character.
            [a, 0, x, y, ..] if opens_wide(a, x, y) && (x, y) != (0, 0) => Charset::Utf16Le,
            [0, a, x, y, ..] if opens_wide(a, x, y) => Charset::Utf16Be,
            // Nobody writes four ASCII characters and says that they are two others: whoever reads by content reads them.
            [a, b, c, d, ..] if undeclared == Charset::Utf8 || [a, b, c, d].is_ascii() => Charset::Utf8,
            [_, _, _, _, ..] => undeclared,
            [a, b, ..] if undeclared == Charset::Utf8 && (a == 0) == (b == 0) => Charset::Utf8,
            [a, 0] if end && is_text(a) => Charset::Utf16Le,
            [0, a] if end && is_text(a) => Charset::Utf16Be,
            _ if end => undeclared,
            _ => return None,
        })
    }

    /// How many bytes a stretch of UTF-8 has in this charset.
    pub(crate) fn width(self, utf8: &[u8]) -> u64 {
        match self {
            Charset::Utf8 => utf8.len() as u64,
            _ => utf8
                .iter()
                .map(|byte| if *byte >= 0xF0 { 4 } else { u64::from(!matches!(byte, 0x80..=0xBF)) * 2 })
                .sum(),
        }
    }

    /// Appends a stretch of UTF-8 in this charset.
    pub(crate) fn write(self, utf8: &[u8], out: &mut Vec<u8>) {
        if self == Charset::Utf8 {
            return out.extend_from_slice(utf8);
        }
        let mut unit = |unit: u32| {
            let unit = u16::try_from(unit).unwrap_or(0xFFFD);
            out.extend_from_slice(&if self == Charset::Utf16Le { unit.to_le_bytes() } else { unit.to_be_bytes() });
        };
        let mut code = 0;
        let mut missing = 0;
        for byte in utf8 {
            (code, missing) = match *byte {
                byte @ 0x80..=0xBF => (code << 6 | u32::from(byte & 0x3F), i32::saturating_sub(missing, 1)),
                byte @ 0xF0.. => (u32::from(byte & 0x07), 3),
                byte @ 0xE0.. => (u32::from(byte & 0x0F), 2),
                byte @ 0xC0.. => (u32::from(byte & 0x1F), 1),
                byte => (u32::from(byte), 0),
            };
            if missing == 0 && code > 0xFFFF {
                unit(0xD7C0 + (code >> 10));
                unit(0xDC00 | code & 0x3FF);
            } else if missing == 0 {
                unit(code);
            }
        }
    }
}

/// Whether a character of ASCII and two bytes are UTF-16. What reads as a string, an end and a string is that, unless it is a
/// quote: behind that one JSON has any character.
fn opens_wide(first: u8, second: u8, third: u8) -> bool {
    is_text(first) && (first == b'"' || !is_text(second) || !is_text(third))
}

/// The charsets that a media type names, in small letters.
fn declared(content_type: &str) -> impl Iterator<Item = String> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    named.map(|(_, charset)| charset.trim().trim_matches(['"', '\'']).to_ascii_lowercase())
}

/// Whether text in a charset of this name is read: ASCII characters are single bytes in it, or it is UTF-16.
///
/// In others (UTF-7, UTF-32, EBCDIC, ISO-2022, HZ) a number is written in other bytes than it is looked for.
pub(crate) fn is_known(name: &str) -> bool {
    let listed = Encoding::for_label(name.as_bytes());
    let read = listed.is_some_and(|one| one.is_ascii_compatible() || one == UTF_16LE || one == UTF_16BE);
    read || name.is_empty() || OTHERS.contains(&name) || matches!(name, "utf-16le" | "utf-16be")
}

/// Whether text that begins so is in UTF-32: a mark, or a character of ASCII and another one, of four bytes each. `None` while
/// that depends on bytes to come.
pub(crate) fn is_utf32(first: &[u8], end: bool) -> Option<bool> {
    let unit = |from: usize| first.get(from..from + 4).and_then(|unit| <[u8; 4]>::try_from(unit).ok());
    let marks: [&[u8]; 2] = [&[0xFF, 0xFE, 0, 0], &[0, 0, 0xFE, 0xFF]];
    let Some(one) = unit(0) else {
        let open = match *first {
            [] => true,
            [byte, ref rest @ ..] if is_text(byte) => rest.iter().all(|zero| *zero == 0),
            _ => marks.iter().any(|mark| mark.starts_with(first)) || first.iter().all(|zero| *zero == 0),
        };
        return if open && !end { None } else { Some(false) };
    };
    if marks.contains(&one.as_slice()) {
        return Some(true);
    }
    let wide: fn([u8; 4]) -> u32 = match one {
        [a, 0, 0, 0] if is_text(a) => u32::from_le_bytes,
        [0, 0, 0, a] if is_text(a) => u32::from_be_bytes,
        _ => return Some(false),
    };
    match unit(4) {
        Some(two) => {
            Some(char::from_u32(wide(two)).is_some_and(|second| !second.is_control() || second.is_whitespace()))
        }
        None => end.then_some(first.len() == 4),
    }
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Turns a stream into UTF-8.
#[derive(Debug, Default)]
pub(crate) struct Transcoder {
    charset: Charset,
    /// A byte that is half a unit.
    half: Option<u8>,
    /// The first half of a character of two units.
    high: Option<u16>,
}

impl Transcoder {
    pub(crate) fn new(charset: Charset) -> Self {
        Transcoder { charset, half: None, high: None }
    }

    pub(crate) fn charset(&self) -> Charset {
        self.charset
    }

    /// Appends the next bytes of the stream as UTF-8.
    pub(crate) fn append(&mut self, bytes: &[u8], utf8: &mut Vec<u8>) {
        if self.charset == Charset::Utf8 {
            return utf8.extend_from_slice(bytes);
        }
        for byte in bytes {
            let Some(first) = self.half.take() else {
                self.half = Some(*byte);
                continue;
            };
            let pair = [first, *byte];
            self.unit(
                if self.charset == Charset::Utf16Le { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) },
                utf8,
            );
        }
    }

    fn unit(&mut self, unit: u16, utf8: &mut Vec<u8>) {
        if let Some(high) = self.high.take() {
            if let 0xDC00..=0xDFFF = unit {
                return character(0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(unit) - 0xDC00), utf8);
            }
            character(u32::from(high), utf8);
        }
        match unit {
            0xD800..=0xDBFF => self.high = Some(unit),
            unit => character(u32::from(unit), utf8),
        }
    }

    /// Appends the rest as UTF-8; gives the odd byte at the end of the stream, which has none.
    pub(crate) fn end(&mut self, utf8: &mut Vec<u8>) -> Option<u8> {
        if let Some(high) = self.high.take() {
            character(u32::from(high), utf8);
        }
        self.half.take()
    }
}

/// Appends a code point, or a surrogate as if it were one.
fn character(code: u32, utf8: &mut Vec<u8>) {
    let byte = |shift: u32, mask: u32, mark: u32| u8::try_from(mark | code >> shift & mask).unwrap_or(b'?');
    match code {
        0..0x80 => utf8.push(byte(0, 0x7F, 0)),
        0x80..0x800 => utf8.extend([byte(6, 0x1F, 0xC0), byte(0, 0x3F, 0x80)]),
        0x800..0x10000 => utf8.extend([byte(12, 0x0F, 0xE0), byte(6, 0x3F, 0x80), byte(0, 0x3F, 0x80)]),
        _ => utf8.extend([byte(18, 0x07, 0xF0), byte(12, 0x3F, 0x80), byte(6, 0x3F, 0x80), byte(0, 0x3F, 0x80)]),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_sequence_of_bytes_comes_back() {
        let units = |units: &[u16]| units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>();
        for bytes in [
            units(&[0x61, 0xE9, 0x4E2D, 0xD83D, 0xDE00, 0xFEFF]),
            units(&[0xD83D, 0x61, 0xDE00, 0xD83D]),
            units(&[0xD83D, 0xD83D, 0xDE00, 0xDE00, 0]),
            vec![1, 2, 3],
        ] {
            for charset in [Charset::Utf16Le, Charset::Utf16Be] {
                let (mut utf8, mut back) = (Vec::new(), Vec::new());
                let mut transcoder = Transcoder::new(charset);
                bytes.iter().for_each(|byte| transcoder.append(&[*byte], &mut utf8));
                let odd = transcoder.end(&mut utf8);
                charset.write(&utf8, &mut back);
                assert_eq!(charset.width(&utf8), back.len() as u64);
                back.extend(odd);
                assert_eq!(back, bytes);
            }
        }
    }

    #[test]
    fn charsets_are_told_by_how_a_body_begins() {
        use Charset::{Utf8, Utf16Be, Utf16Le};
        for (first, declared, charset) in [
            (&b"\xff\xfe"[..], None, Utf16Le),
            (b"\xfe\xff", Some(Utf16Le), Utf16Be),
            (b"{\0\"\0", None, Utf16Le),
            (b"\0{\0\"", Some(Utf16Le), Utf16Be),
            (b"{\"a\"", Some(Utf16Le), Utf8),
            (b"N-\x4e\x8c", Some(Utf16Be), Utf16Be),
            (b"a\0", None, Utf16Le),
            (b"a", None, Utf8),
            (b"\0\0", None, Utf8),
            (b"\"\0\x2d\x4e", None, Utf16Le),
            (b"\0\"\x4e\x2d", None, Utf16Be),
            (b"a\0\0\0", None, Utf8),
            (b"", None, Utf8),
        ] {
            assert_eq!(Charset::of(first, declared, true), Some(charset), "{first:?}");
            for length in 0..first.len() {
                let early = Charset::of(&first[..length], declared, false);
                assert!(early.is_none_or(|early| early == charset), "{first:?} {length}");
            }
        }
        assert_eq!(Charset::of(b"ab", None, false), Some(Utf8), "two bytes are enough");
        let declared = |value| Charset::from_content_type(Some(value));
        assert_eq!(declared("text/plain; charset=UTF-16LE"), Some(Utf16Le));
        assert_eq!(declared("text/plain; a=b; Charset=\"utf-16\""), Some(Utf16Be));
        assert_eq!((declared("text/plain"), declared("text/plain; charset=latin1")), (None, None));
    }

    #[test]
    fn charsets_that_are_read() {
        for (value, read) in [
            ("text/plain", true),
            ("text/plain; charset=UTF-8", true),
            ("text/plain; charset=\"iso-8859-15\"", true),
            ("text/plain; charset=windows-1252", true),
            ("text/plain; charset=shift_jis", true),
            ("text/plain; charset=utf-16", true),
            ("application/octet-stream; charset=binary", true),
            ("text/plain; charset=utf-7", false),
            ("text/plain; charset='UTF-7'", false),
            ("text/plain; charset=utf-8; charset=utf-7", false),
            ("application/json; charset=utf-32", false),
            ("text/plain; charset=ibm037", false),
            ("text/plain; charset=cp500", false),
            ("text/plain; charset=hz-gb-2312", false),
            ("text/plain; charset=iso-2022-jp", false),
            ("text/plain; charset=x-nobody-knows", false),
        ] {
            assert_eq!(Charset::is_read(value), read, "{value}");
        }
    }

    #[test]
    fn utf32_is_told_by_its_zeros() {
        for (first, told) in [
            (&b"\xff\xfe\0\0"[..], true),
            (b"\0\0\xfe\xff", true),
            (b"{\0\0\0\"\0\0\0", true),
            (b"\0\0\0{\0\0\0\n", true),
            (b"\"\0\0\0\x2d\x4e\0\0", true),
            (b"a\0\0\0", true),
            (b"a\0b\0", false),
            (b"a\0\0\0\x02\0\0\0", false),
            (b"a\0\0\0\xff\xff\xff\xff", false),
            (b"\0\0\0\0", false),
            (b"abcd", false),
            (b"", false),
        ] {
            assert_eq!(is_utf32(first, true), Some(told), "{first:?}");
            for length in 0..first.len() {
                assert!(is_utf32(&first[..length], false).is_none_or(|early| early == told), "{first:?} {length}");
            }
        }
        assert_eq!(is_utf32(b"ab", false), Some(false), "two bytes are enough");
    }
}
