//! The stretch of a stream under examination: the bytes as sent, and their decoded view.
//!
//! Every escape decodes to exactly one byte of the view, so a position in the view has one place in the
//! raw bytes, and a match never begins or ends inside an escape.

mod cursor;
mod json;
mod percent;

use memchr::{memchr, memchr_iter, memchr2};

pub(crate) use cursor::{Eval, More, View};

/// The encoding that a window undoes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    Plain,
    Json,
    /// Percent encoding with `+` for a space.
    Form,
    /// Percent encoding alone, as in a URL's path.
    Percent,
}

/// What an escape character begins.
enum Escape {
    /// An escape sequence of so many raw bytes, standing for this byte.
    Byte(u8, usize),
    /// No escape: the character stands for itself.
    Literal,
    /// Cut off by the end of the data.
    Partial,
}

/// From position `view` (exclusive) on, raw positions are `shift` ahead.
struct Edit {
    view: usize,
    shift: usize,
}

/// A sliding window over a stream.
pub(crate) struct Window {
    encoding: Encoding,
    raw: Vec<u8>,
    /// The decoded bytes; unused in plain text, where `raw` is its own view.
    decoded: Vec<u8>,
    /// Ascending by `view`.
    edits: Vec<Edit>,
    /// Raw bytes already decoded.
    taken: usize,
    /// Raw bytes dropped before the window.
    dropped: u64,
}

impl Window {
    pub(crate) fn new(encoding: Encoding) -> Self {
        Window { encoding, raw: Vec::new(), decoded: Vec::new(), edits: Vec::new(), taken: 0, dropped: 0 }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Appends bytes of the stream; an escape that they cut off waits for the rest unless this is the end.
    pub(crate) fn append(&mut self, bytes: &[u8], end: bool) {
        self.raw.extend_from_slice(bytes);
        if self.encoding != Encoding::Plain {
            self.decode(end);
        }
    }

    fn decode(&mut self, end: bool) {
        let mut shift = self.taken.saturating_sub(self.decoded.len());
        while let Some(rest) = self.raw.get(self.taken..).filter(|rest| !rest.is_empty()) {
            let special = next_special(self.encoding, rest);
            let (plain, escape) = rest.split_at(special.unwrap_or(rest.len()));
            self.decoded.extend_from_slice(plain);
            self.taken += plain.len();
            let Some(&first) = escape.first() else { break };
            match unescape(self.encoding, escape) {
                Escape::Byte(byte, length) => {
                    self.decoded.push(byte);
                    self.taken += length;
                    if length > 1 {
                        shift += length - 1;
                        self.edits.push(Edit { view: self.decoded.len() - 1, shift });
                    }
                }
                Escape::Partial if !end => break,
                Escape::Literal | Escape::Partial => {
                    self.decoded.push(first);
                    self.taken += 1;
                }
            }
        }
    }

    /// The decoded bytes of the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.encoding == Encoding::Plain { &self.raw } else { &self.decoded }
    }

    /// The raw bytes of a range of the view.
    pub(crate) fn raw(&self, from: usize, to: usize) -> &[u8] {
        self.raw.get(self.raw_position(from)..self.raw_position(to)).unwrap_or_default()
    }

    /// Where a position of the view is in the whole raw stream.
    pub(crate) fn offset(&self, position: usize) -> u64 {
        self.dropped + self.raw_position(position) as u64
    }

    fn raw_position(&self, position: usize) -> usize {
        let before = self.edits.partition_point(|edit| edit.view < position);
        position + before.checked_sub(1).and_then(|last| self.edits.get(last)).map_or(0, |edit| edit.shift)
    }

    /// Whether the view holds an odd number of JSON quotes between two positions. Escaped quotes do not
    /// show as quotes in the view.
    pub(crate) fn odd_quotes(&self, from: usize, to: usize) -> bool {
        memchr_iter(b'"', self.bytes().get(from..to).unwrap_or_default()).count() % 2 == 1
    }

    /// Forgets the view before `position`.
    pub(crate) fn drop_before(&mut self, position: usize) {
        let raw = self.raw_position(position);
        self.raw.drain(..raw.min(self.raw.len()));
        self.dropped += raw as u64;
        if self.encoding == Encoding::Plain {
            return;
        }
        self.taken -= raw;
        self.decoded.drain(..position.min(self.decoded.len()));
        let gone = self.edits.partition_point(|edit| edit.view < position);
        self.edits.drain(..gone);
        for edit in &mut self.edits {
            edit.view -= position;
            edit.shift -= raw - position;
        }
    }
}

fn next_special(encoding: Encoding, bytes: &[u8]) -> Option<usize> {
    match encoding {
        Encoding::Plain => None,
        Encoding::Json => memchr(b'\\', bytes),
        Encoding::Form => memchr2(b'%', b'+', bytes),
        Encoding::Percent => memchr(b'%', bytes),
    }
}

fn unescape(encoding: Encoding, bytes: &[u8]) -> Escape {
    match encoding {
        Encoding::Plain => Escape::Literal,
        Encoding::Json => json::unescape(bytes),
        Encoding::Form | Encoding::Percent => percent::unescape(bytes),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn decoded(encoding: Encoding, raw: &str) -> String {
        let mut whole = Window::new(encoding);
        whole.append(raw.as_bytes(), true);
        let mut cut = Window::new(encoding);
        for byte in raw.bytes() {
            cut.append(&[byte], false);
        }
        cut.append(&[], true);
        assert_eq!(whole.bytes(), cut.bytes(), "{raw}");
        assert_eq!(whole.raw(0, whole.bytes().len()), raw.as_bytes());
        String::from_utf8(whole.bytes().to_vec()).unwrap()
    }

    #[test]
    fn json_escapes() {
        assert_eq!(decoded(Encoding::Json, r#"a\u0040b\/c\n\\n\"d\u0022"#), "a@b/c\n\\n'd'");
        assert_eq!(decoded(Encoding::Json, r"\q \u12 \"), r"\q \u12 \", "what is no escape stays");
    }

    #[test]
    fn percent_escapes() {
        assert_eq!(decoded(Encoding::Form, "a+b%2Bc%40%zz%4"), "a b+c@%zz%4");
        assert_eq!(decoded(Encoding::Percent, "a+b%2bc"), "a+b+c");
    }

    #[test]
    fn positions_map_back_also_after_dropping() {
        let mut window = Window::new(Encoding::Json);
        window.append(br"ab\u0040cd\nef", true);
        assert_eq!(window.bytes(), b"ab@cd\nef");
        assert_eq!(window.raw(2, 3), br"\u0040");
        assert_eq!(window.raw(3, 6), br"cd\n");
        window.drop_before(3);
        assert_eq!(window.bytes(), b"cd\nef");
        assert_eq!((window.raw(2, 4), window.offset(3)), (&br"\ne"[..], 12));
    }
}
