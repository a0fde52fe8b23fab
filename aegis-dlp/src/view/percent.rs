//! Percent encoding (RFC 3986, section 2.1).

use super::Encoding;
use super::escape::{Escape, character, hex};

/// What the `%` at the start of `bytes` stands for.
///
/// In forms and URLs a percent sign begins an escape. Elsewhere it may be one for itself (`LIKE '%523-45-6789%'`): there only
/// what stands for a printable character is one, and two digits before a third are not, but for `%20` and `%40`. `%u0040` is one
/// everywhere: so `escape` of JavaScript writes it, and many a server reads it.
pub(super) fn unescape(bytes: &[u8], encoding: Encoding) -> Escape {
    if bytes.get(1) == Some(&b'u') {
        return match hex(bytes, 2, 4) {
            Ok(code @ 0x20..) => character(code, 6),
            Ok(_) => Escape::Literal,
            Err(escape) => escape,
        };
    }
    let code = match hex(bytes, 1, 2) {
        Ok(code) => code,
        Err(escape) => return escape,
    };
    let once = match u8::try_from(code) {
        Ok(byte @ 0x80..) if encoding.is_percent() => return wide(bytes, Escape::Byte(byte, 3)),
        Ok(0x80..) => return wide(bytes, Escape::Literal),
        // As in JSON strings: a quote of the view is one that delimits a string.
        Ok(b'"') if !matches!(encoding, Encoding::Form | Encoding::Percent) => Escape::Byte(b'\'', 3),
        Ok(byte) => Escape::Byte(byte, 3),
        Err(_) => return Escape::Literal,
    };
    if encoding.is_percent() {
        return once;
    }
    match printable(bytes, 1, code) {
        Ok(true) => once,
        Ok(false) => Escape::Literal,
        Err(escape) => escape,
    }
}

/// Whether the two digits at `at`, of this value, are an escape rather than part of what follows a percent sign.
fn printable(bytes: &[u8], at: usize, code: u32) -> Result<bool, Escape> {
    if !(0x20..0x7f).contains(&code) && !matches!(code, 0x09 | 0x0a | 0x0d) {
        return Ok(false);
    }
    let digits = bytes.get(at..at + 2).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit));
    if !digits || matches!(code, 0x20 | 0x40) {
        return Ok(true);
    }
    bytes.get(at + 2).map(|next| !next.is_ascii_digit()).ok_or(Escape::Partial)
}

/// A character of UTF-8 of which each byte is percent-encoded; else the first byte is what `alone` says.
fn wide(bytes: &[u8], alone: Escape) -> Escape {
    let byte = |number: usize| match (bytes.get(3 * number), hex(bytes, 3 * number + 1, 2)) {
        (Some(b'%'), Ok(code)) => Ok(code),
        (Some(b'%') | None, Err(Escape::Partial)) => Err(Escape::Partial),
        _ => Err(Escape::Literal),
    };
    let (length, mut code) = match byte(0) {
        Ok(first @ 0xC2..=0xDF) => (2, first & 0x1F),
        Ok(first @ 0xE0..=0xEF) => (3, first & 0x0F),
        Ok(first @ 0xF0..=0xF4) => (4, first & 0x07),
        _ => return alone,
    };
    for number in 1..length {
        match byte(number) {
            Ok(next @ 0x80..=0xBF) => code = code << 6 | next & 0x3F,
            Err(Escape::Partial) => return Escape::Partial,
            _ => return alone,
        }
    }
    Escape::Char(code, 3 * length)
}
