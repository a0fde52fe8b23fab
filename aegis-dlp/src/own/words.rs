//! How values of a dictionary and words of a text are made the same.
//!
//! A word is a run of letters and digits of any script; those of scripts that are written without blanks are words of their
//! own beside others. Words are put together without what stands between them, in small letters: `ACME-0012 34`, `acme
//! 001234` and `Acme/0012-34` are one value, and it is found in `“ACME-001234”` and in `客户ACME-001234。` as well.

use std::borrow::Cow;

/// The most bytes of a value without what is between its words.
pub(super) const LONGEST: usize = 64;
/// The fewest.
pub(super) const SHORTEST: usize = 4;
/// The most words of a value, as a text writes it.
pub(super) const WORDS: usize = 8;
/// The most characters between two words of a value.
pub(super) const GAP: usize = 3;
/// Bytes of a character (UTF-8, RFC 3629).
pub(super) const CHAR: usize = 4;

/// What a character is to a word.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Class {
    /// A letter or digit.
    Letter,
    /// A letter of a script that is written without blanks.
    Dense,
    /// Anything else: a word ends there.
    Edge,
}

impl Class {
    fn of(char: char) -> Class {
        match char {
            char if char.is_ascii_alphanumeric() => Class::Letter,
            // Thai, Lao; Myanmar; Khmer; kana, bopomofo, Hangul; Han.
            '\u{e00}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3041}'..='\u{318f}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7ff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
                if char != '\u{30fb}' =>
            {
                Class::Dense
            }
            // Marks that are written over letters, and signs of Indic scripts within words.
            '\u{300}'..='\u{36f}' | '\u{900}'..='\u{963}' | '\u{966}'..='\u{dff}' => Class::Letter,
            char if char.is_alphanumeric() => Class::Letter,
            _ => Class::Edge,
        }
    }
}

/// The class of the character that the bytes begin with, and its length; `None` where its end has not arrived. A byte that begins
/// no character is a letter of an old charset.
pub(super) fn class(bytes: &[u8]) -> Option<(Class, usize)> {
    let lead = *bytes.first()?;
    let length = match lead {
        0..=0x7f => return Some((Class::of(char::from(lead)), 1)),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Some((Class::Letter, 1)),
    };
    let arrived = bytes.get(..length.min(bytes.len())).unwrap_or_default();
    match std::str::from_utf8(arrived) {
        Ok(text) => text.chars().next().map(|char| (Class::of(char), length)),
        Err(error) if error.error_len().is_none() => None,
        Err(_) => Some((Class::Letter, 1)),
    }
}

/// The class of the character that ends the bytes.
pub(super) fn class_before(bytes: &[u8]) -> Class {
    let Some(last) = bytes.last() else { return Class::Edge };
    if last.is_ascii() {
        return Class::of(char::from(*last));
    }
    let lead = bytes.iter().rev().take(CHAR).position(|byte| !is_continuation(*byte));
    let char = lead.and_then(|back| bytes.get(bytes.len() - back - 1..)).unwrap_or_default();
    class(char).filter(|(_, length)| *length == char.len()).map_or(Class::Letter, |(class, _)| class)
}

/// A byte within a character.
pub(super) fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Whether the byte may be part of a word.
pub(super) fn may_be_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// The bytes of the word that these begin with; all of them where it does not end in them.
pub(super) fn word(bytes: &[u8]) -> usize {
    let (mut length, mut kind) = (0, None);
    while let Some((class, more)) = class(bytes.get(length..).unwrap_or_default()) {
        if class == Class::Edge || kind.is_some_and(|kind| kind != class) {
            return length;
        }
        (length, kind) = (length + more, Some(class));
    }
    bytes.len()
}

/// Whether the ASCII character may stand between the words of a value; beyond ASCII any that is no letter may.
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
        let (mut rest, mut gap) = (value.as_bytes(), 0);
        while let Some((class, length)) = class(rest) {
            if class == Class::Edge {
                if rest.first().is_some_and(|byte| byte.is_ascii() && !is_gap(*byte)) {
                    return Err("it holds a character that does not stand in values");
                }
                gap += 1;
                if count > 0 && gap > GAP {
                    return Err("there is too much between two of its words");
                }
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            let (word, behind) = rest.split_at(word(rest));
            (rest, gap) = (behind, 0);
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
        for value in ["O'Brien, Jane", "O\u{2019}Brien\u{2026} Jane", "\u{201c}O\u{b4}Brien\u{201d} \u{2022}Jane"] {
            assert_eq!(Same::of_value(value).unwrap().bytes(), b"obrienjane", "{value}");
        }
        assert_eq!(Same::of_value("田中Corp・東京").unwrap().bytes(), "田中corp東京".as_bytes());
    }

    #[test]
    fn characters_have_the_class_that_readers_give_them() {
        for (text, wanted) in [
            ("aZ9éßяλع", Class::Letter),
            ("e\u{301}हिन्दी", Class::Letter),
            ("客かカ한ไทย", Class::Dense),
            ("“”‘’«»•…€。、「」・–§©™　", Class::Edge),
        ] {
            for char in text.chars() {
                let mut bytes = [0; CHAR];
                let bytes = char.encode_utf8(&mut bytes).as_bytes();
                assert_eq!(class(bytes), Some((wanted, bytes.len())), "{char}");
                assert_eq!(class_before(&[b"x", bytes].concat()), wanted, "{char}");
                if bytes.len() > 1 {
                    assert_eq!(class(&bytes[..bytes.len() - 1]), None, "{char}");
                }
            }
        }
        for odd in [&b"\x80"[..], b"\xe9a", b"\xff", b"\xc0\x80"] {
            assert_eq!(class(odd), Some((Class::Letter, 1)), "{odd:?}");
        }
        assert_eq!((word("ab\u{201d}c".as_bytes()), word("客户ab".as_bytes()), word(b"ab")), (2, 6, 2));
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
