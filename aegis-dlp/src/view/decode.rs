//! From raw bytes to bytes of the view, one special place after the other.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};

use super::Encoding;
use super::again::{Again, TIMES};
use super::escape::{Escape, read};
use super::json::simple;
use super::lookalike::{Fold, fold, is_plain, is_script, is_tag};
use crate::lanes::{BLOCK, is, lanes_at};

/// Stands in the view for any character beyond ASCII that was written as an escape: no detector cares which.
const BEYOND_ASCII: u8 = 0x80;
/// Raw bytes that each byte of the view may have, and those that a stretch may have beyond that: nobody writes so many of which
/// nothing is seen, and all of them are held until what they stand in is decided.
const ROOM: usize = 24;
const PADDING: usize = 8 * 1024;
/// Tags and variation selectors in a row, of which a flag has six and anything else one or two. There is one for each byte: whole
/// texts are written in them that models read and nobody else does.
const TAGS: u8 = 6;
/// Letters in a row of other scripts than ours that may pass for ASCII ones: no word of those scripts is folded.
const WORD: usize = 8;

/// What the next raw bytes become.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// So many raw bytes stand for this byte.
    Byte(u8, usize),
    /// So many raw bytes stand for nothing.
    Nothing(usize),
    /// So many raw bytes stand for themselves.
    Same(usize),
    /// That depends on bytes to come.
    Wait,
    /// There is more that nobody sees than may be.
    Over,
}

/// What is known of the characters before the next one.
#[derive(Debug)]
pub(super) struct Decoder {
    encoding: Encoding,
    /// Raw bytes beyond those that the bytes of the view before may have.
    padding: usize,
    /// Tags and variation selectors since the last character that is seen.
    tags: u8,
    /// Whether more than may be is refused, and not shown.
    pub(super) strict: bool,
    /// The last byte of the view.
    last: u8,
    letters: Letters,
}

