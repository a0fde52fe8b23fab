//! Percent encoding (RFC 3986, section 2.1) and the form's `+` for a space (WHATWG URL).

use super::Escape;

/// What the `%` or `+` at the start of `bytes` stands for.
pub(super) fn unescape(bytes: &[u8]) -> Escape {
    if bytes.first() == Some(&b'+') {
        return Escape::Byte(b' ', 1);
    }
    let mut code = 0;
    for position in 1..3 {
        let Some(&digit) = bytes.get(position) else {
            return Escape::Partial;
        };
        let Some(value) = char::from(digit).to_digit(16) else {
            return Escape::Literal;
        };
        code = code * 16 + value;
    }
    u8::try_from(code).map_or(Escape::Literal, |byte| Escape::Byte(byte, 3))
}
