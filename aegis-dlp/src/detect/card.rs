//! Payment card numbers (ISO/IEC 7812): issuer range, length and check digit.

use super::number::{closes, opens, value, whole_end};
use crate::context::{Said, Topic};
use crate::view::{Eval, View};

/// The longest card number there is.
const LONGEST: usize = 19;

/// 12 to 19 digits in one run, also as a float.
pub(super) fn contiguous(said: &Said<'_, '_>, start: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    let number = view.slice(start, end);
    let known = valid(number);
    if !opens(view, start) || !known && !checked(number) {
        return Ok(None);
    }
    let end = whole_end(view, end)?;
    // Of issuers that are not listed a word must say it.
    Ok((closes(view, end)? && (known || said.of(start, Topic::Card))).then_some((start, end)))
}

/// As floats with an exponent are written: one digit before the point, and so many behind it that it is a number by intent.
pub(super) fn scientific(view: &View<'_>, start: usize, (point, end): (usize, usize)) -> Eval<Option<(usize, usize)>> {
    /// Zeros at the end of the number are not written.
    const FEWEST: usize = 11;
    if !matches!(view.at(end)?, Some(b'e' | b'E')) {
        return Ok(None);
    }
    let from = end + 1 + usize::from(view.at(end + 1)? == Some(b'+'));
    let to = view.run(from, 3, |byte| byte.is_ascii_digit())?;
    let exponent = value(view.slice(from, to)).and_then(|exponent| usize::try_from(exponent).ok()).unwrap_or(0);
    let fraction = view.slice(point + 1, end);
    if exponent >= LONGEST || !(FEWEST..=exponent).contains(&fraction.len()) {
        return Ok(None);
    }
    let mut digits = [b'0'; LONGEST];
    for (slot, digit) in digits.iter_mut().zip(view.slice(start, point).iter().chain(fraction)) {
        *slot = *digit;
    }
    let card = opens(view, start) && valid(digits.get(..=exponent).unwrap_or_default()) && closes(view, to)?;
    Ok(card.then_some((start, to)))
}

/// Groups as printed on cards, from the first group on: 4-4-4-4, 4-4-4-4-3, 4-6-5 or 4-6-4.
pub(super) fn grouped(said: &Said<'_, '_>, start: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    let Some(separator @ (b' ' | b'-'..=b'/' | b'_')) = view.at(end)? else {
        return Ok(None);
    };
    if !opens(view, start) || issuer_lengths(view.slice(start, end)).is_empty() {
        return Ok(None);
    }
    let mut digits = [0_u8; LONGEST];
    let mut length = 0;
    let (mut from, mut to) = (start, end);
    let mut found = None;
    loop {
        for (slot, digit) in digits.iter_mut().skip(length).zip(view.slice(from, to)) {
            *slot = *digit;
        }
        length += to - from;
        let number = digits.get(..length).unwrap_or_default();
        if length >= 14 && valid(number) && closes(view, to)? {
            found = Some((start, to));
        }
        if view.at(to)? != Some(separator) {
            return Ok(found);
        }
        from = to + 1;
        to = view.run(from, 7, |byte| byte.is_ascii_digit())?;
        if !next_group_fits(length, to - from) {
            return Ok(found);
        }
    }
}

/// Whether a group of this size may follow so many digits.
fn next_group_fits(digits: usize, size: usize) -> bool {
    matches!((digits, size), (4, 4 | 6) | (8 | 12, 4) | (16, 3) | (10, 4 | 5))
}

fn valid(number: &[u8]) -> bool {
    issuer_lengths(number).contains(&number.len()) && checked(number)
}

fn checked(number: &[u8]) -> bool {
    std::str::from_utf8(number).is_ok_and(luhn::valid) && !number.iter().all(|digit| Some(digit) == number.first())
}

/// The lengths in use for the issuer that the first four digits name; none for what is no card.
fn issuer_lengths(number: &[u8]) -> &'static [usize] {
    let Some(prefix) = number.get(..4).and_then(value) else {
        return &[];
    };
    match prefix {
        4000..=4999 => &[13, 16, 19],                                    // Visa
        5100..=5599 | 2221..=2720 => &[16],                              // Mastercard
        3400..=3499 | 3700..=3799 => &[15],                              // American Express
        6011 | 6440..=6599 => &[16, 17, 18, 19],                         // Discover
        3528..=3589 => &[16, 17, 18, 19],                                // JCB
        1800 | 2131 => &[15],                                            // JCB, older ones
        5019 => &[16],                                                   // Dankort
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => &[14, 16, 19], // Diners Club
        6200..=6299 | 8100..=8199 => &[16, 17, 18, 19],                  // UnionPay
        2200..=2204 => &[16, 17, 18, 19],                                // Mir
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => &[13, 14, 15, 16, 17, 18, 19], // Maestro
        _ => &[],
    }
}
