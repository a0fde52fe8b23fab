//! Passwords: in URLs, in connection strings, behind their name, and in HTTP's Basic scheme.

use super::{Match, keys, mask_at};
use crate::finding::Confidence;
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// The longest password looked for.
const LONGEST: usize = 256;
/// The shortest behind its name: below it are words such as "none".
const SHORTEST: usize = 6;

/// In the tokens of Braintree, before the letters.
pub(super) const BRAINTREE: &str = "$production$";

/// The user and password of a URL with credentials, of which the `://` ends at `at`.
pub(super) fn in_url(view: &View<'_>, at: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    let from = at + 1;
    let inside = |byte: u8| byte.is_ascii_graphic() && !b"/?#\"'`<>\\{}|[]()".contains(&byte) || !byte.is_ascii();
    let end = view.run(from, LONGEST, inside)?;
    let authority = view.slice(from, end);
    let (Some(colon), Some(sign)) =
        (authority.iter().position(|byte| *byte == b':'), authority.iter().rposition(|byte| *byte == b'@'))
    else {
        return Ok(None);
    };
    let password = authority.get(colon + 1..sign).unwrap_or_default();
    let scheme = view.before(from - "://".len()).is_some_and(|byte| byte.is_ascii_alphanumeric());
    let real = password.len() >= 3 && sign + 1 < authority.len() && !stands_for_another(password);
    if !scheme || !real || keys::examine(view, from + colon + 1, wanted)?.is_some() {
        // A key as the password is one of its issuer's.
        return Ok(None);
    }
    Ok(Some(Match::new(Detector::ConnectionString, Confidence::High, from, from + sign)))
}

/// The value named by the word "password" or "pwd" a part of which ends at `at`.
pub(super) fn named_password(view: &View<'_>, at: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    if !wanted.contains(Detector::Password) && !wanted.contains(Detector::ConnectionString) {
        return Ok(None);
    }
    let name = view.run(at, 12, |byte| byte.is_ascii_alphabetic())?;
    let Some((value, near)) = value(view, name)? else {
        return Ok(None);
    };
    let quote = view.before(value).filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let end = match quote {
        Some(quote) => view.run(value, LONGEST, |byte| byte != quote && byte >= b' ' && byte != b'\\')?,
        None if near => view.run(value, LONGEST, |byte| byte > b' ' && !b",;&\"'`<>{}()[]|\\".contains(&byte))?,
        None => view.run(value, LONGEST, |byte| byte > b' ' && !b",;\"'`<>|".contains(&byte))?,
    };
    let password = view.slice(value, end);
    // A quote that began with a backslash ends with one.
    let escaped = quote.is_some() && view.slice(value.saturating_sub(2), value).first() == Some(&b'\\');
    let closed = quote.is_none_or(|quote| view.seen(end) == Some(if escaped { b'\\' } else { quote }));
    let looks = if near { strong(password) } else { unlike_a_word(password) };
    if end - value >= LONGEST || !closed || mask_at(view, end)? || !looks {
        return Ok(None);
    }
    // Of one among others with semicolons or blanks between, as drivers of databases take them.
    let listed = quote.is_none()
        && near
        && (view.before(at_name(view, at)) == Some(b';') || view.at(end)? == Some(b';') || another(view, end)?);
    let detector = if listed && wanted.contains(Detector::ConnectionString) {
        Detector::ConnectionString
    } else {
        Detector::Password
    };
    Ok(wanted.contains(detector).then(|| Match::new(detector, Confidence::Medium, value, end)))
}

/// The start of the name a part of which is at `at`.
fn at_name(view: &View<'_>, at: usize) -> usize {
    view.run_back(at, 8, |byte| byte.is_ascii_alphabetic())
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

/// Where the value begins whose name ends at `name`, and whether a sign says that it is one: `=`, `:`, `=>` or `": "`. Otherwise it
/// stands in the next cell of a table, in the next string of a list, or behind an "is".
fn value(view: &View<'_>, name: usize) -> Eval<Option<(usize, bool)>> {
    let quote = |byte: Option<u8>| matches!(byte, Some(b'"' | b'\'' | b'`'));
    let blank = |byte: u8| matches!(byte, b' ' | b'\t');
    // In text that holds JSON or a program in a string, quotes have backslashes; in a cell of a table they stand twice.
    let escaped = view.run(name, 4, |byte| byte == b'\\')?;
    let closing = quote(view.at(escaped)?);
    let twice = closing && view.at(escaped + 1)? == view.at(escaped)?;
    let name = if closing { escaped + 1 + usize::from(twice) } else { name };
    let sign = view.run(name, 4, blank)?;
    // `:=`, `.=`, `?=`, `==`, `!=` and alike say as much.
    let after = view.run(sign, 4, |byte| b":=.?+!".contains(&byte))?;
    if !matches!(view.slice(sign, after), [.., b':' | b'=']) {
        let cell = next_cell(view, sign, closing)?;
        return Ok(cell.map(|start| (start, false)));
    }
    let after = after + usize::from(view.at(after)? == Some(b'>'));
    let blanks = view.run(after, 4, blank)?;
    let escaped = view.run(blanks, 4, |byte| byte == b'\\')?;
    let start = if quote(view.at(escaped)?) { escaped } else { blanks };
    let opening = view.at(start)?;
    // What is compared without quotes is another name.
    let compared = matches!(view.slice(sign, after), [.., b'=' | b'!', b'=']);
    if compared && !quote(opening) {
        return Ok(None);
    }
    if quote(opening) && view.at(start + 1)? == opening && !view.json {
        return Ok(Some((start + 2, true)));
    }
    // In a string of JSON a quote is the end of the string; in settings that begin like JSON it is none.
    let ends = view.json && !closing && opening == Some(b'"');
    let ends = ends && view.at(start + 1)?.is_none_or(|byte| byte <= b' ' || b",:]}\"".contains(&byte));
    Ok((!ends).then_some((start + usize::from(quote(opening)), true)))
}

/// Where the next cell, the next string or the word behind an "is" begins, what stands between being at `from`.
fn next_cell(view: &View<'_>, from: usize, quoted: bool) -> Eval<Option<usize>> {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t');
    let quote = |byte: Option<u8>| matches!(byte, Some(b'"' | b'\'' | b'`'));
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

/// Whether a value may be a password rather than a word about one: letters, and digits or signs.
fn strong(value: &[u8]) -> bool {
    let letters = value.iter().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
    let others =
        value.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_punctuation() && !b"_-./:".contains(byte));
    let words = value.iter().filter(|byte| **byte == b' ').count();
    let others = others || scrambled(value);
    value.len() >= SHORTEST && letters && others && words <= 2 && !stands_for_another(value)
}

