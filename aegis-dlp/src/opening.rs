//! The start of a body whose declared type does not settle how it is read.
//!
//! Receivers parse by content whatever the type says, so the type alone must not choose what is decoded. The
//! decision depends on the first bytes only, and redaction does not change it: a body and its redacted form
//! are read alike.

use crate::view::{Charset, Encoding, Transcoder, Window, is_utf32};
use crate::{Detector, Format};

/// How far a form is looked for, in bytes after the leading blanks.
const WINDOW: usize = 512;
/// UTF-8's byte order mark, which many JSON parsers skip.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The bytes of a body until it is decided how to read them.
pub(crate) struct Opening {
    format: Format,
    /// What the type says of the charset.
    declared: Option<Charset>,
    /// The bytes as they came, until their charset is known.
    first: Vec<u8>,
    /// It is in UTF-32, which nobody here reads.
    pub(crate) utf32: bool,
    transcoder: Option<Transcoder>,
    /// The bytes as UTF-8.
    held: Vec<u8>,
    /// Bytes already passed on, as they came.
    passed: u64,
}

impl Opening {
    pub(crate) fn of(format: Format) -> Self {
        let (first, held) = (Vec::new(), Vec::new());
        Opening { format, declared: None, first, utf32: false, transcoder: None, held, passed: 0 }
    }

    pub(crate) fn declare(&mut self, charset: Charset) {
        self.declared = Some(charset);
    }

    /// It is in UTF-8.
    pub(crate) fn settle(&mut self) {
        self.transcoder = Some(Transcoder::new(Charset::Utf8));
    }

    /// Takes the next bytes and passes a leading byte order mark and blanks on, which belong to no match.
    pub(crate) fn take(&mut self, bytes: &[u8], end: bool, out: &mut Vec<u8>) {
        match &mut self.transcoder {
            Some(transcoder) => transcoder.append(bytes, &mut self.held),
            None => {
                self.first.extend_from_slice(bytes);
                let Some(utf32) = is_utf32(&self.first, end) else { return };
                let told = if utf32 { Some(Charset::Utf8) } else { Charset::of(&self.first, self.declared, end) };
                let Some(charset) = told else { return };
                self.utf32 = utf32;
                let mut transcoder = Transcoder::new(charset);
                transcoder.append(&std::mem::take(&mut self.first), &mut self.held);
                self.transcoder = Some(transcoder);
            }
        }
        let Some(charset) = self.transcoder.as_ref().map(Transcoder::charset).filter(|_| self.is_open()) else {
            return;
        };
        let marked = self.passed == 0 && self.held.starts_with(BYTE_ORDER_MARK);
        let mark = if marked { BYTE_ORDER_MARK.len() } else { 0 };
        let rest = self.held.get(mark..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| **byte <= b' ').count();
        let lead = self.held.get(..mark + blanks).unwrap_or_default();
        self.passed += charset.width(lead);
        charset.write(lead, out);
        self.held.drain(..mark + blanks);
    }

    /// The charset, once it is known; nothing is passed on before.
    pub(crate) fn charset(&self) -> Charset {
        self.transcoder.as_ref().map(Transcoder::charset).unwrap_or_default()
    }

    /// Whether how the body begins matters.
    fn is_open(&self) -> bool {
        !matches!(self.format, Format::Json | Format::Text)
    }

    /// How to read what is held and all that follows; `None` while that depends on bytes to come.
    pub(crate) fn encoding(&self, end: bool) -> Option<Encoding> {
        self.transcoder.as_ref()?;
        match self.format {
            Format::Json => return Some(Encoding::Json),
            Format::Text => return Some(Encoding::Plain),
            _ => {}
        }
        let incomplete = self.passed == 0 && BYTE_ORDER_MARK.starts_with(&self.held);
        if !end && (self.held.is_empty() || incomplete) {
            return None;
        }
        match (self.format, self.held.first()) {
            // Cells are quoted too.
            (Format::Csv, Some(b'{' | b'[')) | (Format::Form, _) => {}
            (Format::Csv, _) => return Some(Encoding::Csv),
            (_, Some(b'<')) => return Some(Encoding::Xml),
            (Format::Xml, Some(b'{' | b'[' | b'"')) => {}
            (Format::Xml, _) => return Some(Encoding::Xml),
            _ => {}
        }
        match (opens_json(&self.held, end)?, self.format) {
            (true, Format::Form) => Some(Encoding::JsonForm),
            (true, _) => Some(Encoding::Json),
            (false, Format::Form) => Some(Encoding::Form),
            (false, Format::Csv) => Some(Encoding::Csv),
            (false, Format::Xml) => Some(Encoding::Xml),
            (false, _) => opens_form(&self.held, end).map(|form| if form { Encoding::Form } else { Encoding::Plain }),
        }
    }

    /// The window over the body from what is held on.
    pub(crate) fn into_window(self, encoding: Encoding) -> Window {
        Window::new(encoding, self.transcoder.unwrap_or_default(), self.held, self.passed)
    }

