//! References of XML (1.0, section 4.1), and of those that HTML names the ones for characters of interest.

use super::escape::{Escape, character};

/// Digits of a numeric reference that are looked at, and zeros before them.
const DIGITS: usize = 16;
const ZEROS: usize = 64;
/// How often `&amp;` for the `&` of a reference is undone.
const TIMES: usize = 4;

const NAMES: [(&[u8], u32); 24] = [
    (b"amp;", 0x26),
    // As in JSON: quotes and brackets of the view are those of the format.
    (b"lt;", 0x27),
    (b"quot;", 0x27),
    (b"apos;", 0x27),
    (b"gt;", 0x3e),
    (b"nbsp;", 0xa0),
    (b"shy;", 0xad),
    (b"zwj;", 0x200d),
    (b"zwnj;", 0x200c),
    (b"commat;", 0x40),
    (b"period;", 0x2e),
    (b"hyphen;", 0x2d),
    (b"dash;", 0x2d),
    (b"ndash;", 0x2013),
    (b"mdash;", 0x2014),
    (b"minus;", 0x2212),
    (b"lowbar;", 0x5f),
    (b"plus;", 0x2b),
    (b"sol;", 0x2f),
    (b"colon;", 0x3a),
    (b"equals;", 0x3d),
    (b"Tab;", 0x09),
    (b"NewLine;", 0x0a),
    (b"num;", 0x23),
];

/// What the `&` at the start of `bytes` begins. Outside of XML only numbers are references, and `&amp;` before one.
pub(super) fn unescape(bytes: &[u8], xml: bool) -> Escape {
    let escape = references(bytes);
    let numeric = |at: usize| bytes.get(at) == Some(&b'#');
    let shown = xml || matches!(escape, Escape::Partial) || numeric(1) || bytes.starts_with(b"&amp;") && numeric(5);
    if shown { escape } else { Escape::Literal }
}

fn references(bytes: &[u8]) -> Escape {
    let first = reference(bytes, 1);
    let mut inner = first;
    for _ in 0..TIMES {
        // `&amp;#64;`: a reference within a reference.
        let Escape::Byte(b'&', at) = inner else { break };
        inner = reference(bytes, at);
    }
    if inner == Escape::Literal { first } else { inner }
}

/// The reference of which the name begins at `at`; its length counts from the start of `bytes`.
fn reference(bytes: &[u8], at: usize) -> Escape {
    let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else {
        return Escape::Partial;
    };
    if let Some(number) = rest.strip_prefix(b"#") {
        return numeric(number, at + 1);
    }
    for (name, code) in NAMES {
        if rest.first() == name.first() && rest.starts_with(name) {
            return character(code, at + name.len());
        }
    }
    let cut = NAMES.iter().any(|(name, _)| name.starts_with(rest));
    if cut { Escape::Partial } else { Escape::Literal }
}

fn numeric(rest: &[u8], before: usize) -> Escape {
    let (digits, radix, skipped) = match rest.first() {
        None => return Escape::Partial,
        Some(b'x' | b'X') => (rest.get(1..).unwrap_or_default(), 16, 1),
        Some(_) => (rest, 10, 0),
    };
    let zeros = digits.iter().take(ZEROS).take_while(|digit| **digit == b'0').count();
    let significant = digits.get(zeros..).unwrap_or_default();
    let digits = digits.get(..zeros + significant.len().min(DIGITS)).unwrap_or(digits);
    let length = digits.iter().take_while(|digit| char::from(**digit).is_digit(radix)).count();
    if length == digits.len() && length < zeros + DIGITS {
        return Escape::Partial;
    }
    let value = digits.iter().take(length).try_fold(0_u32, |value, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    });
    let Some(code) = value.filter(|_| length > 0) else {
        return Escape::Literal;
    };
    // HTML takes a reference without the semicolon too.
    let Some(next) = rest.get(skipped + length) else {
        return Escape::Partial;
    };
    let end = before + skipped + length + usize::from(*next == b';');
    match code {
        0x3c => Escape::Byte(b'\'', end),
        0x26 => Escape::Byte(b'&', end),
        code => character(code, end),
    }
}
