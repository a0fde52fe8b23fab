//! The keys of JSON that say what a value is: its own, that of the list that holds it, and where its own is one that any value may
//! have, the key of the object around it.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};
use memchr::memrchr;

use super::{REACH, Topics, field, said};
use crate::lanes::{BLOCK, inside, is, lanes_at};

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
    let open = dispatch!(Level::new(), simd => bracket_around(simd, before))?;
    Some((before.get(..open)?, *before.get(open)?))
}

/// Where the bracket is that opens the object or list that `before` ends in. What is between quotes, from the last one on, counts
/// for nothing.
#[inline(always)]
fn bracket_around<S: Simd>(simd: S, before: &[u8]) -> Option<usize> {
    let (mut closed, mut in_string, mut end) = (0, false, before.len());
    while end > 0 {
        let from = end.saturating_sub(BLOCK);
        // The last block may be of bytes that were in the one behind it.
        let (lane, here) = (lanes_at(simd, before, from), u64::MAX >> (BLOCK - (end - from)));
        let quotes = is(lane, b'"').to_bitmask() & here;
        // The brackets of lists are those of objects but for one bit.
        let mut opening = is(lane | 0x20, b'{').to_bitmask() & here;
        let mut closing = is(lane | 0x20, b'}').to_bitmask() & here;
        end = from;
        // The state before the block, of that behind it.
        in_string ^= quotes.count_ones() % 2 == 1;
        if opening | closing == 0 {
            continue;
        }
        let outside = !inside(quotes, in_string);
        (opening, closing) = (opening & outside, closing & outside);
        while let Some(last) = opening.checked_ilog2() {
            closed += (closing >> last).count_ones();
            let before = (1 << last) - 1;
            (opening, closing) = (opening & before, closing & before);
            match closed.checked_sub(1) {
                Some(rest) => closed = rest,
                None => return Some(from + last as usize),
            }
        }
        closed += closing.count_ones();
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// Byte by byte, from the end.
    fn slowly(before: &[u8]) -> Option<(&[u8], u8)> {
        let (mut closed, mut left) = (0_usize, before);
        while let Some((last, rest)) = left.split_last() {
            left = rest;
            match last {
                b'"' => left = rest.get(..memrchr(b'"', rest)?)?,
                b'}' | b']' => closed += 1,
                b'{' | b'[' if closed > 0 => closed -= 1,
                b'{' | b'[' => return Some((rest, *last)),
                _ => {}
            }
        }
        None
    }

    #[test]
    fn the_bracket_around_is_found_in_blocks_as_byte_by_byte() {
        let mut seed = 7_u32;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        let mut found = 0;
        for round in 0..4000 {
            // From few brackets to many.
            let text: Vec<u8> = (0..random(300))
                .map(|_| if random(40) < round % 40 { b"\"[]{}"[random(5)] } else { b"a,:;= "[random(6)] })
                .collect();
            assert_eq!(around(&text), slowly(&text), "{}", String::from_utf8_lossy(&text));
            found += usize::from(around(&text).is_some());
        }
        assert!((1000..3500).contains(&found), "{found}");
    }
}
