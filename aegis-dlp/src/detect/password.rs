//! Passwords behind their name: in settings, in connection strings, on command lines and in statements of SQL.

mod name;
mod value;

use super::{Match, mask_at};
use crate::finding::Confidence;
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

use name::Name;
pub(super) use value::stands_for_another;
use value::{Behind, in_two_kinds, strong, unlike_a_word, weak};

/// The longest password looked for.
const LONGEST: usize = 256;

/// The value named by the word "password", "pass" or "pwd" a part of which ends at `at`.
pub(super) fn named(view: &View<'_>, at: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    if !wanted.contains(Detector::Password) && !wanted.contains(Detector::ConnectionString) {
        return Ok(None);
    }
    let Some(name) = name::around(view, at)? else {
        return Ok(None);
    };
    let Some((start, behind)) = value::behind(view, &name)? else {
        return Ok(None);
    };
    let near = behind == Behind::Sign;
    let Some((end, quote)) = end(view, start, near)? else {
        return Ok(None);
    };
    let password = view.slice(start, end);
    // Of one among others with semicolons or blanks between, as drivers of databases take them.
    let listed = quote.is_none()
        && near
        && (view.before(name.start) == Some(b';') || view.at(end)? == Some(b';') || another(view, end)?);
    let looks = match behind {
        Behind::Sign if name.short => short(view, start, quote, password),
        Behind::Sign if name.suffixed => strong(password) && password.iter().any(u8::is_ascii_digit),
        Behind::Sign => strong(password) || listed && weak(password) && in_list(view, name.start),
        Behind::Cell => unlike_a_word(password) && (!name.short || signed(password)),
        Behind::Flag => unlike_a_word(password),
    };
    if !looks || mask_at(view, end)? {
        return Ok(None);
    }
    let detector = if listed && wanted.contains(Detector::ConnectionString) {
        Detector::ConnectionString
    } else {
        Detector::Password
    };
    Ok(wanted.contains(detector).then(|| found(detector, start, end)))
}

/// The password of a statement behind `IDENTIFIED BY`, of which the first word ends at `at`.
pub(super) fn identified(view: &View<'_>, at: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    let blank = |byte: u8| byte == b' ';
    let by = view.run(at + 1, 3, blank)?;
    let start = view.run(by + 2, 3, blank)?;
    if by == at + 1 || start == by + 2 || !view.slice(by, by + 2).eq_ignore_ascii_case(b"by") {
        return Ok(None);
    }
    let quoted = matches!(view.at(start)?, Some(b'\'' | b'"' | b'`'));
    let start = start + usize::from(quoted);
    let Some((end, _)) = end(view, start, false)? else {
        return Ok(None);
    };
    let password = view.slice(start, end);
    let looks = if quoted { strong(password) } else { unlike_a_word(password) };
    let right = looks && wanted.contains(Detector::Password) && !mask_at(view, end)?;
    Ok(right.then(|| found(Detector::Password, start, end)))
}

/// The password of `user:password` behind an option `-u ` that ends at `at`, where the program is curl.
pub(super) fn of_user(view: &View<'_>, at: usize) -> Eval<Option<Match>> {
    let before = view.slice(at.saturating_sub(120), at);
    let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    if !before.get(line..).unwrap_or_default().windows(4).any(|four| four == b"curl") {
        return Ok(None);
    }
    let quoted = matches!(view.at(at + 1)?, Some(b'\'' | b'"'));
    let from = at + 1 + usize::from(quoted);
    let colon = view.run(from, LONGEST, |byte| byte > b' ' && !b":\"'`$<>(){}|;&\\".contains(&byte))?;
    if colon == from || view.at(colon)? != Some(b':') {
        return Ok(None);
    }
    let start = colon + 1;
    let Some((end, _)) = end(view, start, true)? else {
        return Ok(None);
    };
    let password = view.slice(start, end);
    let right = password.len() >= 4 && in_two_kinds(password) && !stands_for_another(password) && !mask_at(view, end)?;
    Ok(right.then(|| found(Detector::Password, start, end)))
}

fn found(detector: Detector, start: usize, end: usize) -> Match {
    Match::new(detector, Confidence::Medium, start, end)
}

/// The end of the value at `start`, and its quote: up to the same one, or to what values without quotes end before.
fn end(view: &View<'_>, start: usize, near: bool) -> Eval<Option<(usize, Option<u8>)>> {
    let quote = view.before(start).filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let end = match quote {
        Some(quote) => view.run(start, LONGEST, |byte| byte != quote && byte >= b' ' && byte != b'\\')?,
        None if near => view.run(start, LONGEST, |byte| byte > b' ' && !b",;&\"'`<>{}()[]|\\".contains(&byte))?,
        None => view.run(start, LONGEST, |byte| byte > b' ' && !b",;\"'`<>|".contains(&byte))?,
    };
    // A quote that began with a backslash ends with one.
    let escaped = quote.is_some() && view.slice(start.saturating_sub(2), start).first() == Some(&b'\\');
    let closed = quote.is_none_or(|quote| view.seen(end) == Some(if escaped { b'\\' } else { quote }));
    Ok((end - start < LONGEST && closed).then_some((end, quote)))
}

/// Whether a value is a password where all that says so is "pass" or "pw": reports of tests say it of their names.
fn short(view: &View<'_>, start: usize, quote: Option<u8>, password: &[u8]) -> bool {
    if !password.iter().any(u8::is_ascii_digit) || !strong(password) {
        return false;
    }
    let given = quote.is_some() || view.before(start) == Some(b'=');
    given || signed(password)
}

/// Whether a value has a capital and a sign, as names of tests have not.
fn signed(password: &[u8]) -> bool {
    let signs = password.iter().any(|byte| b"!@#$%^&*?~=".contains(byte));
    signs && in_two_kinds(password) && password.iter().any(u8::is_ascii_uppercase)
}

/// Whether settings with semicolons between stand before a name: `Server=db;User Id=sa;`.
fn in_list(view: &View<'_>, name: usize) -> bool {
    let before = view.slice(name.saturating_sub(96), name);
    let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let line = before.get(line..).unwrap_or_default();
    line.trim_ascii_end().ends_with(b";") && line.contains(&b'=')
}

/// Whether a blank and another setting of a connection follow, as in the strings of PostgreSQL.
fn another(view: &View<'_>, end: usize) -> Eval<bool> {
    const NAMES: [&[u8]; 6] = [b"dbname", b"host", b"hostaddr", b"port", b"sslmode", b"connect_timeout"];
    if view.at(end)? != Some(b' ') {
        return Ok(false);
    }
    let name = view.run(end + 1, 24, |byte| byte.is_ascii_alphabetic() || byte == b'_')?;
    Ok(NAMES.contains(&view.slice(end + 1, name)) && view.at(name)? == Some(b'='))
}
