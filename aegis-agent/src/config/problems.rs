//! Everything that is wrong with a configuration, gathered so that one run shows it all.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the YAML, as `agents[1].direct[0].cidr`; empty for the file as a whole.
    pub path: String,
    /// Line in the file, counted from 1, where the key stands there.
    pub line: Option<usize>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}", self.path)?;
            if let Some(line) = self.line {
                write!(f, " (line {line})")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

/// All problems of one configuration: the error of [`super::Config::load`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigProblems {
    /// The file they are in; `None` for text that came from no file.
    pub file: Option<PathBuf>,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or(Path::new("the configuration"));
        let n = self.problems.len();
        write!(f, "{}: {n} problem{}", file.display(), if n == 1 { "" } else { "s" })?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// Collects problems while the valid form is made. Every check gives back a usable value, so that the
/// next section can be looked at even when this one is wrong; the caller throws the result away then.
#[derive(Debug)]
pub(super) struct Checker {
    base: PathBuf,
    pub(super) problems: Vec<Problem>,
}

impl Checker {
    /// `base`: the directory that relative paths are relative to.
    pub(super) fn new(base: &Path) -> Self {
        Self { base: base.to_owned(), problems: Vec::new() }
    }

    pub(super) fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), line: None, message: message.into() });
    }

    /// A number of `range`; the nearer end of it where `value` lies outside.
    pub(super) fn number<T>(&mut self, path: &str, value: u64, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<u64> + Copy + PartialOrd + fmt::Display,
    {
        match T::try_from(value) {
            Ok(n) if range.contains(&n) => n,
            narrow => {
                let (low, high) = (*range.start(), *range.end());
                self.problem(path, format!("{value} is out of range; allowed: {low} to {high}"));
                if narrow.is_ok_and(|n| n < low) { low } else { high }
            }
        }
    }

    pub(super) fn port(&mut self, path: &str, value: u64) -> u16 {
        self.number(path, value, 1..=u16::MAX)
    }

    pub(super) fn millis(&mut self, path: &str, value: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(path, value, range))
    }

    pub(super) fn seconds(&mut self, path: &str, value: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(path, value, range))
    }

    /// The value that stands for `word`; the first of `allowed` where none does.
    pub(super) fn one_of<T: Copy>(&mut self, path: &str, word: &str, allowed: &[(&str, T)], fallback: T) -> T {
        if let Some((_, value)) = allowed.iter().find(|(name, _)| *name == word) {
            return *value;
        }
        let names: Vec<&str> = allowed.iter().map(|(name, _)| *name).collect();
        let hint = super::tree::did_you_mean(word, names.iter().copied());
        self.problem(path, format!("`{word}` is not known; allowed: {}{hint}", names.join(", ")));
        fallback
    }

    /// A path, taken from the configuration file's directory where it is relative.
    pub(super) fn path(&mut self, path: &str, value: &Path) -> PathBuf {
        if value.as_os_str().is_empty() {
            self.problem(path, "is empty; give a path");
        }
        self.base.join(value)
    }

    /// As [`Checker::path`], for something that has to be there already.
    pub(super) fn existing(&mut self, path: &str, value: &Path) -> PathBuf {
        let full = self.path(path, value);
        if let Err(error) = std::fs::metadata(&full) {
            self.problem(path, format!("{}: {error}; correct the path or create it", full.display()));
        }
        full
    }
}
