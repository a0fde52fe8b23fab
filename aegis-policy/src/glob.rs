//! Globs over names (`*` is any run of characters) and over paths (`*` within a segment, `**` across).

/// Bytes that a compiled regular expression may take: the bound of the Rego engine's own `regex.match`.
pub(crate) const REGEX_SIZE: usize = 100 * 1024;

/// A name pattern for agents, tenants and label values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameGlob(String);

impl NameGlob {
    pub(crate) fn new(pattern: &str) -> NameGlob {
        NameGlob(pattern.to_owned())
    }

    pub(crate) fn pattern(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_literal(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether this pattern takes every name that `inner` takes. What a `*` of `inner` stands for is any text, which only a
    /// `*` can stand for too; so `inner` is looked at as a name that has a `*` in it.
    pub(crate) fn covers(&self, inner: &NameGlob) -> bool {
        self.matches(&inner.0)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        // As `.` in the regular expression: a line break is in no name.
        if text.contains('\n') {
            return false;
        }
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
            return false;
        };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// The same pattern as a regular expression (RE2 syntax).
    pub(crate) fn regex(&self) -> String {
        let parts: Vec<String> = self.0.split('*').map(regex::escape).collect();
        format!("^{}$", parts.join(".*"))
    }
}

/// A path pattern. It is compared with normalised paths only.
#[derive(Debug, Clone)]
pub(crate) struct PathGlob {
    pattern: String,
    test: PathTest,
    regex: Option<regex::Regex>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `*`: any run of characters but `/`.
    Segment,
    /// `**`: any run of characters.
    Across,
}

/// How a path pattern is best tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathTest {
    Equals(String),
    StartsWith(String),
    Regex(String),
}

impl PathGlob {
    /// # Errors
    /// What is wrong with the pattern, for people.
    pub(crate) fn parse(pattern: &str) -> Result<PathGlob, String> {
        if !pattern.starts_with(['/', '*']) {
            return Err("a path starts with `/`".into());
        }
        let mut parts = Vec::new();
        for (at, run) in pattern.split('*').enumerate() {
            if at > 0 {
                match parts.last_mut() {
                    Some(part @ Part::Segment) => *part = Part::Across,
                    Some(Part::Across) => return Err("`***` is no wildcard".into()),
                    _ => parts.push(Part::Segment),
                }
            }
            if !run.is_empty() {
                parts.push(Part::Literal(run.to_owned()));
            }
        }
        // A pattern that no normalised path can equal would be a rule that silently never matches.
        let sample = pattern.replace('*', "x");
        let sample = if sample.starts_with('/') { sample } else { format!("/{sample}") };
        match crate::path::normalise(&sample) {
            Some(normal) if normal == sample => PathGlob::new(pattern, &parts),
            _ => Err("no normalised path can match this (see docs/policy.md, paths)".into()),
        }
    }

    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    fn new(pattern: &str, parts: &[Part]) -> Result<PathGlob, String> {
        let test = match parts {
            [Part::Literal(whole)] => PathTest::Equals(whole.clone()),
            [Part::Literal(start), Part::Across] => PathTest::StartsWith(start.clone()),
            parts => PathTest::Regex(format!("^{}$", parts.iter().map(Part::regex).collect::<String>())),
        };
        let regex = match &test {
            PathTest::Regex(text) => Some(
                regex::RegexBuilder::new(text)
                    .size_limit(REGEX_SIZE)
                    .build()
                    .map_err(|_| "the pattern is too large".to_owned())?,
            ),
            _ => None,
        };
        Ok(PathGlob { pattern: pattern.to_owned(), test, regex })
    }

    /// Whether this pattern takes every path that `inner` takes.
    pub(crate) fn covers(&self, inner: &PathGlob) -> bool {
        let outer = tokens(&self.pattern);
        // The places in `outer` that what was read of `inner` can have led to.
        let mut at: Vec<bool> = vec![false; outer.len() + 1];
        if let Some(start) = at.first_mut() {
            *start = true;
        }
        skip_wildcards(&outer, &mut at);
        for token in tokens(&inner.pattern) {
            let mut next = vec![false; outer.len() + 1];
            for (place, own) in outer.iter().enumerate().filter(|(place, _)| at.get(*place) == Some(&true)) {
                let (stays, passes) = match (own, &token) {
                    (Token::Across, _) => (true, false),
                    (Token::Segment, Token::Segment) => (true, false),
                    (Token::Segment, Token::One(c)) => (*c != '/', false),
                    (Token::One(a), Token::One(b)) => (false, a == b),
                    _ => (false, false),
                };
                for (reached, yes) in [(place, stays), (place + 1, passes)] {
                    if let Some(flag) = next.get_mut(reached).filter(|_| yes) {
                        *flag = true;
                    }
                }
            }
            skip_wildcards(&outer, &mut next);
            at = next;
        }
        at.last() == Some(&true)
    }

