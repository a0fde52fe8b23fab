//! JSON string escapes (RFC 8259, section 7).

use super::Escape;

/// Stands in the view for any character beyond ASCII that was written as `\u`: no detector cares which.
const BEYOND_ASCII: u8 = 0x80;

/// What the backslash at the start of `bytes` begins.
///
/// An escaped quote shows as `'`: so each `"` of the view is one that delimits a string.
pub(super) fn unescape(bytes: &[u8]) -> Escape {
    let Some(kind) = bytes.get(1) else {
        return Escape::Partial;
    };
    let byte = match kind {
        b'"' => b'\'',
        b'\\' | b'/' => *kind,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unicode(bytes),
        _ => return Escape::Literal,
    };
    Escape::Byte(byte, 2)
}

fn unicode(bytes: &[u8]) -> Escape {
    let digits = bytes.get(2..).unwrap_or_default();
    let mut code = 0;
    for position in 0..4 {
        let Some(&digit) = digits.get(position) else {
            return Escape::Partial;
        };
        let Some(value) = char::from(digit).to_digit(16) else {
            return Escape::Literal;
        };
        code = code * 16 + value;
    }
    let byte = match u8::try_from(code) {
        Ok(b'"') => b'\'',
        Ok(byte) if byte.is_ascii() => byte,
        _ => BEYOND_ASCII,
    };
    Escape::Byte(byte, 6)
}
