//! Tokens of a GraphQL document (GraphQL September 2025, section 2.1). Values are told apart no further than finding their ends needs.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    /// `! $ & ( ) : = @ [ ] { | }`
    Mark(u8),
    /// `...`
    Spread,
    /// A number or a string.
    Value,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// What no document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; none at the end.
    pub(super) fn token(&mut self) -> Result<Option<Token<'a>>, Malformed> {
        self.skip_ignored();
        let Some(first) = self.peek(0) else { return Ok(None) };
        let token = match first {
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                Token::Name(self.run(|byte| byte == b'_' || byte.is_ascii_alphanumeric()))
            }
            b'-' | b'0'..=b'9' => {
                self.run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
                Token::Value
            }
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                self.at += 1;
                Token::Mark(first)
            }
            b'.' if self.rest().starts_with("...") => {
                self.at += 3;
                Token::Spread
            }
            b'"' => self.string()?,
            _ => return Err(Malformed),
        };
        Ok(Some(token))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !belongs(byte)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// White space, commas, comments, a byte order mark.
    fn skip_ignored(&mut self) {
        loop {
            match self.peek(0) {
                Some(b' ' | b'\t' | b'\r' | b'\n' | b',') => self.at += 1,
                Some(b'#') => drop(self.run(|byte| !matches!(byte, b'\r' | b'\n'))),
                Some(0xef) if self.rest().starts_with('\u{feff}') => self.at += '\u{feff}'.len_utf8(),
                _ => return,
            }
        }
    }

    fn string(&mut self) -> Result<Token<'a>, Malformed> {
        if self.rest().starts_with("\"\"\"") {
            return self.block_string();
        }
        let mut length = 1;
        loop {
            match self.peek(length).ok_or(Malformed)? {
                b'"' => break,
                b'\\' => length += 2,
                b'\r' | b'\n' => return Err(Malformed),
                _ => length += 1,
            }
        }
        self.at += length + 1;
        Ok(Token::Value)
    }

    fn block_string(&mut self) -> Result<Token<'a>, Malformed> {
        let mut length = 3;
        loop {
            let rest = self.text.as_bytes().get(self.at + length..).ok_or(Malformed)?;
            match rest {
                [b'\\', b'"', b'"', b'"', ..] => length += 4,
                [b'"', b'"', b'"', ..] => break,
                [] => return Err(Malformed),
                _ => length += 1,
            }
        }
        self.at += length + 3;
        Ok(Token::Value)
    }
}
