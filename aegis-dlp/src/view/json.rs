//! Backslash escapes: those of JSON strings (RFC 8259, section 7), also where JSON stands in a JSON string and each backslash
//! is escaped once more; in other text `\u`, `\x` and `\/`. In either those of source code besides: `\u{40}`, `\U00000040`.

use super::escape::{Escape, character, hex};

/// Backslashes before one character that are looked at: five levels of JSON in JSON.
const RUN: usize = 32;
/// Stands in the view for a quote that was escaped twice or more.
pub(crate) const DEEP_QUOTE: u8 = b'`';

/// What the backslash at the start of `bytes` begins.
///
/// An escaped quote shows as `'`: so each `"` of the view is one that delimits a string.
pub(super) fn unescape(bytes: &[u8], json: bool) -> Escape {
    let run = bytes.iter().take(RUN).take_while(|byte| **byte == b'\\').count();
    let Some(kind) = bytes.get(run) else {
        return Escape::Partial;
    };
    let byte = match kind {
        b'u' if bytes.get(run + 1) == Some(&b'{') => match braced(bytes, run + 2) {
            Escape::Literal => return backslash(run, json),
            escape => return escape,
        },
        b'U' => match hex(bytes, run + 1, 8) {
            Ok(code) => return character(code, run + 9),
            Err(Escape::Partial) => return Escape::Partial,
            Err(_) => return backslash(run, json),
        },
        b'u' => match unicode(bytes, run) {
            Escape::Literal => return backslash(run, json),
            escape => return escape,
        },
        b'x' => match hex(bytes, run + 1, 2) {
            Ok(code @ 0x20..0x7f) => return character(code, run + 3),
            Err(Escape::Partial) => return Escape::Partial,
            _ => return backslash(run, json),
        },
        b'/' => b'/',
        _ if !json => return Escape::Literal,
        b'"' if run % 2 == 0 => return backslash(run, json),
        b'"' if run > 1 => DEEP_QUOTE,
        kind => match simple(*kind) {
            Some(byte) => byte,
            None => return backslash(run, json),
        },
    };
    Escape::Byte(byte, run + 1)
}

/// What one backslash and this byte stand for in JSON, where that is all that there is to it.
#[inline]
pub(super) fn simple(kind: u8) -> Option<u8> {
    Some(match kind {
        b'"' => b'\'',
        b'/' => b'/',
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        _ => return None,
    })
}

/// A backslash before what it does not escape, or an escaped one.
fn backslash(run: usize, json: bool) -> Escape {
    if json && run > 1 { Escape::Byte(b'\\', 2) } else { Escape::Literal }
}

/// `\u{X}` with up to six digits, from its first one on.
fn braced(bytes: &[u8], from: usize) -> Escape {
    let mut code = 0;
    for (at, byte) in bytes.iter().enumerate().skip(from).take(7) {
        match char::from(*byte).to_digit(16) {
            Some(digit) if at < from + 6 => code = code * 16 + digit,
            None if *byte == b'}' && at > from => return character(code, at + 1),
            _ => return Escape::Literal,
        }
    }
    Escape::Partial
}

/// `\uXXXX` with so many backslashes, or two of them that are a surrogate pair.
fn unicode(bytes: &[u8], run: usize) -> Escape {
    let length = run + "uXXXX".len();
    let high = match hex(bytes, run + 1, 4) {
        Ok(code) => code,
        Err(escape) => return escape,
    };
    if !(0xD800..0xDC00).contains(&high) {
        return character(high, length);
    }
    for position in 0..=run {
        let expected = if position < run { b'\\' } else { b'u' };
        match bytes.get(length + position) {
            Some(byte) if *byte == expected => {}
            Some(_) => return Escape::Char(high, length),
            None => return Escape::Partial,
        }
    }
    match hex(bytes, length + run + 1, 4) {
        Ok(low @ 0xDC00..0xE000) => Escape::Char(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), 2 * length),
        Err(Escape::Partial) => Escape::Partial,
        _ => Escape::Char(high, length),
    }
}