    /// How Rego tests it.
    pub(crate) fn test(&self) -> &PathTest {
        &self.test
    }

    /// The same test here.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match (&self.test, &self.regex) {
            (PathTest::Equals(whole), _) => whole == path,
            (PathTest::StartsWith(start), _) => path.starts_with(start.as_str()),
            (PathTest::Regex(_), regex) => regex.as_ref().is_some_and(|regex| regex.is_match(path)),
        }
    }
}

/// A pattern, character by character.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Token {
    One(char),
    Segment,
    Across,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut list: Vec<Token> = Vec::new();
    for c in pattern.chars() {
        match (c, list.last_mut()) {
            ('*', Some(last @ Token::Segment)) => *last = Token::Across,
            ('*', _) => list.push(Token::Segment),
            (c, _) => list.push(Token::One(c)),
        }
    }
    list
}

/// A wildcard may stand for nothing.
fn skip_wildcards(pattern: &[Token], at: &mut [bool]) {
    for (place, token) in pattern.iter().enumerate() {
        if at.get(place) == Some(&true)
            && !matches!(token, Token::One(_))
            && let Some(next) = at.get_mut(place + 1)
        {
            *next = true;
        }
    }
}

impl Part {
    fn regex(&self) -> String {
        match self {
            Part::Literal(text) => regex::escape(text),
            Part::Segment => "[^/]*".into(),
            Part::Across => ".*".into(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("fin-*", "fin-1", true),
            ("fin-*", "xfin-1", false),
            ("*-x-*", "a-x-b", true),
            ("*-x-*", "a-x", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "abbc", true),
            ("a*b*b", "ab", false),
            ("a*", "a\nb", false),
        ] {
            let glob = NameGlob::new(pattern);
            assert_eq!(glob.matches(text), expected, "{pattern} {text}");
            assert_eq!(regex::Regex::new(&glob.regex()).unwrap().is_match(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_covers_another_only_if_it_takes_all_that_the_other_takes() {
        for (outer, inner, expected) in [
            ("fin-*", "fin-*", true),
            ("fin-*", "fin-1", true),
            ("fin-*", "fin-1*", true),
            ("*", "fin-*-x", true),
            ("fin-1*", "fin-*", false),
            ("fin-*-x", "fin-*", false),
            ("a", "*", false),
        ] {
            assert_eq!(NameGlob::new(outer).covers(&NameGlob::new(inner)), expected, "{outer} {inner}");
        }
        for (outer, inner, expected) in [
            ("/x/*", "/x/y", true),
            ("/x/*", "/x/*", true),
            ("/x/*", "/x/a*b", true),
            ("/x/*", "/x/**", false),
            ("/x/*", "/x/*/y", false),
            ("/x/*/*", "/x/**", false),
            ("/x/**", "/x/*/y", true),
            ("/x/**", "/x/**", true),
            ("/x/**", "/x", false),
            ("/x/**", "/x*", false),
            ("**", "/x/**", true),
            ("/**/y", "/x/*/y", true),
            ("/**/y", "/x/**", false),
            ("/*", "/", true),
            ("/x", "/*", false),
        ] {
            let glob = |pattern: &str| PathGlob::parse(pattern).unwrap();
            assert_eq!(glob(outer).covers(&glob(inner)), expected, "{outer} {inner}");
        }
    }

    #[test]
    fn path_tests() {
        let test = |pattern: &str| PathGlob::parse(pattern).unwrap().test().clone();
        assert_eq!(test("/v1/charges"), PathTest::Equals("/v1/charges".into()));
        assert_eq!(test("/v1/**"), PathTest::StartsWith("/v1/".into()));
        assert_eq!(test("/v1/*/x.y"), PathTest::Regex(r"^/v1/[^/]*/x\.y$".into()));
        for bad in ["v1", "", "/a//b", "/a/../b", "/a***", "/a b", "/a%2fb", "/%41", "/a?b", "/a;b"] {
            assert!(PathGlob::parse(bad).is_err(), "{bad}");
        }
    }
}
