//! What the words before a number say it is.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use memchr::{memchr2, memrchr};

use crate::view::View;

/// How far back from a match its context reaches, in bytes; the key of a JSON value adds as much again.
const REACH: usize = 64;

/// Bytes before a place that the examination of a match starting there may look at.
pub(crate) const LOOK_BEHIND: usize = 2 * REACH + 16;

/// What a number may be said to be.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Topic {
    Birth,
    SocialSecurity,
}

struct Word {
    text: &'static str,
    topic: Topic,
    /// Counts also inside a longer word: "birthdate".
    inside: bool,
}

const WORDS: [Word; 9] = [
    Word { text: "birth", topic: Topic::Birth, inside: true },
    Word { text: "born", topic: Topic::Birth, inside: false },
    Word { text: "dob", topic: Topic::Birth, inside: false },
    Word { text: "d.o.b", topic: Topic::Birth, inside: false },
    Word { text: "ssn", topic: Topic::SocialSecurity, inside: false },
    Word { text: "social sec", topic: Topic::SocialSecurity, inside: true },
    Word { text: "social_sec", topic: Topic::SocialSecurity, inside: true },
    Word { text: "social-sec", topic: Topic::SocialSecurity, inside: true },
    Word { text: "socialsec", topic: Topic::SocialSecurity, inside: true },
];

static SEARCHER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    // Cannot fail on these constants; a test holds that.
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(WORDS.iter().map(|word| word.text))
        .ok()
});

/// Whether what stands before `start` says that the number there is about `topic`.
///
/// In JSON that is the text before it in the same string, and the key of the value or of the array that
/// holds it. Elsewhere it is the text before it in the same field and line, or the line above where the
/// number begins a line.
pub(crate) fn speaks_of(view: &View<'_>, start: usize, topic: Topic) -> bool {
    if says(view.heading, topic) {
        return true;
    }
    let floor = start.saturating_sub(REACH);
    if !view.json {
        return says(field(view.slice(floor, start)), topic);
    }
    let text = view.slice(floor, start);
    let Some(quote) = memrchr(b'"', text).map(|at| floor + at) else {
        return says(field(text), topic);
    };
    let near = view.slice(quote + 1, start);
    if near.trim_ascii_start().first() == Some(&b':') {
        // The number stands bare, and the quote is the end of its key.
        return says(string_before(view, quote), topic);
    }
    says(field(near), topic) || key_of(view, quote).is_some_and(|key| says(key, topic))
}

/// The key whose value, or array of values, holds the string or number at `value`.
fn key_of<'a>(view: &View<'a>, value: usize) -> Option<&'a [u8]> {
    let floor = value.saturating_sub(REACH);
    let mut before = view.slice(floor, value).trim_ascii_end();
    if let b'[' | b',' = before.last()? {
        // An element of an array: its key stands before the bracket.
        let colon = before.iter().rposition(|byte| *byte == b':')? + 1;
        let elements = before.get(colon..)?.trim_ascii_start().strip_prefix(b"[")?;
        let nested = elements.iter().any(|byte| matches!(byte, b'{' | b'}'));
        before = before.get(..colon).filter(|_| !nested)?;
    }
    let key = before.strip_suffix(b":")?.trim_ascii_end().strip_suffix(b"\"")?;
    Some(string_before(view, floor + key.len()))
}

/// The string that ends with the quote at `end`.
fn string_before<'a>(view: &View<'a>, end: usize) -> &'a [u8] {
    let inside = view.slice(end.saturating_sub(REACH), end);
    let from = memrchr(b'"', inside).map_or(0, |quote| quote + 1);
    inside.get(from..).unwrap_or_default()
}

/// The part of `text` that belongs to the same field as what follows it.
fn field(text: &[u8]) -> &[u8] {
    let (_, text) = cut(text, b'&');
    let (above, line) = cut(text, b'\n');
    let line = if line.trim_ascii().is_empty() { cut(above.trim_ascii_end(), b'\n').1 } else { line };
    // `dob: none, created: 2020-01-01`: what has a name of its own is not about the one before it.
    let (_, last) = cut(line, b',');
    if memchr2(b':', b'=', last).is_some() { last } else { line }
}

/// The text before and after the last such byte; all of it is after where there is none.
fn cut(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    memrchr(byte, text).and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))).unwrap_or((&[], text))
}

fn says(text: &[u8], topic: Topic) -> bool {
    let Some(searcher) = SEARCHER.as_ref() else {
        return true;
    };
    searcher.find_iter(text).any(|found| {
        WORDS.get(found.pattern().as_usize()).is_some_and(|word| {
            word.topic == topic
                && !is_mask(text, found.start(), found.end())
                && (word.inside || is_word(text, found.start(), found.end()))
        })
    })
}

/// Whether letters before and after are of other words: `userSSN`, `ssn_id`, `ssns`, not `classname`.
fn is_word(text: &[u8], start: usize, end: usize) -> bool {
    let letter = |at: Option<usize>| at.and_then(|at| text.get(at)).copied().unwrap_or(b' ');
    let (previous, first, next) = (letter(start.checked_sub(1)), letter(Some(start)), letter(Some(end)));
    let next = if next == b's' { letter(Some(end + 1)) } else { next };
    let opens = !previous.is_ascii_alphabetic() || previous.is_ascii_lowercase() && first.is_ascii_uppercase();
    opens && !next.is_ascii_lowercase()
}

/// `[SSN]` and `[DOB]` as Aegis writes them are no words: the output must hold nothing to be found.
fn is_mask(text: &[u8], start: usize, end: usize) -> bool {
    let masked = text.get(start..end).is_some_and(|word| word == b"SSN" || word == b"DOB");
    masked && start.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'[') && text.get(end) == Some(&b']')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn before(text: &str, json: bool, topic: Topic) -> bool {
        let view = View { bytes: text.as_bytes(), end: true, json, heading: b"" };
        speaks_of(&view, text.len(), topic)
    }

    #[test]
    fn the_words_build() {
        assert!(SEARCHER.is_some());
    }

    #[test]
    fn text() {
        for text in ["dob: ", "Born on ", "birthdate=", "DOB\n", "DOB:\r\n  ", "patientDOB ", "a=b&dob="] {
            assert!(before(text, false, Topic::Birth), "{text:?}");
        }
        for text in ["adobe ", "stubborn ", "dob: x\ncreated: ", "dob=x&at=", "dob: none, at: ", "[DOB] "] {
            assert!(!before(text, false, Topic::Birth), "{text:?}");
        }
        for text in ["ssn ", "SSN: ", "userSSN=", "ssn_number ", "Social Security Number: ", "ssns: "] {
            assert!(before(text, false, Topic::SocialSecurity), "{text:?}");
        }
        assert!(!before("className ", false, Topic::SocialSecurity));
    }

    #[test]
    fn json() {
        for text in [
            r#"{"dob": ""#,
            r#"{"dob":"#,
            r#"{"a":1,"birth_date" : ["#,
            r#"{"dobs": ["1980-01-02", ""#,
            r#"{"note": "born on "#,
        ] {
            assert!(before(text, true, Topic::Birth), "{text}");
        }
        for text in [r#"{"dob": null, "created": ""#, r#"{"dob": null, "created": "#, r#"["dob", "x", ""#] {
            assert!(!before(text, true, Topic::Birth), "{text}");
        }
    }
}
