//! What the words before a place say of what stands there.

mod keys;
mod topic;
mod words;

use std::cell::Cell;
use std::sync::LazyLock;

use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, Input, MatchKind, StartKind};
use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};
use memchr::{memchr2, memrchr};

use crate::detect::is_mask;
use crate::lanes::{Lanes, is, lanes, within};
use crate::view::View;

pub(crate) use topic::Topic;
use words::WORDS;

/// How far back from a match its context reaches, in bytes; the key of a JSON value adds as much again.
pub(crate) const REACH: usize = 64;

/// Bytes before a place that the examination of a match starting there may look at: the keys of JSON may be so far away.
pub(crate) const LOOK_BEHIND: usize = 4 * REACH;

struct Searcher {
    automaton: DFA,
    /// By the number of the word: its topic, and whether it counts inside of a longer one.
    meaning: Vec<(Topic, bool)>,
    /// A bit for each hash of the four bytes that a word begins with.
    heads: Box<[u64; HASHES / 64]>,
}

/// Values of the hash of four bytes.
const HASHES: usize = 1 << 16;
/// Bits that four bytes add up to.
const FOUR: usize = (1 << 20) - 1;

/// What a byte adds to the hash: the same for a letter and its capital, and for digits what no word begins with.
static CODES: [u8; 256] = {
    let mut codes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let digit = byte >= b'0' as usize && byte <= b'9' as usize;
        codes[byte] = if digit { 0 } else { byte as u8 & 31 };
        byte += 1;
    }
    codes
};

#[inline]
fn code(byte: u8) -> usize {
    usize::from(CODES[usize::from(byte)])
}

/// The hash of what four bytes add up to: the word with its bit, and that bit.
#[inline]
fn hash(four: usize) -> (usize, u64) {
    let hash = four.wrapping_mul(0x9E37_79B1) >> 16 & (HASHES - 1);
    (hash / 64, 1 << (hash % 64))
}

impl Searcher {
    fn new() -> Option<Searcher> {
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
        let mut heads = Box::new([0_u64; HASHES / 64]);
        for text in &texts {
            let [one, two, three, rest @ ..] = text.as_bytes() else { return None };
            // Behind a word of three anything may stand.
            let fourths = rest.first().map_or(0..32, |fourth| code(*fourth)..code(*fourth) + 1);
            for fourth in fourths {
                let (word, bit) = hash(code(*one) << 15 | code(*two) << 10 | code(*three) << 5 | fourth);
                *heads.get_mut(word)? |= bit;
            }
        }
        let automaton = DFA::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .start_kind(StartKind::Anchored)
            .build(texts)
            .ok()?;
        Some(Searcher { automaton, meaning, heads })
    }

    /// Tells of each word of `text`, from the left and the longest that begins at a place: which it is, and where.
    fn each(&self, text: &[u8], mut told: impl FnMut(Topic, bool, usize, usize)) {
        let mut from = 0;
        while let Some(start) = self.head(text, from) {
            // Does not fail: the automaton is built for searches at one place.
            let input = Input::new(text).range(start..).anchored(Anchored::Yes);
            let found = self.automaton.try_find(&input).ok().flatten();
            from = found.map_or(start + 1, |found| found.end());
            if let Some(found) = found
                && let Some((topic, inside)) = self.meaning.get(found.pattern().as_usize())
            {
                told(*topic, *inside, found.start(), found.end());
            }
        }
    }

    /// The next place from `from` on where a word may begin.
    #[inline]
    fn head(&self, text: &[u8], from: usize) -> Option<usize> {
        let [one, two, three, rest @ ..] = text.get(from..)? else { return None };
        let mut four = code(*one) << 10 | code(*two) << 5 | code(*three);
        for (at, byte) in rest.iter().enumerate() {
            four = (four << 5 | code(*byte)) & FOUR;
            if self.begins(four) {
                return Some(from + at);
            }
        }
        // With nothing behind the last three.
        self.begins(four << 5 & FOUR).then_some(from + rest.len())
    }

