//! Values of passwords: where they stand behind their name, and what looks like one.

use super::Name;
use crate::view::{Eval, View};

/// The shortest password behind its name: below it are words such as "none".
const SHORTEST: usize = 6;

/// How a value stands behind its name.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Behind {
    /// A sign says that it is one: `=`, `:`, `=>` or `": "`.
    Sign,
    /// It stands in the next cell of a table, in the next string of a list, or behind an "is".
    Cell,
    /// Nothing but a blank: behind an option, in a statement of SQL, in a file of logins.
    Flag,
}

fn quote(byte: Option<u8>) -> bool {
    matches!(byte, Some(b'"' | b'\'' | b'`'))
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Where the value begins whose name this is.
pub(super) fn behind(view: &View<'_>, name: &Name) -> Eval<Option<(usize, Behind)>> {
    let end = name.end;
    // In text that holds JSON or a program in a string, quotes have backslashes; in a cell of a table they stand twice.
    let escaped = view.run(end, 4, |byte| byte == b'\\')?;
    let closing = quote(view.at(escaped)?);
    let twice = closing && view.at(escaped + 1)? == view.at(escaped)?;
    let end = if closing { escaped + 1 + usize::from(twice) } else { end };
    let sign = view.run(end, 16, blank)?;
    // `:=`, `.=`, `?=`, `==`, `!=` and alike say as much; what comes behind the last of them is the value's.
    let after = view.run(sign, 4, |byte| b":=.?+!".contains(&byte))?;
    let last = view.slice(sign, after).iter().rposition(|byte| matches!(byte, b':' | b'='));
    let Some(after) = last.map(|last| sign + last + 1) else {
        // The content of an element of that name.
        let element = view.at(sign)? == Some(b'>') && view.before(name.start) == Some(b'<');
        let cell = if element { Some(sign + 1) } else { next_cell(view, sign, closing)? };
        if let Some(start) = cell {
            return Ok(Some((start, Behind::Cell)));
        }
        let flag = if closing { None } else { behind_blank(view, name, sign)? };
        return Ok(flag.map(|start| (start, Behind::Flag)));
    };
    // What is compared without quotes is another name.
    let compared = matches!(view.slice(sign, after), [.., b'=' | b'!', b'=']);
    let after = after + usize::from(view.at(after)? == Some(b'>'));
    let blanks = view.run(after, 16, blank)?;
    let escaped = view.run(blanks, 4, |byte| byte == b'\\')?;
    let start = if quote(view.at(escaped)?) { escaped } else { blanks };
    let opening = view.at(start)?;
    if compared && !quote(opening) {
        return Ok(None);
    }
    if quote(opening) && view.at(start + 1)? == opening && !view.json {
        return Ok(Some((start + 2, Behind::Sign)));
    }
    // In a string of JSON a quote is the end of the string; in settings that begin like JSON it is none.
    let ends = view.json && !closing && opening == Some(b'"');
    let ends = ends && view.at(start + 1)?.is_none_or(|byte| byte <= b' ' || b",:]}\"".contains(&byte));
    Ok((!ends).then_some((start + usize::from(quote(opening)), Behind::Sign)))
}

/// Where the next cell, the next string or the word behind an "is" begins, what stands between being at `from`.
fn next_cell(view: &View<'_>, from: usize, quoted: bool) -> Eval<Option<usize>> {
    match view.at(from)? {
        Some(b'|') => view.run(from + 1, 16, blank).map(Some),
        Some(b',') if quoted => {
            let next = view.run(from + 1, 4, blank)?;
            Ok(quote(view.at(next)?).then_some(next + 1))
        }
        Some(b'<') => {
            let mut at = from;
            for _ in 0..4 {
                let inside = view.run(at, 48, |byte| byte >= b' ' && byte != b'>')?;
                if view.at(at)? != Some(b'<') || view.at(inside)? != Some(b'>') {
                    break;
                }
                at = view.run(inside + 1, 16, |byte| byte.is_ascii_whitespace())?;
            }
            Ok((at > from).then_some(at))
        }
        // A type, or the attribute beside the one that has the name.
        Some(b's' | b'v') if view.before(from) == Some(b' ') => {
            let word = view.run(from, 8, |byte| byte.is_ascii_alphabetic())?;
            let sign = view.run(word, 3, blank)?;
            let named = matches!(view.slice(from, word), b"string" | b"value") && view.at(sign)? == Some(b'=');
            let next = view.run(sign + 1, 3, blank)?;
            Ok((named && quote(view.at(next)?)).then_some(next + 1))
        }
        Some(b'i') if view.before(from) == Some(b' ') && view.at(from + 1)? == Some(b's') => {
            let next = view.run(from + 2, 3, |byte| matches!(byte, b' ' | b':' | b'"' | b'\'' | b'`'))?;
            Ok((next > from + 2).then_some(next))
        }
        _ => Ok(None),
    }
}

/// Where the value begins that nothing but a blank before `from` divides from its name: of an option (`--password x`), of a role
/// (`PASSWORD 'x'`, `mysql_native_password BY 'x'`), of a login (`login a password x`).
fn behind_blank(view: &View<'_>, name: &Name, from: usize) -> Eval<Option<usize>> {
    if !view.before(from).is_some_and(blank) {
        return Ok(None);
    }
    let last = view.at(from + 2)?;
    let by = last == Some(b' ') && view.slice(from, from + 2).eq_ignore_ascii_case(b"by");
    let from = if by { from + 3 } else { from };
    if quote(view.at(from)?) && !name.short {
        return Ok(Some(from + 1));
    }
    let option = view.run_back(name.start, 24, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let option = view.slice(option, name.end).starts_with(b"-");
    let before = view.slice(name.start.saturating_sub(64), name.start);
    let login = !name.short && before.windows(6).any(|six| six == b"login ");
    Ok((option || login).then_some(from + usize::from(quote(view.at(from)?))))
}

/// Whether a value may be a password rather than a word about one: letters, and digits or signs.
pub(super) fn strong(value: &[u8]) -> bool {
    let letters = value.iter().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
    let others =
        value.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_punctuation() && !b"_-./:".contains(byte));
    let words = value.iter().filter(|byte| **byte == b' ').count();
    let others = others || scrambled(value);
    value.len() >= SHORTEST && letters && others && words <= 2 && !stands_for_another(value)
}

/// Whether a value may be the password of a connection, among whose settings nothing else can stand.
pub(super) fn weak(value: &[u8]) -> bool {
    const WORDS: [&[u8]; 5] = [b"true", b"false", b"null", b"none", b"string"];
    value.len() >= 4 && !value.contains(&b' ') && !WORDS.contains(&value) && !stands_for_another(value)
}

/// Whether a value has letters, and digits or signs.
pub(super) fn in_two_kinds(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_alphabetic) && value.iter().any(|byte| !byte.is_ascii_alphabetic())
}

