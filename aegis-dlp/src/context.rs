//! What the words before a place say of what stands there.

mod topic;
mod words;

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::{memchr2, memrchr};

use crate::detect::is_mask;
use crate::view::View;

pub(crate) use topic::Topic;
use words::WORDS;

/// How far back from a match its context reaches, in bytes; the key of a JSON value adds as much again.
const REACH: usize = 64;

/// Bytes before a place that the examination of a match starting there may look at.
pub(crate) const LOOK_BEHIND: usize = 2 * REACH + 16;

struct Searcher {
    automaton: AhoCorasick,
    /// By the number of the word: its topic, and whether it counts inside of a longer one.
    meaning: Vec<(Topic, bool)>,
}

static SEARCHER: LazyLock<Option<Searcher>> = LazyLock::new(|| {
    let (mut texts, mut meaning) = (Vec::<String>::new(), Vec::new());
    for (topic, parts, words) in WORDS {
        for (word, inside) in parts.iter().map(|part| (part, true)).chain(words.iter().map(|word| (word, false))) {
            // Names of fields are written with other signs where people put blanks, or with none.
            for between in ["_", "-", "", " "].into_iter().skip(if word.contains(' ') { 0 } else { 3 }) {
                texts.push(word.replace(' ', between));
                meaning.push((*topic, inside));
            }
        }
    }
    // Cannot fail on these constants; a test holds that.
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(texts)
        .ok()?;
    Some(Searcher { automaton, meaning })
});

/// What is said of a place: a bit for each topic.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Topics(u128);

impl Topics {
    pub(crate) const fn has(self, topic: Topic) -> bool {
        self.0 >> topic as u8 & 1 == 1
    }

    fn and(self, other: Topics) -> Topics {
        Topics(self.0 | other.0)
    }
}

/// Whether what stands before `start` says that what is there is about `topic`.
pub(crate) fn speaks_of(view: &View<'_>, start: usize, topic: Topic) -> bool {
    topics(view, start).has(topic)
}

/// What is said of what stands at `start`.
///
/// In JSON it is the text before it in the same string that says so, and the key of the value or of the array that
/// holds it. Elsewhere it is the text before it in the same field and line, or the line above where it begins a line;
/// in a table its heading.
pub(crate) fn topics(view: &View<'_>, start: usize) -> Topics {
    let heading = if view.heading.is_empty() { Topics::default() } else { said(view.heading) };
    let floor = start.saturating_sub(REACH);
    let text = view.slice(floor, start);
    let quote = if view.json { memrchr(b'"', text).map(|at| floor + at) } else { None };
    let Some(quote) = quote else {
        return said(field(text)).and(heading);
    };
    let near = view.slice(quote + 1, start);
    if near.trim_ascii_start().first() == Some(&b':') {
        // It stands bare, and the quote is the end of its key.
        return said(string_before(view, quote));
    }
    said(field(near)).and(key_of(view, quote).map(said).unwrap_or_default())
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
    // What begins like JSON may be settings or a script: names without quotes, behind which an equals sign may stand.
    let name = before.strip_suffix(b":").or_else(|| before.strip_suffix(b"="))?.trim_ascii_end();
    match name.strip_suffix(b"\"") {
        Some(key) => Some(string_before(view, floor + key.len())),
        None => Some(field(name)),
    }
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
    let line = if line.trim_ascii().is_empty() { heading(cut(above.trim_ascii_end(), b'\n').1) } else { line };
    // `dob: none, created: 2020-01-01`: what has a name of its own is not about the one before it.
    let (_, last) = cut(line, b',');
    if memchr2(b':', b'=', last).is_some() { last } else { line }
}

/// A line above a value as far as it may be the value's name: one with digits in it is about what it holds itself.
fn heading(line: &[u8]) -> &[u8] {
    if line.iter().any(u8::is_ascii_digit) { &[] } else { line }
}

/// The text before and after the last such byte; all of it is after where there is none.
fn cut(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    memrchr(byte, text).and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))).unwrap_or((&[], text))
}

fn said(text: &[u8]) -> Topics {
    let Some(searcher) = SEARCHER.as_ref() else {
        return Topics(u128::MAX);
    };
    let mut topics = Topics::default();
    for found in searcher.automaton.find_iter(text) {
        if let Some((topic, inside)) = searcher.meaning.get(found.pattern().as_usize())
            && (*inside || is_word(text, found.start(), found.end()))
            && !is_mask(text, found.start())
        {
            topics.0 |= 1 << *topic as u8;
            if *topic == Topic::AwsSecret {
                topics.0 |= 1 << Topic::Secret as u8;
            }
        }
    }
    topics
}

/// Whether letters before and after are of other words: `userSSN`, `ssn_id`, `ssns`, not `classname`.
fn is_word(text: &[u8], start: usize, end: usize) -> bool {
    let letter = |at: Option<usize>| at.and_then(|at| text.get(at)).copied().unwrap_or(b' ');
    let (previous, first, next) = (letter(start.checked_sub(1)), letter(Some(start)), letter(Some(end)));
    let next = if next == b's' { letter(Some(end + 1)) } else { next };
    let opens = !previous.is_ascii_alphabetic() || previous.is_ascii_lowercase() && first.is_ascii_uppercase();
    // `TELEGRAM_TOKEN` is not about a `tel`; `SSNField` is about an `SSN`.
    let last = letter(end.checked_sub(1));
    let longer = last.is_ascii_uppercase() && next.is_ascii_uppercase() && !letter(Some(end + 1)).is_ascii_lowercase();
    opens && !next.is_ascii_lowercase() && !longer
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
        for text in
            ["adobe ", "stubborn ", "dob: x\ncreated: ", "dob=x&at=", "dob: none, at: ", "[DOB] ", "[DOB:*1234] "]
        {
            assert!(!before(text, false, Topic::Birth), "{text:?}");
        }
        for text in ["ssn ", "SSN: ", "userSSN=", "ssn_number ", "Social Security Number: ", "ssns: "] {
            assert!(before(text, false, Topic::SocialSecurity), "{text:?}");
        }
        assert!(!before("className ", false, Topic::SocialSecurity));
        assert!(before("access_token=", false, Topic::Secret) && !before("next_page_token=", false, Topic::Secret));
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

    #[test]
    fn headings() {
        let view = View { bytes: b"1980-01-02", end: true, json: false, heading: b"date of birth" };
        assert!(speaks_of(&view, 0, Topic::Birth) && !speaks_of(&view, 0, Topic::Phone));
    }
}