/// The run of Greek or Cyrillic letters under way.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Letters {
    None,
    Folded,
    Kept,
}

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        Decoder { encoding, padding: 0, tags: 0, strict: false, last: 0, letters: Letters::None }
    }

    /// Notes bytes that are no special ones.
    pub(super) fn plain(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            (self.last, self.letters, self.tags) = (*last, Letters::None, 0);
            self.seen(bytes.len(), bytes.len());
        }
    }

    /// Notes that so many raw bytes were so many of the view.
    #[inline]
    fn seen(&mut self, raw: usize, view: usize) {
        self.padding = (self.padding + raw).saturating_sub(ROOM * view);
    }

    /// What begins at a special byte.
    pub(super) fn step(&mut self, bytes: &[u8], end: bool) -> Step {
        if self.strict && self.padding > PADDING {
            return Step::Over;
        }
        if let [b'\\', kind, ..] = bytes
            && self.encoding.is_json()
            && let Some(byte) = simple(*kind)
        {
            return self.byte(byte, 2);
        }
        match (self.encoding, bytes) {
            (Encoding::Form, [b'+', ..]) => return self.byte(b' ', 1),
            (Encoding::Form, [b'%', high, low, ..]) => {
                let value = char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16));
                let byte = value.and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
                // What begins no escape again.
                if let Some(byte) = byte.filter(|byte| byte.is_ascii() && !matches!(byte, b'%' | b'\\' | b'&')) {
                    return self.byte(byte, 3);
                }
            }
            _ => {}
        }
        let plain = unfolded(bytes);
        if plain > 0 {
            self.plain(bytes.get(..plain).unwrap_or_default());
            return Step::Same(plain);
        }
        if self.letters == Letters::Kept {
            let pairs = bytes.as_chunks::<2>().0.iter();
            let script = 2 * pairs.take_while(|pair| matches!(pair, [0xCE..=0xD3, 0x80..=0xBF])).count();
            if script > 0 {
                (self.last, self.tags) = (BEYOND_ASCII, 0);
                self.seen(script, script);
                return Step::Same(script);
            }
        }
        match self.escape(bytes, end) {
            Escape::Byte(byte, length) => self.byte(byte, length),
            Escape::Char(code, length) => self.character(code, length, bytes, end, false),
            Escape::Wide(code, length) => self.character(code, length, bytes, end, true),
            Escape::Partial => Step::Wait,
            Escape::Literal => {
                self.plain(bytes.get(..1).unwrap_or_default());
                Step::Same(1)
            }
        }
    }

    /// Reads an escape, in view of what stands before it, and the one that it may make with what follows.
    fn escape(&self, bytes: &[u8], end: bool) -> Escape {
        self.again(self.encoding, bytes, self.once(self.encoding, bytes, end), end, TIMES)
    }

    /// Goes on from an escape for a byte that begins one.
    fn again(&self, encoding: Encoding, bytes: &[u8], escape: Escape, end: bool, times: usize) -> Escape {
        let (byte, length) = match escape {
            Escape::Byte(byte @ (b'%' | b'\\' | b'&'), length) => (byte, length),
            // Before digits it is none for sure only where what it makes is none.
            Escape::Literal if bytes.starts_with(b"%25") => (b'%', 3),
            escape => return escape,
        };
        let again = match Again::of(encoding, bytes, byte, length, end) {
            Ok(Some(again)) if times > 1 => again,
            Ok(_) => return escape,
            Err(partial) => return partial,
        };
        // What an escape makes is text within the format, as its receiver reads it.
        let inner = if encoding == Encoding::Xml { Encoding::Xml } else { Encoding::Plain };
        let once = self.once(inner, again.bytes(), !again.is_open());
        let all = self.again(inner, again.bytes(), once, !again.is_open(), times - 1);
        again.as_it_came(all).unwrap_or(escape)
    }

    fn once(&self, encoding: Encoding, bytes: &[u8], end: bool) -> Escape {
        match bytes {
            // A receiver that reads a form sees a blank, one that reads JSON a sign.
            [b'+', next, ..] if encoding == Encoding::JsonForm => {
                let grouped = self.last.is_ascii_digit() && next.is_ascii_digit();
                if grouped { Escape::Byte(b' ', 1) } else { Escape::Literal }
            }
            [b'+'] if encoding == Encoding::JsonForm && !end => Escape::Partial,
            // Within a URL a percent sign begins an escape whatever follows; a bracket ends the name of a parameter, or the mask of
            // what stood before such an escape.
            [b'%', ..] if matches!(self.last, b'=' | b'/' | b'&' | b'?' | b']') && encoding.has_references() => {
                match read(Encoding::Percent, bytes, end) {
                    Escape::Byte(byte, _) if !(0x20..0x7F).contains(&byte) || byte == b'"' => {
                        read(encoding, bytes, end)
                    }
                    escape => escape,
                }
            }
            _ => read(encoding, bytes, end),
        }
    }

    fn byte(&mut self, byte: u8, length: usize) -> Step {
        (self.last, self.letters, self.tags) = (byte, Letters::None, 0);
        self.seen(length, 1);
        Step::Byte(byte, length)
    }

    fn character(&mut self, code: u32, length: usize, bytes: &[u8], end: bool, as_is: bool) -> Step {
        let letters = self.letters;
        let other = |decoder: &mut Decoder| {
            let step = decoder.byte(BEYOND_ASCII, length);
            if as_is { Step::Same(length) } else { step }
        };
        match fold(code) {
            Fold::Ascii(byte) => self.byte(byte, length),
            Fold::Nothing if self.strict && self.tags == TAGS && is_tag(code) => Step::Over,
            Fold::Nothing if self.padding <= PADDING => {
                self.tags = self.tags.saturating_add(u8::from(is_tag(code)));
                self.seen(length, 0);
                Step::Nothing(length)
            }
            Fold::Letter(byte) => {
                let letters = match letters {
                    Letters::None => match self.word(bytes, end) {
                        Some(true) => Letters::Folded,
                        Some(false) => Letters::Kept,
                        None => return Step::Wait,
                    },
                    under_way => under_way,
                };
                let step = if letters == Letters::Folded { self.byte(byte, length) } else { other(self) };
                self.letters = letters;
                step
            }
            Fold::Nothing | Fold::Other => {
                let step = other(self);
                if is_script(code) {
                    self.letters = Letters::Kept;
                }
                step
            }
        }
    }

    /// Whether the letters that begin here stand for ASCII ones: all of them have a twin, and the word goes on in ASCII
    /// before or after them. `None` while that depends on bytes to come.
    fn word(&self, bytes: &[u8], end: bool) -> Option<bool> {
        let joins = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let mut at = 0;
        for _ in 0..=WORD {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(first) = rest.first() else {
                return end.then(|| joins(self.last));
            };
            let (code, length) = match read(self.encoding, rest, end) {
                Escape::Char(code, length) | Escape::Wide(code, length) => (code, length),
                Escape::Partial => return None,
                Escape::Byte(next, _) => return Some(joins(self.last) || joins(next)),
                Escape::Literal => return Some(joins(self.last) || joins(*first)),
            };
            match fold(code) {
                Fold::Letter(_) | Fold::Nothing => at += length,
                Fold::Ascii(next) => return Some(joins(self.last) || joins(next)),
                Fold::Other if is_script(code) => return Some(false),
                Fold::Other => return Some(joins(self.last)),
            }
        }
        Some(false)
    }
}