/// Whether capitals and small letters take turns as in no name.
fn scrambled(value: &[u8]) -> bool {
    let turns = value
        .windows(2)
        .filter(|pair| matches!(pair, [one, other] if one.is_ascii_uppercase() != other.is_ascii_uppercase()));
    value.len() >= 12 && value.iter().all(u8::is_ascii_alphabetic) && turns.count() * 5 >= value.len() * 2
}

/// Whether nobody would write it but for a password: letters and digits, no blanks.
pub(super) fn unlike_a_word(value: &[u8]) -> bool {
    let digits = value.iter().any(u8::is_ascii_digit) || scrambled(value);
    value.len() >= 8 && digits && !value.contains(&b' ') && strong(value)
}

/// Whether a value is filled in later, or was taken out.
pub(in crate::detect) fn stands_for_another(value: &[u8]) -> bool {
    let bare = value.trim_ascii();
    let bare = bare.strip_prefix(b"'").or(bare.strip_prefix(b"\"")).unwrap_or(bare);
    // The name of an element of a page.
    let selector = bare.strip_prefix(b"#").is_some_and(|name| {
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_'))
    });
    // Or, behind a quote that ended something, what comes after it.
    bare.first().is_some_and(|first| b"${<%[*(> ,;/?)".contains(first))
        || value.iter().all(|byte| Some(byte) == value.first())
        || bare.starts_with(b"&lt;")
        || selector
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_passwords() {
        for word in [
            &b"string"[..],
            b"required",
            b"${PASSWORD}",
            b"********",
            b"<your password>",
            b"&lt;your password 1&gt;",
            b"'$PASSWORD'",
            b"#add-password",
            b"a1",
            b"[PASSWORD]",
            b"std::env",
        ] {
            assert!(!strong(word), "{}", String::from_utf8_lossy(word));
        }
        for word in [&b"hunter2!"[..], b"Tr0ub4dor&3", b"#gets0m3"] {
            assert!(strong(word), "{}", String::from_utf8_lossy(word));
        }
    }
}
