//! Names of passwords: `password`, `dbPass`, `PASSWORD_PROD`; not `bypass`, `passport`, `password_hint`.

use crate::view::{Eval, View};

/// The longest name that is looked at, to either side.
const LONGEST: usize = 24;

/// The name that a value stands behind.
pub(super) struct Name {
    /// Where its last word of letters begins: of `db_password` the `p`.
    pub(super) start: usize,
    pub(super) end: usize,
    /// It is no more than "pass" or "pw", which also mean something else.
    pub(super) short: bool,
    /// Something follows the word: `password_prod`, `password2`.
    pub(super) suffixed: bool,
}

/// What "pass" goes on with where it is a password, and in other languages.
const TAILS: [&[u8]; 7] = [b"word", b"words", b"wd", b"wort", b"wrd", b"phrase", b"code"];
/// What ends in "pass" and is none.
const OTHERS: [&[u8]; 10] =
    [b"by", b"com", b"encom", b"sur", b"tres", b"over", b"under", b"multi", b"reise", b"dienst"];
/// What names have in their tail that speak about a password.
#[rustfmt::skip]
const ABOUT: [&[u8]; 37] = [
    b"file", b"path", b"url", b"uri", b"len", b"min", b"max", b"policy", b"regex", b"pattern", b"field", b"input", b"label", b"hint",
    b"type", b"id", b"name", b"reset", b"expir", b"age", b"date", b"count", b"algo", b"valid", b"strength", b"rule", b"chang", b"_at",
    b"requir", b"manager", b"form", b"placeholder", b"link", b"icon", b"class", b"hash", b"encrypt",
];

/// The name of which a literal ends at `at`: of "pwd" and "pw" the last letter or the sign behind it, of the others the second `s`.
pub(super) fn around(view: &View<'_>, at: usize) -> Eval<Option<Name>> {
    let letter = |byte: u8| byte.is_ascii_alphabetic();
    // The sign behind "pw" is part of its literal.
    let last = if view.slice(at, at + 1).first().is_some_and(|byte| letter(*byte)) { at + 1 } else { at };
    let end = view.run(last, 12, letter)?;
    let start = view.run_back(last, LONGEST, letter);
    let head = view.slice(start, last).to_ascii_lowercase();
    let tail = view.slice(last, end).to_ascii_lowercase();
    let short = match (head.strip_suffix(b"pass"), head.strip_suffix(b"pwd"), head.strip_suffix(b"pw")) {
        (Some(before), ..) if tail.is_empty() => {
            if OTHERS.contains(&before) {
                return Ok(None);
            }
            true
        }
        (Some(_), ..) => {
            // `passwordProd` goes on behind a hump.
            let hump = view.slice(last, end).iter().position(u8::is_ascii_uppercase).filter(|hump| *hump > 0);
            let word = tail.get(..hump.unwrap_or(tail.len())).unwrap_or_default();
            if !TAILS.contains(&word) && !TAILS.contains(&&tail[..]) {
                return Ok(None);
            }
            false
        }
        (_, Some(_), _) => false,
        (.., Some(_)) if tail.is_empty() => true,
        _ => return Ok(None),
    };
    let beyond = view.run(end, LONGEST, |byte| byte.is_ascii_alphanumeric() || byte == b'_')?;
    let suffix = view.slice(end, beyond).to_ascii_lowercase();
    let about = ABOUT.iter().any(|about| suffix.windows(about.len()).any(|part| part == *about));
    if about || short && beyond > end {
        return Ok(None);
    }
    Ok(Some(Name { start, end: beyond, short, suffixed: beyond > end }))
}
