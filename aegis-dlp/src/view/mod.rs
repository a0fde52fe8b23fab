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
    /// JSON declared a form: JSON escapes and percent encoding, `+` as it is. The receiver may undo either.
    JsonForm,
}

impl Encoding {
    /// Quotes delimit strings, and masks must keep it valid JSON.
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Encoding::Json | Encoding::JsonForm)
    }
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

/// From position `view` (exclusive) on, raw positions are `shift` further ahead.
struct Edit {
    view: usize,
    shift: usize,
}

/// A sliding window over a stream.
///
/// Its view begins with history: what was decided, as the receiver will see it, masks in place of what
/// was redacted. Detectors look back at that and so judge what follows as they would in the output.
pub(crate) struct Window {
    encoding: Encoding,
    /// History, then what is to be decided, decoded.
    view: Vec<u8>,
    /// The length of the history that no raw bytes belong to any more.
    lead: usize,
    /// The raw bytes from the lead on; empty for plain text, where the view is the same.
    raw: Vec<u8>,
    /// Ascending by `view`.
    edits: Vec<Edit>,
    /// Raw bytes already decoded.
    taken: usize,
    /// Bytes of the stream before the first one after the lead.
    passed: u64,
}

impl Window {
    /// A window over a stream from its byte `passed` on.
    pub(crate) fn new(encoding: Encoding, passed: u64) -> Self {
        let (view, raw, edits) = (Vec::new(), Vec::new(), Vec::new());
        Window { encoding, view, lead: 0, raw, edits, taken: 0, passed }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Appends bytes of the stream; an escape that they cut off waits for the rest unless this is the end.
    pub(crate) fn append(&mut self, bytes: &[u8], end: bool) {
        if self.encoding == Encoding::Plain {
            self.view.extend_from_slice(bytes);
        } else {
            self.raw.extend_from_slice(bytes);
            self.decode(end);
        }
    }

    fn decode(&mut self, end: bool) {
        let mut shift = self.edits.last().map_or(0, |edit| edit.shift);
        while let Some(rest) = self.raw.get(self.taken..).filter(|rest| !rest.is_empty()) {
            let special = next_special(self.encoding, rest);
            let (plain, escape) = rest.split_at(special.unwrap_or(rest.len()));
            self.view.extend_from_slice(plain);
            self.taken += plain.len();
            let Some(&first) = escape.first() else { break };
            match unescape(self.encoding, escape) {
                Escape::Byte(byte, length) => {
                    self.view.push(byte);
                    self.taken += length;
                    if length > 1 {
                        shift += length - 1;
                        self.edits.push(Edit { view: self.view.len() - 1, shift });
                    }
                }
                Escape::Partial if !end => break,
                Escape::Literal | Escape::Partial => {
                    self.view.push(first);
                    self.taken += 1;
                }
            }
        }
    }

    /// The decoded bytes of the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.view
    }

    /// The bytes as sent of a range of the view after the history.
    pub(crate) fn raw(&self, from: usize, to: usize) -> &[u8] {
        if self.encoding == Encoding::Plain {
            return self.view.get(from..to).unwrap_or_default();
        }
        self.raw.get(self.raw_position(from)..self.raw_position(to)).unwrap_or_default()
    }

    /// Where a position of the view is in the stream as sent.
    pub(crate) fn offset(&self, position: usize) -> u64 {
        self.passed + self.raw_position(position) as u64
    }

    fn raw_position(&self, position: usize) -> usize {
        let before = self.edits.partition_point(|edit| edit.view < position);
        let shift = before.checked_sub(1).and_then(|last| self.edits.get(last)).map_or(0, |edit| edit.shift);
        position.saturating_sub(self.lead) + shift
    }

    /// Whether the view holds an odd number of JSON quotes between two positions. Escaped quotes do not
    /// show as quotes in the view.
    pub(crate) fn odd_quotes(&self, from: usize, to: usize) -> bool {
        memchr_iter(b'"', self.view.get(from..to).unwrap_or_default()).count() % 2 == 1
    }

