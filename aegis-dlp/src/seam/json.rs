//! Goes over a JSON text (RFC 8259) from value to value: nothing is built, each line of many is gone over once.

use std::ops::Range;

use serde::de::IgnoredAny;

/// A place in a JSON text. What is no JSON gives `None`, and ends the reading.
pub(super) struct Cursor<'m> {
    text: &'m str,
    pub(super) at: usize,
}

/// A string: its bytes, quotes included.
pub(super) struct Quoted {
    pub(super) at: Range<usize>,
    /// It has escapes.
    pub(super) escaped: bool,
}

impl<'m> Cursor<'m> {
    pub(super) fn new(text: &'m str) -> Cursor<'m> {
        Cursor { text, at: 0 }
    }

    #[inline]
    fn rest(&self) -> &'m [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next byte.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no blank.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u8> {
        loop {
            match self.peek()? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Goes past this byte where it is the next one that is no blank.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.next() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Whether nothing but blanks is left.
    pub(super) fn is_over(&mut self) -> bool {
        self.next().is_none()
    }

    /// Goes past the string that begins here.
    #[inline]
    pub(super) fn string(&mut self) -> Option<Quoted> {
        let from = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain(self.rest());
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(Quoted { at: from..self.at, escaped });
                }
                b'\\' => {
                    escaped = true;
                    self.at += escape(self.rest())?;
                }
                _ => return None,
            }
        }
    }

    /// Goes past the number or the word that begins here.
    #[inline]
    pub(super) fn scalar(&mut self) -> Option<()> {
        let rest = self.rest();
        let length = match rest.first()? {
            b't' => rest.starts_with(b"true").then_some(4),
            b'n' => rest.starts_with(b"null").then_some(4),
            b'f' => rest.starts_with(b"false").then_some(5),
            _ => number(rest),
        };
        self.at += length?;
        Some(())
    }

    /// Goes past the object or list that begins here, however deep it is.
    pub(super) fn skip(&mut self) -> Option<()> {
        let mut values = serde_json::Deserializer::from_str(self.text.get(self.at..)?).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(())
    }
}

impl Quoted {
    /// The string as it stands there, without its quotes.
    #[inline]
    pub(super) fn raw<'m>(&self, text: &'m str) -> &'m str {
        text.get(self.at.start + 1..self.at.end - 1).unwrap_or_default()
    }
}

/// How many bytes of a string come before its end, an escape, or what may not stand in one.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest bit of each is right: what is borrowed goes up.
        let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word & HIGH;
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let ends = is(b'"') | is(b'\\') | below(word, b' ');
        if ends != 0 {
            return number * 8 + ends.trailing_zeros() as usize / 8;
        }
    }
    let left = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..b' ')).count();
    words.len() * 8 + left
}

/// The length of the escape that begins here.
fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => bytes.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// The length of the number that begins here.
fn number(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let is = |at: usize, signs: &[u8]| bytes.get(at).is_some_and(|byte| signs.contains(byte));
    let whole = usize::from(is(0, b"-"));
    let mut end = digits(whole);
    if end == whole || is(whole, b"0") && end > whole + 1 {
        return None;
    }
    if is(end, b".") {
        let fraction = end + 1;
        end = digits(fraction);
        if end == fraction {
            return None;
        }
    }
    if is(end, b"eE") {
        let exponent = end + 1 + usize::from(is(end + 1, b"+-"));
        end = digits(exponent);
        if end == exponent {
            return None;
        }
    }
    Some(end)
}
