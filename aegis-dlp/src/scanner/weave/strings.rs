//! JSON: a string with a `<` in it is read as a document of its own, up to its end.

use memchr::{memchr, memrchr};

use super::{Source, State, Weave};
use crate::view::Encoding;

impl Weave {
    /// What reads a document in this encoding, where that may have markup that cuts its text.
    pub(in crate::scanner) fn of(encoding: Encoding) -> Option<Weave> {
        match encoding {
            Encoding::Xml => Some(Weave::default()),
            Encoding::Json | Encoding::JsonForm => Some(Weave { json: true, ..Weave::default() }),
            _ => None,
        }
    }

    /// Whether no markup is in what comes next, nor was begun.
    pub(in crate::scanner) fn is_plain(&self, next: &[u8]) -> bool {
        self.json && !self.within && memchr(b'<', next).is_none()
    }

    pub(super) fn read_strings(&mut self, to: usize, source: Source<'_>) {
        let view = source.window.bytes();
        while let Some(rest) = view.get(self.at..to).filter(|rest| !rest.is_empty()) {
            if !self.within {
                let mark = memchr(b'<', rest);
                self.pass(rest.get(..mark.unwrap_or(rest.len())).unwrap_or_default());
                self.within = mark.is_some();
                self.text = self.within && self.recent.iter().any(|byte| !byte.is_ascii_whitespace());
                continue;
            }
            let end = memchr(b'"', rest);
            self.read_document(self.at + end.unwrap_or(rest.len()), source);
            if end.is_some() {
                self.end_text(source);
                (self.state, self.within, self.text) = (State::Text, false, false);
                self.at += 1;
            }
        }
    }

    /// Goes past bytes without a `<`: of the string under way the end is kept.
    fn pass(&mut self, bytes: &[u8]) {
        let begins = memrchr(b'"', bytes).map(|quote| quote + 1);
        if begins.is_some() {
            self.recent.clear();
        }
        self.remember(bytes.get(begins.unwrap_or(0)..).unwrap_or_default());
        self.at += bytes.len();
    }
}