/// The bytes beyond ASCII before the first that may begin a character that is folded.
#[inline]
fn unfolded(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some([byte, next]) = bytes.get(at..at + 2).and_then(|pair| pair.first_chunk::<2>()) {
        // What begins like a character and does not go on like one is none.
        if !is_plain(*byte) && (byte.is_ascii() || matches!(next, 0x80..=0xBF)) {
            return at;
        }
        at += 1;
    }
    at + usize::from(bytes.get(at).is_some_and(|byte| is_plain(*byte)))
}

/// Finds the special bytes of a stretch: those that may begin an escape, and those beyond ASCII.
pub(super) struct Seek {
    escapes: [u8; 3],
    /// Where the block begins that was looked at last, and its special bytes.
    block: usize,
    special: u64,
}

impl Seek {
    pub(super) fn new(encoding: Encoding) -> Self {
        let escapes = match encoding {
            Encoding::JsonForm | Encoding::Form => [b'\\', b'%', b'+'],
            Encoding::Percent => [b'%'; 3],
            _ => [b'&', b'%', b'\\'],
        };
        Seek { escapes, block: usize::MAX, special: 0 }
    }

    /// The position of the next special byte from `at` on, or the end.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8], at: usize) -> usize {
        let mut from = at;
        if let Some(by) = at.checked_sub(self.block).filter(|by| *by < BLOCK) {
            let left = self.special >> by;
            if left != 0 {
                return at + left.trailing_zeros() as usize;
            }
            from = self.block + BLOCK;
        }
        let next = dispatch!(Level::new(), simd => first_special(simd, self.escapes, bytes, from));
        let Some((block, special)) = next else { return bytes.len() };
        (self.block, self.special) = (block, special);
        block + special.trailing_zeros() as usize
    }
}

/// The first block from a position on that has special bytes, and which these are.
#[inline(always)]
fn first_special<S: Simd>(simd: S, [one, two, three]: [u8; 3], bytes: &[u8], from: usize) -> Option<(usize, u64)> {
    for block in (from..bytes.len()).step_by(BLOCK) {
        let lane = lanes_at(simd, bytes, block);
        let special = (is(lane, one) | is(lane, two) | is(lane, three) | lane.simd_ge(0x80)).to_bitmask();
        if special != 0 {
            return Some((block, special));
        }
    }
    None
}
