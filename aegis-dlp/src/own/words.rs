//! How values of a dictionary and words of a text are made the same.
//!
//! A word is a run of ASCII letters, digits and bytes beyond ASCII. Words are put together without what stands between
//! them, in small letters: `ACME-0012 34`, `acme 001234` and `Acme/0012-34` are one value.

use std::borrow::Cow;

/// The most bytes of a value without what is between its words.
pub(super) const LONGEST: usize = 64;
/// The fewest.
pub(super) const SHORTEST: usize = 4;
/// The most words of a value, as a text writes it.
pub(super) const WORDS: usize = 8;
/// The most bytes between two words of a value.
pub(super) const GAP: usize = 3;

/// Whether the byte is part of a word.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// Whether the byte may stand between the words of a value.
pub(super) fn is_gap(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b'-' | b'_' | b'.' | b'/' | b',' | b':' | b'\'' | b'(' | b')' | b'+' | b'#' | b'&' | b'@'
    )
}

/// Words put together, at most [`LONGEST`] bytes.
#[derive(Copy, Clone, Debug)]
pub(super) struct Same {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Same {
    pub(super) const EMPTY: Same = Same { bytes: [0; LONGEST], length: 0 };

    /// Adds a word; false where there is no room for it.
    pub(super) fn add(&mut self, word: &[u8]) -> bool {
        let small = small(word);
        let Some(room) = self.bytes.get_mut(self.length..self.length + small.len()) else { return false };
        room.copy_from_slice(&small);
        self.length += small.len();
        true
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// A whole value; `None` where it has nothing but gaps, too many words or bytes, or what stands in no value.
    pub(super) fn of_value(value: &str) -> Result<Same, &'static str> {
        let mut same = Same::EMPTY;
        let mut count = 0;
        for word in value.as_bytes().chunk_by(|left, right| is_word(*left) == is_word(*right)) {
            if !word.first().copied().is_some_and(is_word) {
                if word.iter().any(|byte| !is_gap(*byte)) {
                    return Err("it holds a character that does not stand in values");
                }
                if count > 0 && word.len() > GAP {
                    return Err("there is too much between two of its words");
                }
                continue;
            }
            count += 1;
            if count > WORDS {
                return Err("it has more than 8 words");
            }
            if !same.add(word) {
                return Err("it is longer than 64 bytes");
            }
        }
        if same.length < SHORTEST { Err("it has fewer than 4 letters and digits") } else { Ok(same) }
    }
}

/// A word in small letters (Unicode's simple and special mappings, without regard to a language).
fn small(word: &[u8]) -> Cow<'_, [u8]> {
    if word.is_ascii() {
        return if word.iter().any(u8::is_ascii_uppercase) { word.to_ascii_lowercase().into() } else { word.into() };
    }
    match std::str::from_utf8(word) {
        Ok(text) => Cow::Owned(text.to_lowercase().into_bytes()),
        Err(_) => word.to_ascii_lowercase().into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_same_however_they_are_written() {
        for value in ["ACME-0012 34", "acme001234", "Acme/00-12_34", " acme 0012 34 ", "a c m e 0 0 1234"] {
            assert_eq!(Same::of_value(value).unwrap().bytes(), b"acme001234", "{value}");
        }
        assert_eq!(Same::of_value("ÄRGER Straße").unwrap().bytes(), "ärgerstraße".as_bytes());
        assert_eq!(Same::of_value("O'Brien, Jane").unwrap().bytes(), b"obrienjane");
    }

    #[test]
    fn what_is_no_value() {
        for value in
            ["", "abc", "---", "a b c", "abcd\"e", "ab\ncd", "abcd    efgh", &"a".repeat(65), "a b c d e f g h i"]
        {
            assert!(Same::of_value(value).is_err(), "{value:?}");
        }
    }
}