    /// Puts a mask in the place of a range; all up to its end is history from then on.
    pub(crate) fn replace(&mut self, from: usize, to: usize, mask: &[u8]) {
        self.release(to);
        self.view.splice(from..to.min(self.view.len()), mask.iter().copied());
        self.lead = from + mask.len();
        for edit in &mut self.edits {
            edit.view = edit.view + self.lead - to;
        }
    }

    /// Forgets the view before `position`.
    pub(crate) fn drop_before(&mut self, position: usize) {
        if position > self.lead {
            self.release(position);
        }
        self.view.drain(..position.min(self.view.len()));
        self.lead = self.lead.saturating_sub(position);
        for edit in &mut self.edits {
            edit.view -= position;
        }
    }

    /// Forgets the raw bytes before `position` of the view.
    fn release(&mut self, position: usize) {
        let raw = self.raw_position(position);
        self.passed += raw as u64;
        if self.encoding != Encoding::Plain {
            self.raw.drain(..raw.min(self.raw.len()));
            self.taken = self.taken.saturating_sub(raw);
        }
        let shift = raw - position.saturating_sub(self.lead);
        let gone = self.edits.partition_point(|edit| edit.view < position);
        self.edits.drain(..gone);
        for edit in &mut self.edits {
            edit.shift -= shift;
        }
        self.lead = self.lead.max(position);
    }
}

fn next_special(encoding: Encoding, bytes: &[u8]) -> Option<usize> {
    match encoding {
        Encoding::Plain => None,
        Encoding::Json => memchr(b'\\', bytes),
        Encoding::Form => memchr2(b'%', b'+', bytes),
        Encoding::Percent => memchr(b'%', bytes),
        Encoding::JsonForm => memchr2(b'\\', b'%', bytes),
    }
}

fn unescape(encoding: Encoding, bytes: &[u8]) -> Escape {
    match encoding {
        Encoding::Plain => Escape::Literal,
        Encoding::Json => json::unescape(bytes),
        Encoding::Form | Encoding::Percent => percent::unescape(bytes),
        Encoding::JsonForm if bytes.first() == Some(&b'\\') => json::unescape(bytes),
        Encoding::JsonForm => match percent::unescape(bytes) {
            // As in JSON strings: a quote of the view is one that delimits a string.
            Escape::Byte(b'"', length) => Escape::Byte(b'\'', length),
            escape => escape,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn decoded(encoding: Encoding, raw: &str) -> String {
        let mut whole = Window::new(encoding, 0);
        whole.append(raw.as_bytes(), true);
        let mut cut = Window::new(encoding, 0);
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
    fn json_declared_a_form() {
        assert_eq!(decoded(Encoding::JsonForm, r#"{"a+%40\u0040":"%22\"%5c%5Cn%zz%4"#), r#"{"a+@@":"''\\n%zz%4"#);
    }

    #[test]
    fn positions_map_back_also_after_dropping() {
        let mut window = Window::new(Encoding::Json, 0);
        window.append(br"ab\u0040cd\nef", true);
        assert_eq!(window.bytes(), b"ab@cd\nef");
        assert_eq!(window.raw(2, 3), br"\u0040");
        assert_eq!(window.raw(3, 6), br"cd\n");
        window.drop_before(2);
        assert_eq!(window.raw(0, 1), br"\u0040");
        window.drop_before(1);
        assert_eq!(window.bytes(), b"cd\nef");
        assert_eq!((window.raw(2, 4), window.offset(3)), (&br"\ne"[..], 12));
    }

    #[test]
    fn positions_map_back_after_a_replacement() {
        let mut window = Window::new(Encoding::Json, 0);
        window.append(br"ab\u0040cd\nef\tg", true);
        window.replace(1, 4, b"[MASK]");
        assert_eq!(window.bytes(), b"a[MASK]d\nef\tg");
        assert_eq!((window.raw(7, 9), window.offset(7)), (&br"d\n"[..], 9));
        assert_eq!(window.raw(9, 13), br"ef\tg");
        window.append(br"\nh", true);
        window.drop_before(9);
        assert_eq!((window.bytes(), window.raw(2, 6)), (&b"ef\tg\nh"[..], &br"\tg\nh"[..]));
    }
}
