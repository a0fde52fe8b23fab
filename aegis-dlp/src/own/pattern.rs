//! A tenant's own detector as a regular expression.
//!
//! What a stream of any length is searched for must have a longest match, or it would have to be held as a whole: such
//! patterns are refused, as are those that match next to nothing. A pattern whose every match begins with one of a few
//! literals is looked for by these, all such patterns in one pass; any other costs a pass of its own over all that is sent.

use regex_automata::meta::{self, Regex};
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, Look};

use crate::view::{Eval, View};

/// The longest pattern, in bytes.
const TEXT: usize = 1000;
/// The fewest bytes that a match may have.
const SHORTEST: usize = 3;
/// The most bytes that a match may have.
const LONGEST: usize = 256;
/// Bytes behind a match that a word boundary may look at: a character.
const BEHIND: usize = 4;
/// Bytes of the compiled pattern.
const SIZE: usize = 1 << 20;
/// Literals of one pattern.
const LITERALS: usize = 64;
/// Ways to write one letter of a literal: small and capital.
const CLASS: usize = 4;
/// The fewest bytes of a literal that is worth looking for.
const LITERAL: usize = 2;
/// Bytes of a literal that are looked for.
pub(super) const LONGEST_LITERAL: usize = 16;

/// A pattern that is looked for as it streams.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    /// The most bytes that a match has.
    longest: usize,
    /// Every match begins with one of them; empty where there are none.
    literals: Vec<Box<[u8]>>,
}

/// Why a pattern is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// It is not a regular expression.
    #[error("{0}")]
    Syntax(String),
    /// The text is too long.
    #[error("the pattern is {0} bytes long; at most {TEXT} are read")]
    Long(usize),
    /// The compiled pattern is too large.
    #[error("the pattern is too large: use smaller repetitions or classes of ASCII such as [0-9] for \\d")]
    Large,
    /// A match may be shorter than is worth looking for.
    #[error("a match may be {0} bytes short; it must have at least {SHORTEST}")]
    Short(usize),
    /// There is no longest match.
    #[error(
        "a match may have any length; give repetitions an end, such as {{1,64}} for + (at most {LONGEST} bytes in all)"
    )]
    Endless,
    /// The longest match is too long.
    #[error(
        "a match may be {0} bytes long; at most {LONGEST} are looked for (\\d and \\w count up to 4 bytes each: write [0-9])"
    )]
    TooLong(usize),
    /// It asks for the beginning or end of a text, which a stream has only once.
    #[error(
        "^, $, \\A and \\z have no meaning in a stream; leave them out (\\b is fine: words are matched whole anyway)"
    )]
    Anchored,
}

