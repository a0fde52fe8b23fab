//! Reading one escape: what a stretch of raw bytes that begins with a special byte stands for.

use super::{Encoding, entity, json, percent};

/// What begins at a special byte.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Escape {
    /// So many raw bytes stand for this byte.
    Byte(u8, usize),
    /// So many raw bytes are an escape for this character beyond ASCII.
    Char(u32, usize),
    /// A character beyond ASCII as UTF-8, of so many bytes.
    Wide(u32, usize),
    /// No escape: the byte stands for itself.
    Literal,
    /// Cut off by the end of the data.
    Partial,
}

/// Reads what begins `bytes`; never [`Escape::Partial`] where no more bytes come.
pub(super) fn read(encoding: Encoding, bytes: &[u8], end: bool) -> Escape {
    let escape = match bytes.first() {
        Some(b'\\') => json::unescape(bytes, encoding.is_json()),
        Some(b'%') => percent::unescape(bytes, encoding),
        Some(b'+') if encoding == Encoding::Form => Escape::Byte(b' ', 1),
        Some(b'&') if encoding.has_references() => entity::unescape(bytes, encoding == Encoding::Xml),
        Some(0x80..) => utf8(bytes),
        _ => Escape::Literal,
    };
    if end && escape == Escape::Partial { Escape::Literal } else { escape }
}

/// One character of UTF-8.
fn utf8(bytes: &[u8]) -> Escape {
    let Some(&first) = bytes.first() else { return Escape::Partial };
    let (length, mut code) = match first {
        0xC2..=0xDF => (2, u32::from(first & 0x1F)),
        0xE0..=0xEF => (3, u32::from(first & 0x0F)),
        0xF0..=0xF4 => (4, u32::from(first & 0x07)),
        _ => return Escape::Literal,
    };
    for position in 1..length {
        match bytes.get(position) {
            Some(next @ 0x80..=0xBF) => code = code << 6 | u32::from(next & 0x3F),
            Some(_) => return Escape::Literal,
            None => return Escape::Partial,
        }
    }
    Escape::Wide(code, length)
}

/// The value of so many hexadecimal digits from `from` on. `Err(Partial)` where they are cut off, `Err(Literal)` where they
/// are none.
pub(super) fn hex(bytes: &[u8], from: usize, digits: usize) -> Result<u32, Escape> {
    let mut value = 0;
    for position in from..from + digits {
        let digit = bytes.get(position).ok_or(Escape::Partial)?;
        value = value * 16 + char::from(*digit).to_digit(16).ok_or(Escape::Literal)?;
    }
    Ok(value)
}

/// A code point that was written with escapes, as so many raw bytes.
pub(super) fn character(code: u32, length: usize) -> Escape {
    match u8::try_from(code) {
        // So each quote of the view is one that delimits a string.
        Ok(b'"') => Escape::Byte(b'\'', length),
        Ok(byte) if byte.is_ascii() => Escape::Byte(byte, length),
        _ => Escape::Char(code, length),
    }
}
