//! Where parts begin and end.

use memchr::memmem::Finder;

/// The longest boundary (RFC 2046).
const BOUNDARY: usize = 70;
/// Blanks behind a boundary.
const PADDING: usize = 64;

/// How lines end.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Newline {
    Crlf,
    Lf,
}

impl Newline {
    pub(super) fn text(self) -> &'static str {
        match self {
            Newline::Crlf => "\r\n",
            Newline::Lf => "\n",
        }
    }
}

/// What a stretch of a multipart body begins with.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// So many bytes of content. What follows them, more bytes will tell.
    Content(usize),
    /// So many bytes of content, and a delimiter up to `end`, which may be the last one.
    Delimiter { content: usize, end: usize, last: bool },
    /// So many bytes of content, and what is a delimiter for some readers only.
    Ambiguous(usize),
}

pub(super) struct Delimiter {
    finder: Finder<'static>,
    /// As after the first delimiter.
    newline: Option<Newline>,
}

impl Delimiter {
    /// `None` where it is no boundary.
    pub(super) fn new(boundary: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        let formed = (1..=BOUNDARY).contains(&boundary.len()) && boundary.bytes().all(allowed);
        let finder = Finder::new(&format!("--{boundary}")).into_owned();
        (formed && !boundary.ends_with(' ')).then_some(Delimiter { finder, newline: None })
    }

    /// Two dashes and the boundary.
    pub(super) fn dashed(&self) -> &[u8] {
        self.finder.needle()
    }

    pub(super) fn newline(&self) -> Newline {
        self.newline.unwrap_or(Newline::Crlf)
    }

    /// What `held` begins with; `at_line` says whether a line begins where it does, `end` that no more follows.
    pub(super) fn next(&mut self, held: &[u8], at_line: bool, end: bool) -> Next {
        let mut from = 0;
        while let Some(at) = self.finder.find(held.get(from..).unwrap_or_default()).map(|found| from + found) {
            let before = held.get(..at).unwrap_or_default();
            let newline = match before {
                [] if at_line => None,
                [.., b'\r', b'\n'] => Some(Newline::Crlf),
                [.., b'\n'] => Some(Newline::Lf),
                [.., b'\r'] => return Next::Ambiguous(at - 1),
                _ => {
                    from = at + 1;
                    continue;
                }
            };
            let content = at - newline.map_or(0, |newline| newline.text().len());
            let line = at + self.dashed().len();
            return match rest_of_line(held.get(line..).unwrap_or_default(), end) {
                Line::Open => Next::Content(content),
                Line::Ends { length, last, newline: after } if self.agrees([newline, after]) => {
                    Next::Delimiter { content, end: line + length, last }
                }
                Line::Ends { .. } | Line::Ambiguous => Next::Ambiguous(content),
            };
        }
        let tail = if end { 0 } else { self.dashed().len() + 1 };
        Next::Content(held.len().saturating_sub(tail))
    }

    /// Whether lines end as they did before. The first one says how.
    fn agrees(&mut self, newlines: [Option<Newline>; 2]) -> bool {
        newlines.into_iter().flatten().all(|newline| *self.newline.get_or_insert(newline) == newline)
    }
}

enum Line {
    /// More bytes will tell.
    Open,
    Ends {
        length: usize,
        last: bool,
        newline: Option<Newline>,
    },
    Ambiguous,
}

/// The rest of a line behind a boundary.
fn rest_of_line(rest: &[u8], end: bool) -> Line {
    if !end && b"--".starts_with(rest) {
        return Line::Open;
    }
    let last = rest.starts_with(b"--");
    let from = if last { 2 } else { 0 };
    let blanks = rest.iter().skip(from).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let at = from + blanks;
    let ends = |length, newline| Line::Ends { length, last, newline };
    match rest.get(at..).unwrap_or_default() {
        _ if blanks > PADDING => Line::Ambiguous,
        [b'\n', ..] => ends(at + 1, Some(Newline::Lf)),
        [b'\r', b'\n', ..] => ends(at + 2, Some(Newline::Crlf)),
        [] | [b'\r'] if !end => Line::Open,
        [] if last => ends(at, None),
        _ => Line::Ambiguous,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn next(held: &str, end: bool) -> Next {
        Delimiter::new("b").unwrap().next(held.as_bytes(), true, end)
    }

    #[test]
    fn lines_that_are_delimiters() {
        assert_eq!(next("--b\r\nx", false), Next::Delimiter { content: 0, end: 5, last: false });
        assert_eq!(next("x\r\n--b \t\r\n", false), Next::Delimiter { content: 1, end: 10, last: false });
        assert_eq!(next("x\n--b--\n", false), Next::Delimiter { content: 1, end: 8, last: true });
        assert_eq!(next("x\r\n--b--", true), Next::Delimiter { content: 1, end: 8, last: true });
        for open in ["x\r\n--b", "x\r\n--b-", "x\r\n--b--", "x\r\n--b \r"] {
            assert_eq!(next(open, false), Next::Content(1), "{open}");
        }
        assert_eq!(next("x--b\r\n and more", true), Next::Content(15), "not where a line begins");
        assert_eq!(next("0123456789", false), Next::Content(6));
    }

    #[test]
    fn lines_that_some_take_for_delimiters() {
        for body in ["x\r\n--bc\r\n", "x\n--b\r\n", "x\r--b\r\n", "x\r\n--b--x\r\n", "x\r\n--b\ry"] {
            assert_eq!(next(body, true), Next::Ambiguous(1), "{body:?}");
        }
        assert_eq!(next("x\r\n--b", true), Next::Ambiguous(1));
    }

    #[test]
    fn boundaries() {
        for (boundary, good) in [("a b", true), ("a ", false), ("", false), ("a\u{e4}", false), ("a\"", false)] {
            assert_eq!(Delimiter::new(boundary).is_some(), good, "{boundary:?}");
        }
        assert!(Delimiter::new(&"x".repeat(71)).is_none());
    }
}