impl Pattern {
    /// Reads a regular expression in the syntax of the `regex` crate.
    ///
    /// # Errors
    /// [`PatternError`] for what cannot be looked for in a stream.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        if text.len() > TEXT {
            return Err(PatternError::Long(text.len()));
        }
        let parsed = ParserBuilder::new().utf8(false).nest_limit(32).build().parse(text);
        let hir = parsed.map_err(|error| PatternError::Syntax(reason(&error)))?;
        let properties = hir.properties();
        if properties.look_set().iter().any(|look| !is_boundary(look)) {
            return Err(PatternError::Anchored);
        }
        // `None` is a pattern that matches nothing.
        let shortest = properties.minimum_len().unwrap_or_default();
        if shortest < SHORTEST {
            return Err(PatternError::Short(shortest));
        }
        let longest = properties.maximum_len().ok_or(PatternError::Endless)?;
        if longest > LONGEST {
            return Err(PatternError::TooLong(longest));
        }
        let config = meta::Config::new().utf8_empty(false).nfa_size_limit(Some(SIZE)).onepass_size_limit(Some(SIZE));
        let regex = Regex::builder().configure(config).build_from_hir(&hir).map_err(|_| PatternError::Large)?;
        Ok(Pattern { regex, longest, literals: literals(&hir) })
    }

    /// Whether it is looked for by literals: it then costs next to nothing where they do not stand.
    pub fn has_literals(&self) -> bool {
        !self.literals.is_empty()
    }

    pub(super) fn literals(&self) -> &[Box<[u8]>] {
        &self.literals
    }

    /// Whether a match may begin right at `at`, going by its literals.
    pub(super) fn begins(&self, view: &View<'_>, at: usize) -> bool {
        let text = view.slice(at, at + LONGEST_LITERAL);
        self.literals.is_empty()
            || self.literals.iter().any(|one| text.starts_with(one) || !view.end && one.starts_with(text))
    }

    /// The end of the match that begins at `at`, as a word of its own.
    pub(super) fn examine(&self, view: &View<'_>, at: usize) -> Eval<Option<usize>> {
        let reached = view.run(at, self.longest + BEHIND, |byte| byte != b'\n')?;
        if !self.may_begin(view, at) {
            return Ok(None);
        }
        let haystack = view.slice(0, reached);
        let input = Input::new(haystack).span(at..reached.min(at + self.longest)).anchored(Anchored::Yes);
        let end = self.regex.find(input).map(|found| found.end());
        let whole = |end: &usize| !(alphanumeric(view.before(*end)) && alphanumeric(haystack.get(*end).copied()));
        Ok(end.filter(whole))
    }

    /// Lists where matches may begin, and the first place that is undecided, by searching all from `from` on. For patterns without literals.
    pub(super) fn list(&self, view: &View<'_>, from: usize, mut add: impl FnMut(usize)) {
        let length = view.bytes.len();
        // From here on what `examine` looks at has not all arrived.
        let line = view.run_back(length, self.longest + BEHIND - 1, |byte| byte != b'\n');
        let undecided = if view.end { length } else { line.max(from) };
        let mut at = from;
        while at < undecided {
            let input = Input::new(view.bytes).span(at..length).earliest(true);
            let Some(found) = self.regex.find(input).filter(|found| found.start() < undecided) else { break };
            if self.may_begin(view, found.start()) {
                add(found.start());
            }
            at = found.start() + 1;
        }
        if undecided < length {
            add(undecided);
        }
    }

    /// A match that begins with a letter or digit begins a word.
    fn may_begin(&self, view: &View<'_>, at: usize) -> bool {
        !alphanumeric(view.seen(at)) || view.opens(at)
    }
}

fn alphanumeric(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric())
}

fn is_boundary(look: Look) -> bool {
    !matches!(look, Look::Start | Look::End | Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF)
}

/// The literals of which every match begins with one, cut; none where they are too many or too short.
fn literals(hir: &Hir) -> Vec<Box<[u8]>> {
    let mut all = Extractor::new().kind(ExtractKind::Prefix).limit_class(CLASS).limit_total(LITERALS).extract(hir);
    all.keep_first_bytes(LONGEST_LITERAL);
    all.minimize_by_preference();
    let list = all.literals().unwrap_or_default();
    if list.is_empty() || list.iter().any(|literal| literal.len() < LITERAL) {
        return Vec::new();
    }
    list.iter().map(|literal| literal.as_bytes().into()).collect()
}

/// The parser's own words, without the pattern drawn above them.
fn reason(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_or_no_substance_is_refused() {
        for (text, why) in [
            ("CUST-[0-9]+", PatternError::Endless),
            ("[0-9]{2,9}", PatternError::Short(2)),
            ("x{3,300}", PatternError::TooLong(300)),
            ("^abc", PatternError::Anchored),
            ("(?m)abc$", PatternError::Anchored),
            (r"\w{100}", PatternError::TooLong(400)),
            (&"a".repeat(1001), PatternError::Long(1001)),
        ] {
            assert_eq!(Pattern::new(text).unwrap_err(), why, "{text}");
        }
        assert!(matches!(Pattern::new("a(b"), Err(PatternError::Syntax(why)) if why.contains("unclosed group")));
        assert!(matches!(
            Pattern::new(r"(?:\w{1,9}[^a]{1,9}){8}"),
            Err(PatternError::TooLong(_) | PatternError::Large)
        ));
    }

    #[test]
    fn literals_are_found_where_every_match_begins_with_one() {
        for (text, wanted) in [
            ("CUST-[0-9]{8}", vec!["CUST-"]),
            ("(?:AB|XYZ)[0-9]{4}", vec!["AB", "XYZ"]),
            ("[0-9]{8}-CUST", vec![]),
            (r"\bkey_[a-z]{9}", vec!["key_"]),
        ] {
            let pattern = Pattern::new(text).unwrap();
            let found: Vec<&str> = pattern.literals().iter().map(|one| std::str::from_utf8(one).unwrap()).collect();
            assert_eq!((found, pattern.has_literals()), (wanted.clone(), !wanted.is_empty()), "{text}");
        }
        let any_case = Pattern::new("(?i)cust[0-9]{4}").unwrap();
        assert!(any_case.has_literals(), "every way to write it is a literal");
    }
}
