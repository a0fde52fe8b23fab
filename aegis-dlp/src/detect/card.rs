//! Payment card numbers (ISO/IEC 7812): issuer range, length and check digit.

use super::number::{closes, continues, opens, value, whole_end};
use crate::context::{Said, Topic};
use crate::view::{Eval, View};

/// The longest card number there is, and the shortest that is found without its word.
pub(super) const LONGEST: usize = 19;
const FEWEST: usize = 13;

/// 12 to 19 digits in one run, also as a float.
pub(super) fn contiguous(said: &Said<'_, '_>, start: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    let number = view.slice(start, end);
    // Of issuers that are not listed a word must say it.
    let may_be = || issuer_lengths(number).contains(&number.len()) || said.of(start, Topic::Card);
    if !opens(view, start) || !may_be() || !checked(number) {
        return Ok(None);
    }
    let end = whole_end(view, end)?;
    Ok(closes(view, end)?.then_some((start, end)))
}

/// Digits one by one with blanks between them, in a row of nothing else: `4 1 1 1 ...`.
pub(super) fn spelled(said: &Said<'_, '_>, start: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    if continues(view, start) || !opens(view, start) {
        return Ok(None);
    }
    let (mut digits, mut length) = ([0_u8; LONGEST], 0);
    while let Some(digit) = view.at(start + 2 * length)?.filter(u8::is_ascii_digit) {
        let Some(slot) = digits.get_mut(length) else { return Ok(None) };
        *slot = digit;
        length += 1;
        if view.at(start + 2 * length - 1)? != Some(b' ') {
            break;
        }
    }
    let end = start + 2 * length - 1;
    if length < FEWEST || !valid(digits.get(..length).unwrap_or_default()) || !closes(view, end)? {
        return Ok(None);
    }
    Ok((said.of(start, Topic::Card) || !is_row(view, start, end)?).then_some((start, end)))
}

/// Whether there are digits right above or below: a table of numbers, as of a picture or a game.
fn is_row(view: &View<'_>, start: usize, end: usize) -> Eval<bool> {
    let above = view.run_back(start, 2, |byte| matches!(byte, b'\r' | b'\n'));
    let below = view.run(end, 2, |byte| matches!(byte, b'\r' | b'\n'))?;
    let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    Ok(above < start && digit(view.before(above)) || below > end && digit(view.at(below)?))
}

/// Groups as printed on cards, from the first group on: 4-4-4-4, 4-4-4-4-3, 4-6-5 or 4-6-4. Where a word says that it is a card's,
/// a line may end between two groups.
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
    let (mut found, mut broken) = (None, view.rows);
    loop {
        for (slot, digit) in digits.iter_mut().skip(length).zip(view.slice(from, to)) {
            *slot = *digit;
        }
        length += to - from;
        let number = digits.get(..length).unwrap_or_default();
        if length >= 14 && valid(number) && closes(view, to)? {
            found = Some((start, to));
        }
        let line = if broken || found.is_some() { None } else { next_line(view, to, separator)? };
        from = match line {
            Some(next) if said.of(start, Topic::Card) => {
                broken = true;
                next
            }
            _ if view.at(to)? == Some(separator) => to + 1,
            _ => return Ok(found),
        };
        to = view.run(from, 7, |byte| byte.is_ascii_digit())?;
        if !next_group_fits(length, to - from) {
            return Ok(found);
        }
    }
}

/// The beginning of the next line, where the one that a group ends in ends behind it, or behind the sign that stands there.
fn next_line(view: &View<'_>, group: usize, separator: u8) -> Eval<Option<usize>> {
    let end = group + usize::from(view.at(group)? == Some(separator));
    let feed = end + usize::from(view.at(end)? == Some(b'\r'));
    Ok((view.at(feed)? == Some(b'\n')).then_some(feed + 1))
}

/// Whether a group of this size may follow so many digits.
fn next_group_fits(digits: usize, size: usize) -> bool {
    matches!((digits, size), (4, 4 | 6) | (8 | 12, 4) | (16, 3) | (10, 4 | 5))
}

/// Whether digits are a number of a card of a known issuer.
pub(super) fn valid(number: &[u8]) -> bool {
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
