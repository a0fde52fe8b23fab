//! Bank account numbers (ISO 13616): country, its length, and the remainder modulo 97.

use super::number::{closes, opens};
use crate::context::Said;
use crate::view::{Eval, View};

/// The longest of them with a blank after every four.
const LONGEST: usize = 34 + 8;
/// How far after the start the first four digits in a row may be: behind a bank's letters, in groups of four.
const LEAD: usize = 16;

/// Length by country, of the registry of SWIFT.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// The number of which the digits between two positions are the first four or more in a row.
pub(super) fn around(said: &Said<'_, '_>, digits: usize, _end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    // Its letters, or a blank after four of its characters.
    if !matches!(view.before(digits), Some(b' ' | b'-' | b'A'..=b'Z' | b'0'..=b'9')) {
        return Ok(None);
    }
    let word = view.run_back(digits, LEAD, |byte| byte.is_ascii_alphanumeric());
    // In groups of four, or in one word.
    let starts = (1..=3).filter_map(|groups| digits.checked_sub(5 * groups)).chain([word]);
    for start in starts {
        let head = view.slice(start, start + 4);
        if !matches!(head, [b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9']) || !opens(view, start) {
            continue;
        }
        if let Some(end) = number(view, start)?
            && closes(view, end)?
            && first_digits(view, start, digits)
        {
            return Ok(Some((start, end)));
        }
    }
    Ok(None)
}

/// Whether the number at `start` has no four digits in a row before `digits`: it was asked for there already.
fn first_digits(view: &View<'_>, start: usize, digits: usize) -> bool {
    !view.slice(start, digits).windows(4).any(|four| four.iter().all(u8::is_ascii_digit))
}

/// The end of the number at `start`.
fn number(view: &View<'_>, start: usize) -> Eval<Option<usize>> {
    let country = view.slice(start, start + 2);
    let Some((_, length)) = LENGTHS.iter().find(|(code, _)| code.as_slice() == country) else {
        return Ok(None);
    };
    let (mut number, mut taken) = ([0_u8; 34], 0);
    for position in start..start + LONGEST {
        match view.at(position)? {
            Some(byte) if byte.is_ascii_uppercase() || byte.is_ascii_digit() => {
                if let Some(slot) = number.get_mut(taken) {
                    *slot = byte;
                }
                taken += 1;
                if taken == *length {
                    return Ok(remainder(number.get(..taken).unwrap_or_default()).then_some(position + 1));
                }
            }
            // In groups of four, and as bank, branch and account divide it.
            Some(sign @ (b' ' | b'-')) if taken > 2 && view.before(position) != Some(sign) => {}
            _ => break,
        }
    }
    Ok(None)
}

/// ISO 7064 MOD 97-10: the first four come last, letters count from ten on.
fn remainder(number: &[u8]) -> bool {
    let (head, body) = number.split_at_checked(4).unwrap_or_default();
    let rest = body.iter().chain(head).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter.wrapping_sub(b'A')) + 10) % 97,
    });
    rest == 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_fits() {
        assert!(LENGTHS.iter().all(|(_, length)| (15..=34).contains(length)));
    }

    #[test]
    fn remainders() {
        for number in
            ["GB82WEST12345698765432", "DE89370400440532013000", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"]
        {
            assert!(remainder(number.as_bytes()), "{number}");
        }
        assert!(!remainder(b"DE88370400440532013000"));
    }
}
