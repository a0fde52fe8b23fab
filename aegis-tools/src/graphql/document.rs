//! Operations of a document and the fields that they ask the root for, through fragments too. What lies deeper is only skipped.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::{Lexer, Malformed, Token};

/// Inline fragments within each other at the root, arguments within arguments.
const DEPTH: usize = 64;
/// Definitions in one document, and selections in all of them together.
const MOST: usize = 4096;

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `query`, `mutation` or `subscription`.
    pub kind: &'static str,
    /// Names of fields, not their aliases; sorted, each once.
    pub fields: BTreeSet<String>,
}

/// All operations of an executable document; none where it is not one, or not within bounds. Which of several is carried out is
/// the request's word; all are taken to be.
#[must_use]
pub fn operations(text: &str) -> Option<Vec<Operation>> {
    let mut reader = Reader { lexer: Lexer::new(text), next: None, selections: 0 };
    let (mut operations, mut fragments) = (Vec::new(), BTreeMap::new());
    reader.advance().ok()?;
    while reader.next.is_some() {
        if operations.len() + fragments.len() >= MOST {
            return None;
        }
        match reader.definition().ok()? {
            Definition::Operation(kind, selected) => operations.push((kind, selected)),
            // A second of the same name: servers refuse it, or take either.
            Definition::Fragment(name, selected) => fragments.entry(name).or_insert_with(Vec::new).extend(selected),
        }
    }
    if operations.is_empty() {
        return None;
    }
    operations
        .into_iter()
        .map(|(kind, selected)| Some(Operation { kind, fields: fields(&selected, &fragments)? }))
        .collect()
}

enum Definition<'a> {
    Operation(&'static str, Vec<Selected<'a>>),
    Fragment(&'a str, Vec<Selected<'a>>),
}

/// One selection of the root.
#[derive(Clone, Copy)]
enum Selected<'a> {
    Field(&'a str),
    Fragment(&'a str),
}

/// None where a fragment is spread that is not there.
fn fields(selected: &[Selected<'_>], fragments: &BTreeMap<&str, Vec<Selected<'_>>>) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut next: Vec<Selected<'_>> = selected.to_vec();
    while let Some(one) = next.pop() {
        match one {
            Selected::Field(name) => _ = names.insert(name.to_owned()),
            Selected::Fragment(name) if seen.insert(name) => next.extend_from_slice(fragments.get(name)?),
            Selected::Fragment(_) => {}
        }
    }
    Some(names)
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    next: Option<Token<'a>>,
    selections: usize,
}

impl<'a> Reader<'a> {
    /// Gives the token and reads the one after it.
    fn advance(&mut self) -> Result<Option<Token<'a>>, Malformed> {
        let next = self.lexer.token()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn name(&mut self) -> Result<&'a str, Malformed> {
        match self.advance()? {
            Some(Token::Name(name)) => Ok(name),
            _ => Err(Malformed),
        }
    }

    fn expect(&mut self, mark: u8) -> Result<(), Malformed> {
        (self.advance()? == Some(Token::Mark(mark))).then_some(()).ok_or(Malformed)
    }

    fn definition(&mut self) -> Result<Definition<'a>, Malformed> {
        if self.next == Some(Token::Mark(b'{')) {
            return Ok(Definition::Operation("query", self.selection_set(0)?));
        }
        let kind = match self.name()? {
            "query" => "query",
            "mutation" => "mutation",
            "subscription" => "subscription",
            "fragment" => {
                let name = self.name()?;
                if name == "on" || self.name()? != "on" {
                    return Err(Malformed);
                }
                self.name()?;
                self.directives()?;
                return Ok(Definition::Fragment(name, self.selection_set(0)?));
            }
            _ => return Err(Malformed),
        };
        if let Some(Token::Name(_)) = self.next {
            self.advance()?;
        }
        if self.next == Some(Token::Mark(b'(')) {
            self.skip_balanced()?;
        }
        self.directives()?;
        Ok(Definition::Operation(kind, self.selection_set(0)?))
    }

    fn selection_set(&mut self, depth: usize) -> Result<Vec<Selected<'a>>, Malformed> {
        if depth > DEPTH {
            return Err(Malformed);
        }
        self.expect(b'{')?;
        let mut selected = Vec::new();
        while self.next != Some(Token::Mark(b'}')) {
            self.selections += 1;
            if self.selections > MOST {
                return Err(Malformed);
            }
            match self.advance()? {
                Some(Token::Name(name)) => selected.push(Selected::Field(self.field(name)?)),
                Some(Token::Spread) => self.spread(depth, &mut selected)?,
                _ => return Err(Malformed),
            }
        }
        self.expect(b'}')?;
        if selected.is_empty() { Err(Malformed) } else { Ok(selected) }
    }

    /// The field's own name; what is asked of it is skipped.
    fn field(&mut self, name: &'a str) -> Result<&'a str, Malformed> {
        let mut name = name;
        if self.next == Some(Token::Mark(b':')) {
            self.advance()?;
            name = self.name()?;
        }
        if self.next == Some(Token::Mark(b'(')) {
            self.skip_balanced()?;
        }
        self.directives()?;
        if self.next == Some(Token::Mark(b'{')) {
            self.skip_balanced()?;
        }
        Ok(name)
    }

    fn spread(&mut self, depth: usize, selected: &mut Vec<Selected<'a>>) -> Result<(), Malformed> {
        match self.next {
            Some(Token::Name("on")) => {
                self.advance()?;
                self.name()?;
            }
            Some(Token::Name(name)) => {
                self.advance()?;
                selected.push(Selected::Fragment(name));
                return self.directives();
            }
            _ => {}
        }
        self.directives()?;
        selected.extend(self.selection_set(depth + 1)?);
        Ok(())
    }

    fn directives(&mut self) -> Result<(), Malformed> {
        while self.next == Some(Token::Mark(b'@')) {
            self.advance()?;
            self.name()?;
            if self.next == Some(Token::Mark(b'(')) {
                self.skip_balanced()?;
            }
        }
        Ok(())
    }

    /// From an opening mark to the one that closes it.
    fn skip_balanced(&mut self) -> Result<(), Malformed> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.advance()?.ok_or(Malformed)? {
                Token::Mark(mark @ (b'(' | b'[' | b'{')) if open.len() < DEPTH => open.push(mark),
                Token::Mark(b'(' | b'[' | b'{') => return Err(Malformed),
                Token::Mark(close @ (b')' | b']' | b'}')) => {
                    let wanted = match close {
                        b')' => b'(',
                        b']' => b'[',
                        _ => b'{',
                    };
                    if open.pop() != Some(wanted) {
                        return Err(Malformed);
                    }
                }
                _ => {}
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }
}
