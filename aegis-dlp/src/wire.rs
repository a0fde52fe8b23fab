//! The wire format of protocol buffers (protobuf.dev, "Encoding").

/// The longest message: what gRPC takes by default.
pub(crate) const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Groups within groups that are opened.
const GROUPS: usize = 24;
/// The largest number of a field.
const LARGEST: u64 = 0x1fff_ffff;

/// It is no message.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

/// What stands behind a tag.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Value {
    Varint(u64),
    Fixed64(u64),
    /// So many bytes as its length says.
    Bytes,
    /// A group begins, ends.
    Open,
    Close,
    Fixed32(u32),
}

/// A field of a message, or of a group in it.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Token {
    pub(crate) number: u32,
    /// Where the tag is, where what follows it is, and where its value is: for bytes behind their length.
    pub(crate) tag: usize,
    pub(crate) prefix: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) value: Value,
}

/// The fields of a message in order. It ends with an error where that is none.
pub(crate) struct Tokens<'m> {
    message: &'m [u8],
    at: usize,
    groups: Vec<u32>,
}

impl<'m> Tokens<'m> {
    pub(crate) fn of(message: &'m [u8]) -> Self {
        Tokens { message, at: 0, groups: Vec::new() }
    }

    fn token(&mut self) -> Option<Token> {
        let tag = self.at;
        let (head, prefix) = varint(self.message, tag)?;
        let number = u32::try_from(head >> 3).ok().filter(|number| (1..=LARGEST).contains(&u64::from(*number)))?;
        let after = self.message.get(prefix..)?;
        let (start, end, value) = match head & 7 {
            0 => {
                let (value, end) = varint(self.message, prefix)?;
                (prefix, end, Value::Varint(value))
            }
            1 => (prefix, prefix + 8, Value::Fixed64(u64::from_le_bytes(*after.first_chunk()?))),
            2 => {
                let (length, start) = varint(self.message, prefix)?;
                let end = start.checked_add(usize::try_from(length).ok()?)?;
                (start, end, Value::Bytes)
            }
            3 if self.groups.len() < GROUPS => {
                self.groups.push(number);
                (prefix, prefix, Value::Open)
            }
            4 if self.groups.pop() == Some(number) => (prefix, prefix, Value::Close),
            5 => (prefix, prefix + 4, Value::Fixed32(u32::from_le_bytes(*after.first_chunk()?))),
            _ => return None,
        };
        (end <= self.message.len()).then_some(Token { number, tag, prefix, start, end, value })
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<Token, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            let open = !std::mem::take(&mut self.groups).is_empty();
            return open.then_some(Err(Malformed));
        }
        let token = self.token();
        self.at = token.map_or(self.message.len(), |token| token.end);
        if token.is_none() {
            self.groups.clear();
        }
        Some(token.ok_or(Malformed))
    }
}

/// Whether these bytes are a message.
pub(crate) fn is_message(bytes: &[u8]) -> bool {
    Tokens::of(bytes).all(|token| token.is_ok())
}

/// The number at a place, and the place behind it.
pub(crate) fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (number, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * number);
        if byte & 0x80 == 0 {
            return Some((value, at + number + 1));
        }
    }
    None
}

pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes().first().copied().unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.extend(value.to_le_bytes().first());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_variable_length() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            assert_eq!(varint(&bytes, 0), Some((value, bytes.len())));
            assert_eq!(varint(&bytes[..bytes.len() - 1], 0), None);
        }
        assert_eq!(varint(&[0x80; 11], 0), None);
    }

    #[test]
    fn what_is_a_message() {
        let values = |bytes: &[u8]| {
            let tokens: Result<Vec<Token>, Malformed> = Tokens::of(bytes).collect();
            tokens.map(|tokens| tokens.iter().map(|token| (token.number, token.value)).collect::<Vec<_>>())
        };
        let all = values(b"\x0a\x03abc\x12\x06abcdef\x10\x07\x1d1234\x21 8 bytes").unwrap();
        let fixed = (Value::Fixed32(u32::from_le_bytes(*b"1234")), Value::Fixed64(u64::from_le_bytes(*b" 8 bytes")));
        assert_eq!(all, [(1, Value::Bytes), (2, Value::Bytes), (2, Value::Varint(7)), (3, fixed.0), (4, fixed.1)]);
        let group = values(b"\x0b\x12\x06abcdef\x0c").unwrap();
        assert_eq!(group, [(1, Value::Open), (2, Value::Bytes), (1, Value::Close)]);
        for broken in [&b"\x0b\x12\x02hi"[..], b"\x0b\x14", b"\x0a\x04abc", b"hello", b"\x21 7bytes", b"\x00\x01"] {
            assert_eq!(values(broken), Err(Malformed), "{broken:?}");
        }
        assert!(is_message(b"123-45-6789"), "text that is a message without a text");
        assert!(!is_message(&b"\x0b".repeat(GROUPS + 1)));
    }
}
