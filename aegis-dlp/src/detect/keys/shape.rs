//! What the bytes of keys are, and what they are not.

/// A class of bytes.
pub(in crate::detect) type Class = fn(u8) -> bool;
/// Whether the body of a key may be one.
pub(in crate::detect) type Check = fn(&[u8]) -> bool;

pub(in crate::detect) fn hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

pub(in crate::detect) fn hex_any(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

pub(in crate::detect) fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

pub(in crate::detect) fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

pub(in crate::detect) fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// Letters, digits and `_`.
pub(in crate::detect) fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(in crate::detect) fn hyphenated(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// base64url (RFC 4648, section 5).
pub(in crate::detect) fn url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Parts of base64url with dots between them.
pub(in crate::detect) fn dotted(byte: u8) -> bool {
    url_safe(byte) || byte == b'.'
}

/// base64 of either alphabet with its padding.
pub(in crate::detect) fn padded(byte: u8) -> bool {
    url_safe(byte) || matches!(byte, b'+' | b'/' | b'=')
}

/// Parts of a path.
pub(in crate::detect) fn path(byte: u8) -> bool {
    url_safe(byte) || byte == b'/'
}

/// Parts of the path of a Teams webhook.
pub(in crate::detect) fn webhook(byte: u8) -> bool {
    path(byte) || byte == b'@'
}

/// Different bytes that a key has at least, not to be `xxxx...` or `0000...` of an example.
const KINDS: usize = 4;

/// Not one byte over and over.
pub(in crate::detect) fn varied(body: &[u8]) -> bool {
    let (mut seen, mut kinds) = ([0_u64; 4], 0);
    body.iter().any(|byte| {
        if let Some(word) = seen.get_mut(usize::from(byte >> 6)) {
            kinds += usize::from(*word >> (byte & 63) & 1 == 0);
            *word |= 1 << (byte & 63);
        }
        kinds == KINDS
    })
}

/// With a digit, as words with hyphens between them seldom are.
pub(in crate::detect) fn mixed(body: &[u8]) -> bool {
    body.iter().any(u8::is_ascii_digit) && body.iter().any(u8::is_ascii_alphabetic) && varied(body)
}

/// With a digit, or with letters of both cases: no word in small letters.
pub(in crate::detect) fn scattered(body: &[u8]) -> bool {
    let any = |class: fn(&u8) -> bool| body.iter().any(class);
    (any(u8::is_ascii_digit) || any(u8::is_ascii_uppercase) && (any(u8::is_ascii_lowercase) || body.contains(&b'-')))
        && varied(body)
}

/// Capitals and digits.
pub(in crate::detect) fn capitals(body: &[u8]) -> bool {
    body.iter().all(|byte| upper(*byte)) && varied(body)
}

/// Capitals and the digits of base32 (RFC 4648, section 6).
pub(in crate::detect) fn base32(body: &[u8]) -> bool {
    body.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')) && varied(body)
}

/// 8-4-4-4-12 hexadecimal digits.
pub(in crate::detect) fn uuid(body: &[u8]) -> bool {
    let hyphens = [8, 13, 18, 23];
    let right = |(at, byte): (usize, &u8)| if hyphens.contains(&at) { *byte == b'-' } else { byte.is_ascii_hexdigit() };
    body.len() == 36 && body.iter().enumerate().all(right) && varied(body)
}

/// The sizes of the parts that a byte divides.
pub(in crate::detect) fn parts(body: &[u8], divider: u8) -> impl Iterator<Item = usize> {
    body.split(move |byte| *byte == divider).map(<[u8]>::len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_no_keys() {
        for body in [&b"xxxxxxxxxxxxxxxxxxxx"[..], b"00000000000000000000", b"ab-ab-ab-ab-ab-ab-ab"] {
            assert!(!varied(body));
        }
        assert!(mixed(b"a1b2c3d4") && !mixed(b"your-key-goes-here") && !mixed(b"123456789"));
        assert!(uuid(b"550e8400-e29b-41d4-a716-446655440000") && !uuid(b"550e8400-e29b-41d4-a716-44665544000"));
    }
}