    #[inline]
    fn begins(&self, four: usize) -> bool {
        let (word, bit) = hash(four);
        self.heads.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

// Cannot fail on these constants; a test holds that.
static SEARCHER: LazyLock<Option<Searcher>> = LazyLock::new(Searcher::new);

/// What is said of a place: a bit for each topic.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Topics(u128);

impl Topics {
    pub(crate) const NONE: Topics = Topics(0);

    pub(crate) const fn with(self, topic: Topic) -> Topics {
        Topics(self.0 | 1 << topic as u8)
    }

    /// All topics up to this one.
    pub(crate) const fn up_to(topic: Topic) -> Topics {
        Topics(u128::MAX >> (u128::BITS - 1 - topic as u32))
    }

    /// Those of them that are among others; `None` where no one is.
    pub(crate) fn of(self, others: Topics) -> Option<Topics> {
        let both = self.0 & others.0;
        (both != 0).then_some(Topics(both))
    }

    pub(crate) const fn has(self, topic: Topic) -> bool {
        self.0 >> topic as u8 & 1 == 1
    }

    fn and(self, other: Topics) -> Topics {
        Topics(self.0 | other.0)
    }
}

/// What is said of the places that one examination asks about: mostly of one, again and again.
pub(crate) struct Said<'v, 'a> {
    pub(crate) view: &'v View<'a>,
    known: Cell<Option<(usize, Topics)>>,
}

impl<'v, 'a> Said<'v, 'a> {
    pub(crate) fn new(view: &'v View<'a>) -> Self {
        Said { view, known: Cell::new(None) }
    }

    /// Whether what stands before `start` says that what is there is about `topic`.
    pub(crate) fn of(&self, start: usize, topic: Topic) -> bool {
        self.topics(start).has(topic)
    }

    /// Whether it says that what is there is about one of these.
    pub(crate) fn any(&self, start: usize, among: Topics) -> bool {
        self.topics(start).of(among).is_some()
    }

    fn topics(&self, start: usize) -> Topics {
        let known = self.known.get().filter(|(at, _)| *at == start);
        let (_, topics) = known.unwrap_or_else(|| (start, topics(self.view, start)));
        self.known.set(Some((start, topics)));
        topics
    }
}

/// The name of a header field where it says that its value is personal; else nothing.
///
/// A name that speaks of secrets says nothing here: where clients send the credential that is meant for the origin, its field is
/// called a key or a token.
pub(crate) fn of_field(name: &str) -> &str {
    const PERSONAL: u128 = (1 << Topic::AwsSecret as u8) - 1;
    let Topics(said) = said(name.as_bytes());
    if said != 0 && said & !PERSONAL == 0 { name } else { "" }
}

/// Whether a name says what its value is.
pub(crate) fn says_something(name: &[u8]) -> bool {
    said(name) != Topics::NONE
}

/// Whether what stands before `start` says that what is there is about `topic`.
pub(crate) fn speaks_of(view: &View<'_>, start: usize, topic: Topic) -> bool {
    topics(view, start).has(topic)
}

/// What is said of what stands at `start`.
///
/// In JSON it is the text before it in the same string that says so, and the key of the value, or of the array or object
/// that holds it. Elsewhere it is the text before it in the same field and line, or the line above where it begins a line;
/// in a table its heading.
pub(crate) fn topics(view: &View<'_>, start: usize) -> Topics {
    let heading = if view.heading.is_empty() { Topics::default() } else { said(view.heading) };
    let floor = start.saturating_sub(REACH);
    let text = view.slice(floor, start);
    let marks = text.first_chunk().map(Marks::of);
    let quote = match &marks {
        _ if !view.json => None,
        Some(marks) => marks.quotes.checked_ilog2().map(|bit| bit as usize),
        None => memrchr(b'"', text),
    };
    let near = text.get(quote.map_or(0, |quote| quote + 1)..).unwrap_or_default();
    let before = quote.map(|quote| view.slice(start.saturating_sub(LOOK_BEHIND), floor + quote));
    if before.is_some() && near.trim_ascii_start().first() == Some(&b':') {
        // It stands bare, and the quote is the end of its key.
        return keys::said_by(before.unwrap_or_default());
    }
    let here = match marks.and_then(|marks| marks.field(near.len())) {
        Some(0) => Topics::NONE,
        Some(length) => said(near.get(near.len() - length..).unwrap_or_default()),
        None => said(field(near)),
    };
    here.and(before.map_or(heading, keys::said_of))
}

/// What counts of the bytes before a place: a bit for each.
struct Marks {
    quotes: u64,
    ampersands: u64,
    breaks: u64,
    commas: u64,
    /// Colons and equals signs.
    names: u64,
    /// Letters, and what is beyond ASCII.
    letters: u64,
    blanks: u64,
}

impl Marks {
    fn of(block: &[u8; REACH]) -> Marks {
        dispatch!(Level::new(), simd => Marks::of_lane(lanes(simd, block)))
    }

    #[inline(always)]
    fn of_lane<S: Simd>(lane: Lanes<S>) -> Marks {
        Marks {
            quotes: is(lane, b'"').to_bitmask(),
            ampersands: is(lane, b'&').to_bitmask(),
            breaks: is(lane, b'\n').to_bitmask(),
            commas: is(lane, b',').to_bitmask(),
            names: (is(lane, b':') | is(lane, b'=')).to_bitmask(),
            letters: (within(lane | 0x20, b'a', 26) | lane.simd_ge(0x80)).to_bitmask(),
            blanks: (is(lane, b' ') | within(lane, b'\t', 5)).to_bitmask(),
        }
    }

    /// How many of the last bytes are of the [`field`] of these, where letters are among them; `None` where a line above counts.
    fn field(&self, bytes: usize) -> Option<usize> {
        let last = |bits: u64| bits.checked_ilog2();
        let behind = |bit: u32| (u64::MAX << bit) << 1;
        let mut inside = (u64::MAX).checked_shl((REACH - bytes.min(REACH)) as u32).unwrap_or(0);
        if let Some(ampersand) = last(self.ampersands & inside) {
            inside = behind(ampersand);
        }
        if let Some(line) = last(self.breaks & inside) {
            inside = behind(line);
        }
        if inside & !self.blanks == 0 && self.breaks != 0 {
            return None;
        }
        if let Some(comma) = last(self.commas & inside)
            && self.names & behind(comma) != 0
        {
            inside = behind(comma);
        }
        Some(if self.letters & inside == 0 { 0 } else { inside.count_ones() as usize })
    }
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
    let mut topics = Topics::default();
    // Numbers say nothing, and many stand among others.
    let letters = text.iter().fold(false, |any, byte| any | byte.is_ascii_alphabetic() | !byte.is_ascii());
    if !letters {
        return topics;
    }
    let Some(searcher) = SEARCHER.as_ref() else {
        return Topics(u128::MAX);
    };
    searcher.each(text, |topic, inside, start, end| {
        if (inside || is_word(text, start, end)) && !is_mask(text, start) {
            topics = topics.with(topic);
            if topic == Topic::AwsSecret {
                topics = topics.with(Topic::Secret);
            }
        }
    });
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
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn before(text: &str, json: bool, topic: Topic) -> bool {
        let view = View { bytes: text.as_bytes(), end: true, json, rows: false, heading: b"" };
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
            r#"{"dob":{"value":""#,
            r#"{"dob":{"type":"date {[","tags":["a",{}],"Value":"#,
            r#"{"dob" : [ {"v": ""#,
            r#"{"dob":[{"text":"a","x":[1]},{"text":""#,
            r#"{"dob":{"value":{"stringValue":""#,
            r#"{"dob":["none","", ""#,
            r#"{"dob":["a:b","{", ""#,
        ] {
            assert!(before(text, true, Topic::Birth), "{text}");
        }
        for text in [
            r#"{"dob": null, "created": ""#,
            r#"{"dob": null, "created": "#,
            r#"["dob", "x", ""#,
            r#"{"dob":{"created":""#,
            r#"{"dob":{"value":"x"},"value":""#,
            r#"{"dob":{"meta":{"created":"x"}},"text":"#,
            r#"{"dob":["x"],"list":[""#,
            r#"{"a":{"value":""#,
        ] {
            assert!(!before(text, true, Topic::Birth), "{text}");
        }
    }

    #[test]
    fn names_of_fields() {
        for name in ["x-ssn", "x-customer-ssn", "x-date-of-birth", "X-Social-Security-Number", "passport-no", "x-phone"]
        {
            assert_eq!(of_field(name), name);
        }
        for name in ["x-api-key", "x-auth-token", "private-token", "x-ssn-token", "date", "cookie", "content-type", ""]
        {
            assert_eq!(of_field(name), "", "{name}");
        }
        // The first of those for secrets.
        assert_eq!(Topic::Iban as u8 + 1, Topic::AwsSecret as u8);
    }

    /// The field of the bytes before a place, told by their bits, is that of reading them.
    #[test]
    fn fields_are_told_by_bits() {
        let mut seed = 11_u32;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        let (mut above, mut none) = (0, 0);
        for round in 0..8000 {
            let often = round % 30;
            let block: [u8; REACH] = std::array::from_fn(|_| {
                if random(40) < often { b"&\n,:= \t"[random(7)] } else { b"abcXYZ019.-\xC3"[random(12)] }
            });
            let near = &block[random(REACH + 1)..];
            match Marks::of(&block).field(near.len()) {
                Some(0) => {
                    none += 1;
                    assert_eq!(said(field(near)), Topics::NONE);
                }
                Some(length) => assert_eq!(&near[near.len() - length..], field(near)),
                // A line above counts, or may.
                None => above += 1,
            }
        }
        assert!((100..4000).contains(&above) && (100..4000).contains(&none), "{above} {none}");
    }

    #[test]
    fn headings() {
        let view = View { bytes: b"1980-01-02", end: true, json: false, rows: false, heading: b"date of birth" };
        assert!(speaks_of(&view, 0, Topic::Birth) && !speaks_of(&view, 0, Topic::Phone));
    }
}
