//! Problems of a policy file: all of them at once, each with its file, line, column and a caret.

use std::fmt;
use std::string::FromUtf8Error;

use data_encoding::BASE64;
use miette::{LabeledSpan, NamedSource, SourceCode};

/// One problem.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// How to put it right, where that can be said.
    pub help: Option<String>,
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    source: NamedSource<String>,
    offset: usize,
    length: usize,
    label: String,
}

/// All problems of a set of policy files.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    problems: Vec<Problem>,
}

/// A file's name and text.
///
/// Who may say what in it follows from its name, which whoever loads it gives, never from what it says of itself: see
/// [`Source::team`].
#[derive(Debug, Clone)]
pub struct Source {
    /// The name shown in messages; normally the file's path. `*.rego` is a raw Rego module, `*.dict` a dictionary, `*.binpb` a
    /// compiled descriptor set.
    pub name: String,
    /// YAML, JSON, Rego, or values; a descriptor set in base64 (RFC 4648, section 4).
    pub text: String,
}

/// The directory below which teams have a directory each.
pub const DELEGATED: &str = "delegated";

impl Source {
    /// The team whose file this is: what lies in `delegated/TEAM/`. A file that lies in `delegated` itself is of a team
    /// without a name, which nothing is granted to. `None` for files of those who own the policy, who have all rights.
    pub fn team(&self) -> Option<&str> {
        let (directories, _) = self.name.rsplit_once('/')?;
        let mut parts = directories.split('/').skip_while(|part| *part != DELEGATED);
        parts.next().map(|_| parts.next().unwrap_or_default())
    }

    /// A file of this name with these bytes.
    ///
    /// # Errors
    /// It is no descriptor set, and no UTF-8.
    pub fn of_file(name: String, bytes: Vec<u8>) -> Result<Source, FromUtf8Error> {
        let text = if is_descriptors(&name) { BASE64.encode(&bytes) } else { String::from_utf8(bytes)? };
        Ok(Source { name, text })
    }

    /// The bytes of the file; those of the text where it should be base64 and is not.
    pub fn to_bytes(&self) -> Vec<u8> {
        let decoded = self.is_descriptors().then(|| BASE64.decode(self.text.as_bytes()).ok()).flatten();
        decoded.unwrap_or_else(|| self.text.clone().into_bytes())
    }

    /// Whether it is a compiled descriptor set.
    pub fn is_descriptors(&self) -> bool {
        is_descriptors(&self.name)
    }

    /// Whether it is policy in YAML or JSON.
    pub fn is_document(&self) -> bool {
        !self.is_rego() && !self.is_dictionary() && !self.is_descriptors()
    }

    /// Whether it is a dictionary of a detector.
    pub fn is_dictionary(&self) -> bool {
        self.name.ends_with(".dict")
    }

    /// Whether it is a raw Rego module.
    pub fn is_rego(&self) -> bool {
        self.name.ends_with(".rego")
    }
}

fn is_descriptors(name: &str) -> bool {
    name.ends_with(".binpb")
}

impl Problem {
    /// A problem at a 1-based line and column of `source`; the caret covers the scalar or key found there.
    pub(crate) fn at(
        source: &Source,
        line: usize,
        column: usize,
        message: String,
        label: String,
        help: Option<String>,
    ) -> Problem {
        let offset = byte_offset(&source.text, line, column);
        let length = token_length(source.text.get(offset..).unwrap_or_default());
        Problem {
            message,
            help,
            line,
            column,
            source: NamedSource::new(&source.name, source.text.clone()),
            offset,
            length,
            label,
        }
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        self.source.name()
    }
}

impl Diagnostics {
    pub(crate) fn new(problems: Vec<Problem>) -> Diagnostics {
        Diagnostics { problems }
    }

    /// The problems, in the order of the files.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.source.name(), self.line, self.column, self.message)
    }
}

impl std::error::Error for Problem {}

impl miette::Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new(Some(self.label.clone()), self.offset, self.length);
        Some(Box::new(std::iter::once(label)))
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [] => write!(f, "no problem"),
            [one] => one.fmt(f),
            [first, rest @ ..] => write!(f, "{first} (and {} more)", rest.len()),
        }
    }
}

impl std::error::Error for Diagnostics {}

impl miette::Diagnostic for Diagnostics {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn miette::Diagnostic)))
    }
}

fn byte_offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let inside: usize = rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    start + inside
}

/// How many bytes the caret covers: a quoted scalar to its closing quote, else to the end of the plain word.
fn token_length(rest: &str) -> usize {
    let line = rest.lines().next().unwrap_or_default();
    let quoted = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line.get(1..).and_then(|tail| tail.find(quote)).map(|end| end + 2),
        _ => None,
    };
    quoted.unwrap_or_else(|| {
        let end = line.find([',', ']', '}', '#']).unwrap_or(line.len());
        let end = line.find(": ").map_or(end, |colon| colon.min(end));
        let plain = line.get(..end).unwrap_or(line).trim_end().trim_end_matches(':');
        plain.len().max(1)
    })
}
