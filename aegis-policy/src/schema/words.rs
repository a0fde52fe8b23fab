//! The small words of the language: names, modes, decisions, patterns.

use std::sync::Arc;

use crate::glob::{NameGlob, REGEX_SIZE};
use crate::source::cursor::{Cursor, Fields};
use crate::source::nearest;
use crate::{Decision, FailMode, Mode, OnTheft, Replay, TokenRules};

/// A name for people and records: printable, no `/` (it joins policy and rule), at most 128 characters.
pub(crate) fn name<'a>(at: &Cursor<'a>, what: &str) -> Option<&'a str> {
    let text = at.string()?;
    let good = (1..=128).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(|c| c == '/' || c.is_control());
    if !good {
        at.problem_with(
            format!("{text:?} can't be {what}"),
            "not a name",
            "1 to 128 printable characters, no `/`, no space at either end",
        );
    }
    good.then_some(text)
}

/// A sentence for the agent and the record.
pub(super) fn text(at: &Cursor<'_>) -> Option<Arc<str>> {
    let text = at.string()?;
    if text.is_empty() || text.len() > 1000 || text.chars().any(char::is_control) {
        at.problem("expected one line of 1 to 1000 bytes", "not one line of text");
        return None;
    }
    Some(text.into())
}

pub(crate) fn glob(at: &Cursor<'_>) -> Option<NameGlob> {
    let text = at.string()?;
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        at.problem("expected a name or a pattern such as `fin-*`", "not a pattern");
        return None;
    }
    Some(NameGlob::new(text))
}

/// Patterns that are tested as one.
pub(crate) fn globs(fields: &Fields<'_>, key: &str) -> Vec<NameGlob> {
    let globs = fields.list(key, glob);
    let all: Vec<String> = globs.iter().map(NameGlob::regex).collect();
    let fits = regex::RegexBuilder::new(&all.join("|")).size_limit(REGEX_SIZE).build().is_ok();
    if let Some(at) = fields.get(key).filter(|_| !fits) {
        at.problem("the patterns are too large together", "too large");
    }
    globs
}

/// A scope as it stands in a token.
pub(crate) fn scope(at: &Cursor<'_>) -> Option<String> {
    let text = at.string()?;
    let good = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !good {
        at.problem("expected a scope such as `payments:write`", "not a scope");
    }
    good.then(|| text.to_owned())
}

/// The value that one of these words stands for.
pub(crate) fn one_of<T: Copy>(at: &Cursor<'_>, words: &[(&str, T)]) -> Option<T> {
    let text = at.string()?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        at.problem_with(format!("`{text}` is not known here"), "unknown word", nearest::known(text, "one of", &list));
    }
    found
}

pub(super) fn mode(at: &Cursor<'_>) -> Option<Mode> {
    one_of(at, &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)])
}

pub(crate) fn decision(at: &Cursor<'_>) -> Option<Decision> {
    one_of(
        at,
        &[
            ("allow", Decision::Allow),
            ("deny", Decision::Deny),
            ("sanitize", Decision::Sanitize),
            ("approval_needed", Decision::ApprovalNeeded),
        ],
    )
}

pub(super) fn fail_mode(at: &Cursor<'_>) -> Option<FailMode> {
    one_of(at, &[("closed", FailMode::Closed), ("open", FailMode::Open)])
}

pub(super) fn tokens(at: &Cursor<'_>) -> TokenRules {
    let fields = at.fields(&["replay", "on_theft"]);
    let replay = |at| one_of(at, &[("bound", Replay::Bound), ("single_use", Replay::SingleUse)]);
    let on_theft = |at| one_of(at, &[("refuse", OnTheft::Refuse), ("revoke", OnTheft::Revoke)]);
    TokenRules {
        replay: fields.get("replay").and_then(replay).unwrap_or_default(),
        on_theft: fields.get("on_theft").and_then(on_theft).unwrap_or_default(),
    }
}

/// Whether `tls` says passthrough.
pub(super) fn passthrough(at: &Cursor<'_>) -> Option<bool> {
    one_of(at, &[("inspect", false), ("passthrough", true)])
}