    /// Bytes of memory that are held.
    pub(crate) fn held(&self) -> usize {
        self.first.capacity() + self.held.capacity()
    }
}

/// Whether a JSON document with strings begins here. A mask of ours does not: text that begins with a match
/// is text after redaction too.
fn opens_json(held: &[u8], end: bool) -> Option<bool> {
    match held.first() {
        Some(b'{' | b'"') => Some(true),
        Some(b'[') => {
            let mut masks = Detector::ALL.into_iter().map(|detector| detector.mask().as_bytes());
            if masks.clone().any(|mask| held.starts_with(mask)) {
                return Some(false);
            }
            let undecided = !end && masks.any(|mask| mask.starts_with(held));
            (!undecided).then_some(true)
        }
        _ => Some(false),
    }
}

/// Whether what stands before the first byte that forms do not contain holds a percent escape, or an `=` and
/// an `&` after it.
///
/// A lone `name=value` is text: to read the `+` of a key in a settings file as a space would hide the key.
fn opens_form(held: &[u8], end: bool) -> Option<bool> {
    let window = held.get(..WINDOW).unwrap_or(held);
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+._*=&-".contains(byte);
    let run = window.iter().take_while(|byte| inside(byte)).count();
    let start = window.get(..run).unwrap_or_default();
    let escape =
        |bytes: &[u8]| matches!(bytes, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let pairs = start.iter().skip_while(|byte| **byte != b'=').any(|byte| *byte == b'&');
    if pairs || start.windows(3).any(escape) {
        return Some(true);
    }
    let settled = end || run < window.len() || window.len() == WINDOW;
    settled.then_some(false)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn read(format: Format, body: &[u8]) -> Encoding {
        let mut out = Vec::new();
        let mut whole = Opening::of(format);
        whole.take(body, true, &mut out);
        let encoding = whole.encoding(true).unwrap();
        let mut cut = Opening::of(format);
        for byte in body {
            cut.take(&[*byte], false, &mut Vec::new());
            if let Some(decided) = cut.encoding(false) {
                assert_eq!(decided, encoding, "{body:?}");
                assert!(cut.held.len() <= WINDOW);
                break;
            }
        }
        let mut window = whole.into_window(encoding);
        window.append(&[], true);
        window.put_out_rest(&mut out);
        assert_eq!(out, body);
        encoding
    }

    #[test]
    fn by_content() {
        let long = |unit: &str| unit.repeat(WINDOW);
        for (body, encoding) in [
            ("{", Encoding::Json),
            ("[1]", Encoding::Json),
            ("[SSN", Encoding::Json),
            ("[SSN, 1]", Encoding::Json),
            (r#""\u0035""#, Encoding::Json),
            (" \r\n\t{}", Encoding::Json),
            ("\u{feff} [", Encoding::Json),
            (&format!("{}{{", long(" ")), Encoding::Json),
            ("a=1&b=2 and more", Encoding::Form),
            ("&a&b=%35%33", Encoding::Form),
            ("%35%33%36-22-8741\n", Encoding::Form),
            ("[SSN] {", Encoding::Plain),
            ("<a>", Encoding::Xml),
            ("\u{feff}<?xml version=\"1.0\"?>", Encoding::Xml),
            ("", Encoding::Plain),
            ("\u{feff}", Encoding::Plain),
            ("\u{fe00}", Encoding::Plain),
            ("a&b=1", Encoding::Plain),
            ("KEY=a+b\nX=1&2", Encoding::Plain),
            ("a word, {", Encoding::Plain),
            ("100%", Encoding::Plain),
            (&format!("{}%40", long("a")), Encoding::Plain),
        ] {
            assert_eq!(read(Format::Unknown, body.as_bytes()), encoding, "{body:?}");
            let utf16: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(read(Format::Unknown, &utf16), encoding, "{body:?}");
        }
    }

    #[test]
    fn a_declared_form_that_is_json() {
        for (body, encoding) in [
            ("{\"a\":1}", Encoding::JsonForm),
            ("\n[", Encoding::JsonForm),
            ("a=b", Encoding::Form),
            ("[SSN]=1", Encoding::Form),
            ("", Encoding::Form),
        ] {
            assert_eq!(read(Format::Form, body.as_bytes()), encoding, "{body:?}");
        }
    }

    #[test]
    fn what_is_declared_and_what_is_not() {
        for (format, body, encoding) in [
            (Format::Json, "a=1&b=2", Encoding::Json),
            (Format::Text, "{}", Encoding::Plain),
            (Format::Csv, "\"a\",b\n", Encoding::Csv),
            (Format::Csv, "[{\"a\"", Encoding::Json),
            (Format::Xml, " <a/>", Encoding::Xml),
            (Format::Xml, "{}", Encoding::Json),
            (Format::Xml, "words", Encoding::Xml),
            (Format::Xml, "[SSN] words", Encoding::Xml),
        ] {
            assert_eq!(read(format, body.as_bytes()), encoding, "{body:?}");
        }
    }
}
