//! The keys of JSON that say what a value is: its own, that of the list that holds it, and where its own is one that any value may
//! have, the key of the object around it.

use memchr::memrchr;

use super::{REACH, Topics, field, said};

/// Levels of objects and lists that are gone out of.
const LEVELS: usize = 6;
/// Keys that say nothing of their value but that it is one, as documents, forms, databases and XML written as JSON have them.
#[rustfmt::skip]
const GENERAL: [&str; 28] = [
    "value", "values", "val", "v", "number", "num", "no", "nr", "text", "raw", "string", "str", "full", "formatted", "input", "answer",
    "stringvalue", "integervalue", "s", "n", "$", "$t", "$value", "_", "#text", "@value", "_text", "_value",
];

/// What the keys before a string or number say of it; `before` ends where it begins.
pub(super) fn said_of(before: &[u8]) -> Topics {
    let mut before = before;
    for _ in 0..LEVELS {
        before = before.trim_ascii_end();
        let name = match before.last() {
            // What begins like JSON may be settings or a script: names without quotes, behind which an equals sign may stand.
            Some(b':' | b'=') => before.get(..before.len() - 1).unwrap_or_default().trim_ascii_end(),
            Some(b'[' | b',') => match around(before) {
                Some((outside, b'[')) => {
                    before = outside;
                    continue;
                }
                _ => break,
            },
            _ => break,
        };
        return match name.strip_suffix(b"\"") {
            Some(key) => said_by(key),
            None => said(field(end_of(name))),
        };
    }
    Topics::NONE
}

/// What the key says that `before` ends with, its quote not counted, and those around it where it is a general one.
pub(super) fn said_by(before: &[u8]) -> Topics {
    let mut before = before;
    for _ in 0..LEVELS {
        let near = end_of(before);
        let open = memrchr(b'"', near).map(|open| before.len() - near.len() + open);
        let key = open.map_or(near, |open| before.get(open + 1..).unwrap_or_default());
        let topics = said(key);
        let Some(open) = open.filter(|_| topics == Topics::NONE && is_general(key)) else { return topics };
        let Some((outside, b'{')) = around(before.get(..open).unwrap_or_default()) else { return topics };
        match key_before(outside) {
            Some(key) => before = key,
            None => return topics,
        }
    }
    Topics::NONE
}

/// Up to the quote behind the key whose value, or list of values, begins where `before` ends.
fn key_before(before: &[u8]) -> Option<&[u8]> {
    let mut before = before.trim_ascii_end();
    for _ in 0..LEVELS {
        match before.last()? {
            b':' => return before.get(..before.len() - 1)?.trim_ascii_end().strip_suffix(b"\""),
            b'[' | b',' => {
                let (outside, b'[') = around(before)? else { return None };
                before = outside.trim_ascii_end();
            }
            _ => return None,
        }
    }
    None
}

/// What stands before the object or list that `before` ends in, and the bracket that opens it.
fn around(before: &[u8]) -> Option<(&[u8], u8)> {
    let (mut closed, mut left) = (0_usize, before);
    while let Some((last, rest)) = left.split_last() {
        left = rest;
        match last {
            // A string is passed at once: lists of sentences are asked at every number in them.
            b'"' => left = rest.get(..memrchr(b'"', rest)?)?,
            b'}' | b']' => closed += 1,
            b'{' | b'[' if closed > 0 => closed -= 1,
            b'{' | b'[' => return Some((rest, *last)),
            _ => {}
        }
    }
    None
}

/// As much of what a text ends with as a key has.
fn end_of(text: &[u8]) -> &[u8] {
    text.get(text.len().saturating_sub(REACH)..).unwrap_or_default()
}

fn is_general(key: &[u8]) -> bool {
    GENERAL.iter().any(|general| key.eq_ignore_ascii_case(general.as_bytes()))
}
