//! Dates of birth: a date that its context says is one.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::number::{closes, opens, value};
use crate::context::{Said, Topic};
use crate::view::{Eval, View};

/// Years in which somebody living, or about to, may be born.
const YEARS: std::ops::RangeInclusive<u32> = 1900..=2039;

/// Day and month in words before a year, at the end of what is searched.
static BEFORE_YEAR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let month = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}[.]?";
    let day = "[0-9]{1,2}(?:st|nd|rd|th)?";
    // Cannot fail on these constants; a test holds that.
    Regex::new(&format!("(?i-u)(?:{day}[ .-]{{1,2}}{month}|{month}[ -]{day}),?[ -]$")).ok()
});
/// The longest text that the pattern finds: `30th. September., `.
const WORDS: usize = 24;

/// A date of which the run of digits between two positions is the year.
pub(super) fn written(said: &Said<'_, '_>, start: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    if !value(view.slice(start, end)).is_some_and(|year| YEARS.contains(&year)) {
        return Ok(None);
    }
    let bounds = match view.before(start) {
        Some(separator @ (b'-' | b'.' | b'/')) => match year_last(view, start, separator) {
            Some(first) => closes(view, end)?.then_some((first, end)),
            None => in_words(view, start, end)?,
        },
        Some(b' ') => in_words(view, start, end)?,
        _ => None,
    };
    let bounds = match bounds {
        None => year_first(view, start, end)?,
        bounds => bounds,
    };
    Ok(bounds.filter(|(start, _)| opens(view, *start) && said.of(*start, Topic::Birth)))
}

/// `YYYYMMDD`, `DDMMYYYY` or `MMDDYYYY`.
pub(super) fn compact(said: &Said<'_, '_>, start: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    let date = |year: (usize, usize), first: (usize, usize), second: (usize, usize)| {
        let part = |(from, to)| value(view.slice(start + from, start + to)).unwrap_or(0);
        YEARS.contains(&part(year)) && day_and_month(part(first), part(second))
    };
    let valid = date((0, 4), (4, 6), (6, 8)) || date((4, 8), (0, 2), (2, 4));
    let found = valid && opens(view, start) && closes(view, end)? && said.of(start, Topic::Birth);
    Ok(found.then_some((start, end)))
}

/// `DD.MM.YY` or `MM/DD/YY`, of which the first digits are between two positions.
pub(super) fn short(said: &Said<'_, '_>, start: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    let Some(separator @ (b'-' | b'.' | b'/')) = view.seen(end) else {
        return Ok(None);
    };
    let middle = view.run(end + 1, 3, |byte| byte.is_ascii_digit())?;
    if view.at(middle)? != Some(separator) {
        return Ok(None);
    }
    let last = view.run(middle + 1, 3, |byte| byte.is_ascii_digit())?;
    let numbers = (one_or_two(view.slice(start, end)), one_or_two(view.slice(end + 1, middle)));
    let valid = last - middle == 3 && matches!(numbers, (Some(one), Some(other)) if day_and_month(one, other));
    let found = valid && opens(view, start) && closes(view, last)? && said.of(start, Topic::Birth);
    Ok(found.then_some((start, last)))
}

/// The start of `DD-MM-` or `MM/DD/` before the year.
fn year_last(view: &View<'_>, year: usize, separator: u8) -> Option<usize> {
    let second = view.run_back(year - 1, 3, |byte| byte.is_ascii_digit());
    if second == 0 || view.before(second) != Some(separator) {
        return None;
    }
    let first = view.run_back(second - 1, 3, |byte| byte.is_ascii_digit());
    let numbers = (one_or_two(view.slice(first, second - 1))?, one_or_two(view.slice(second, year - 1))?);
    day_and_month(numbers.0, numbers.1).then_some(first)
}

/// `YYYY-MM-DD` from the year on; a time may follow.
fn year_first(view: &View<'_>, start: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let Some(separator @ (b'-' | b'.' | b'/')) = view.at(end)? else {
        return Ok(None);
    };
    let middle = view.run(end + 1, 3, |byte| byte.is_ascii_digit())?;
    if view.at(middle)? != Some(separator) {
        return Ok(None);
    }
    let last = view.run(middle + 1, 3, |byte| byte.is_ascii_digit())?;
    let numbers = (one_or_two(view.slice(end + 1, middle)), one_or_two(view.slice(middle + 1, last)));
    let (Some(first), Some(second)) = numbers else {
        return Ok(None);
    };
    let closes = matches!(view.at(last)?, Some(b'T' | b't')) || closes(view, last)?;
    Ok((day_and_month(first, second) && closes).then_some((start, last)))
}

/// Whether the year of a date in words may begin at a position.
pub(super) fn may_end(view: &View<'_>, year: usize) -> bool {
    let before = view.slice(year.saturating_sub(WORDS), year);
    // Mostly there is none: all bytes are looked at, together.
    before.iter().fold(false, |any, byte| any | byte.is_ascii_digit()) && ends_in_part(before)
}

/// `2 January 1980`, `Jan 2nd, 1980`, `02-Jan-1980`.
fn in_words(view: &View<'_>, year: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    if !may_end(view, year) {
        return Ok(None);
    }
    let from = year.saturating_sub(WORDS);
    let before = view.slice(from, year);
    let found = BEFORE_YEAR.as_ref().and_then(|pattern| pattern.find(before)).map(|found| from + found.start());
    Ok(match found {
        Some(start) if closes(view, end)? => Some((start, end)),
        _ => None,
    })
}

/// Whether the last word may be a month, or the day of one: what stands before a year mostly is none.
fn ends_in_part(before: &[u8]) -> bool {
    let before = before.split_last().map_or(before, |(_, rest)| rest);
    let before = before.strip_suffix(b",").unwrap_or(before);
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
    let length = before.iter().rev().take_while(|byte| inside(byte)).count();
    let word = before.get(before.len() - length..).unwrap_or_default();
    word.iter().any(u8::is_ascii_digit) || is_month(word)
}

/// The value of one or two digits.
fn one_or_two(digits: &[u8]) -> Option<u32> {
    if digits.len() > 2 { None } else { value(digits) }
}

/// Whether one may be the day and the other the month, in either order.
fn day_and_month(first: u32, second: u32) -> bool {
    (1..=31).contains(&first) && (1..=31).contains(&second) && first.min(second) <= 12
}

/// Whether the name of a month begins in a word.
pub(super) fn is_month(word: &[u8]) -> bool {
    word.windows(3).any(|head| {
        // No byte but a letter becomes one by this.
        let small = head.first_chunk::<3>().map(|head| head.map(|byte| byte | 0x20));
        small.is_some_and(|small| {
            matches!(
                &small,
                b"jan"
                    | b"feb"
                    | b"mar"
                    | b"apr"
                    | b"may"
                    | b"jun"
                    | b"jul"
                    | b"aug"
                    | b"sep"
                    | b"oct"
                    | b"nov"
                    | b"dec"
            )
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_builds() {
        assert!(BEFORE_YEAR.is_some());
    }
}