/// Whether capitals and small letters take turns as in no name.
fn scrambled(value: &[u8]) -> bool {
    let turns = value
        .windows(2)
        .filter(|pair| matches!(pair, [one, other] if one.is_ascii_uppercase() != other.is_ascii_uppercase()));
    value.len() >= 12 && value.iter().all(u8::is_ascii_alphabetic) && turns.count() * 5 >= value.len() * 2
}

/// Whether nobody would write it but for a password: letters and digits, no blanks.
fn unlike_a_word(value: &[u8]) -> bool {
    let digits = value.iter().any(u8::is_ascii_digit) || scrambled(value);
    value.len() >= 8 && digits && !value.contains(&b' ') && strong(value)
}

/// Whether a value is filled in later, or was taken out.
fn stands_for_another(value: &[u8]) -> bool {
    // Or, behind a quote that ended something, what comes after it.
    value.first().is_some_and(|first| b"${<%[*(> ,;/?)".contains(first))
        || value.iter().all(|byte| Some(byte) == value.first())
}

/// A user and a password in base64 behind the `Basic ` that ends at `at` (RFC 7617).
pub(super) fn basic(view: &View<'_>, at: usize) -> Eval<Option<Match>> {
    let start = at + 1;
    let letters = view.run(start, LONGEST, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))?;
    let end = view.run(letters, 2, |byte| byte == b'=')?;
    let pair = decoded(view.slice(start, letters));
    let found = view.opens(start - "Basic ".len())
        && letters - start >= 8
        && pair.contains(&b':')
        && pair.iter().all(|byte| *byte >= b' ' && *byte != 0x7f);
    Ok(found.then(|| Match::new(Detector::BasicAuth, Confidence::High, start, end)))
}

/// The bytes of base64 (RFC 4648, section 4) without its padding.
fn decoded(text: &[u8]) -> Vec<u8> {
    let value = |byte: &u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let group = |letters: &[u8]| {
        let bits = letters
            .iter()
            .enumerate()
            .fold(0_u32, |bits, (at, letter)| bits | u32::from(value(letter)) << (18 - 6 * at));
        bits.to_be_bytes().into_iter().skip(1).take(letters.len() * 3 / 4)
    };
    text.chunks(4).flat_map(group).collect()
}

/// `access_token$production$`, 16 letters and digits, `$`, 32 hexadecimal digits; the second dollar sign is at `at`.
pub(super) fn braintree(view: &View<'_>, at: usize) -> Eval<Option<Match>> {
    const NAME: &[u8] = b"access_token";
    let Some(start) =
        (at + 1).checked_sub(BRAINTREE.len() + NAME.len()).filter(|start| view.slice(*start, at).starts_with(NAME))
    else {
        return Ok(None);
    };
    let merchant = at + 1;
    let dollar = view.run(merchant, 17, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())?;
    if dollar - merchant != 16 || view.at(dollar)? != Some(b'$') {
        return Ok(None);
    }
    let end = view.run(dollar + 1, 33, |byte| byte.is_ascii_hexdigit())?;
    Ok((end - dollar == 33).then(|| Match::new(Detector::PaypalToken, Confidence::High, start, end)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        assert_eq!(decoded(b"QWxhZGRpbjpvcGVuIHNlc2FtZQ"), b"Aladdin:open sesame");
        assert_eq!(decoded(b"Zm86"), b"fo:");
    }

    #[test]
    fn words_are_no_passwords() {
        for word in [
            &b"string"[..],
            b"required",
            b"${PASSWORD}",
            b"********",
            b"<your password>",
            b"a1",
            b"[PASSWORD]",
            b"std::env",
        ] {
            assert!(!strong(word), "{}", String::from_utf8_lossy(word));
        }
        assert!(strong(b"hunter2!") && strong(b"Tr0ub4dor&3"));
    }
}
