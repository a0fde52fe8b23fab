//! AWS secret access keys. They bear no mark, so only one that is named as such is found.

use super::Match;
use crate::Detector;
use crate::view::{Eval, View};

/// Length of a secret access key.
const KEY: usize = 40;
/// How far after its name the key may stand.
const REACH: usize = 40;
/// Words of this length may stand between the name and the key: "is", "value".
const WORD: usize = 20;

/// The key named by the word "secret" of which the second letter is at `at`.
pub(super) fn examine(view: &View<'_>, at: usize) -> Eval<Option<Match>> {
    let Some(after) = name_end(view, at)? else {
        return Ok(None);
    };
    let mut position = after;
    while position < after + REACH {
        let Some(byte) = view.at(position)? else {
            return Ok(None);
        };
        if !in_key(byte) {
            if byte == b'-' && view.before(position) == Some(b'-') {
                return Ok(None);
            }
            // Neither another clue nor the end of the sentence may come between; nor the brackets of a mask.
            if !b" \t\r\n\"'`\\:=>_-(){}".contains(&byte) {
                return Ok(None);
            }
            position += 1;
            continue;
        }
        let end = view.run(position, KEY + 1, in_key)?;
        let word = view.slice(position, end);
        if word.len() == KEY {
            let marked = matches!(view.before(position), Some(b'-' | b'_'));
            let whole = !marked && looks_random(word) && !mask_at(view, end)?;
            return Ok(whole.then(|| Match::new(Detector::AwsKey, position, end)));
        }
        if word.len() > WORD || !word.iter().all(u8::is_ascii_alphabetic) {
            return Ok(None);
        }
        position = end;
    }
    Ok(None)
}

/// The end of `secret_key`, `SecretAccessKey`, `secret access key`: however it is written.
fn name_end(view: &View<'_>, at: usize) -> Eval<Option<usize>> {
    if !view.before(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&b's')) {
        return Ok(None);
    }
    let after = joined(view, at + "ecret".len())?;
    let after = match word(view, after, b"access")? {
        Some(end) => joined(view, end)?,
        None => after,
    };
    word(view, after, b"key")
}

/// The position after an optional joining character.
fn joined(view: &View<'_>, at: usize) -> Eval<usize> {
    Ok(at + usize::from(matches!(view.at(at)?, Some(b' ' | b'_' | b'-' | b'.'))))
}

fn word(view: &View<'_>, from: usize, word: &[u8]) -> Eval<Option<usize>> {
    for (position, expected) in (from..).zip(word) {
        if !view.at(position)?.is_some_and(|byte| byte.eq_ignore_ascii_case(expected)) {
            return Ok(None);
        }
    }
    Ok(Some(from + word.len()))
}

/// Whether a mask stands at `position`: a run that it cuts to the length of a key was longer when it came.
fn mask_at(view: &View<'_>, position: usize) -> Eval<bool> {
    if view.at(position)? != Some(b'[') {
        return Ok(false);
    }
    let end = view.run(position + 1, WORD, |byte| byte.is_ascii_uppercase() || byte == b'_')?;
    view.at(end)?;
    let mask = view.slice(position, end + 1);
    Ok(Detector::ALL.into_iter().any(|detector| detector.mask().as_bytes() == mask))
}

fn in_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+')
}

/// Letters of both cases and digits: no hash, no path.
fn looks_random(word: &[u8]) -> bool {
    let any = |class: fn(&u8) -> bool| word.iter().any(class);
    any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase) && any(u8::is_ascii_digit)
}
