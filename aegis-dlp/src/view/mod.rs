//! The stretch of a stream under examination: the bytes as sent, and their decoded view.
//!
//! Every escape, and every character that looks like an ASCII one, is one byte of the view, and characters that nobody sees
//! are none: so a position in the view has one place in the raw bytes, and a match never begins or ends inside an escape.

mod again;
mod blanks;
mod charset;
mod cursor;
mod decode;
mod edit;
mod entity;
mod escape;
mod json;
mod lookalike;
mod percent;
mod window;

pub use charset::Charset;
pub(crate) use charset::{Transcoder, is_known as is_known_charset, is_utf32};
pub(crate) use cursor::{Eval, More, View};
pub(crate) use json::DEEP_QUOTE;
pub(crate) use lookalike::{Fold, fold};
pub(crate) use window::Window;

/// The syntax of a body: which escapes are undone, and how a mask is written.
///
/// Backslash and percent escapes are undone in every one but [`Encoding::Percent`], as far as they cannot be anything else.
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
    /// XML or HTML: references.
    Xml,
    /// Rows of cells.
    Csv,
}

impl Encoding {
    /// Quotes delimit strings, and masks must keep it valid JSON.
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Encoding::Json | Encoding::JsonForm)
    }

    /// A percent sign always begins an escape.
    pub(crate) fn is_percent(self) -> bool {
        matches!(self, Encoding::Form | Encoding::Percent | Encoding::JsonForm)
    }

    /// An ampersand may begin a reference: texts may be shown as HTML.
    pub(crate) fn has_references(self) -> bool {
        matches!(self, Encoding::Plain | Encoding::Json | Encoding::Xml | Encoding::Csv)
    }

    /// Appends text of ours, which has no character that JSON or XML escape.
    pub(crate) fn write(self, text: &[u8], out: &mut Vec<u8>) {
        if !matches!(self, Encoding::Form | Encoding::Percent) {
            return out.extend_from_slice(text);
        }
        for byte in text {
            if byte.is_ascii_alphanumeric() || b"-._~*".contains(byte) {
                out.push(*byte);
            } else {
                let digit = |value: u8| b"0123456789ABCDEF".get(usize::from(value)).copied().unwrap_or(b'0');
                out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}
