//! US social security numbers, by the rules of the Social Security Administration since 2011.

use super::number::{closes, opens, value, whole_end};
use crate::context::{Said, Topic};
use crate::view::Eval;

/// `AAA-GG-SSSS` or `AAA GG SSSS`, of which the serial is the run of digits given.
pub(super) fn separated(said: &Said<'_, '_>, serial: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    let Some(start) = serial.checked_sub("AAA-GG-".len()) else {
        return Ok(None);
    };
    let &[a, b, c, first, g, h, second] = view.slice(start, serial) else {
        return Ok(None);
    };
    if first != second || !matches!(first, b'-' | b' ') {
        return Ok(None);
    }
    // A table of numbers: the three groups are not the beginning.
    let continued = first == b' '
        && view.before(start) == Some(b' ')
        && view.before(start - 1).is_some_and(|byte| byte.is_ascii_digit());
    let valid = valid(&[a, b, c], &[g, h], view.slice(serial, end));
    Ok((valid && !continued && opens(view, start) && closes(view, end)?).then_some((start, end)))
}

/// Nine digits, also as a float, that their context calls a social security number.
pub(super) fn bare(said: &Said<'_, '_>, start: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    if !is_number(view.slice(start, end)) || !opens(view, start) {
        return Ok(None);
    }
    let end = whole_end(view, end)?;
    let found = closes(view, end)? && said.of(start, Topic::SocialSecurity);
    Ok(found.then_some((start, end)))
}

/// Whether nine digits are a number that may be issued.
pub(super) fn is_number(digits: &[u8]) -> bool {
    matches!(digits, &[a, b, c, g, h, ref serial @ ..] if valid(&[a, b, c], &[g, h], serial))
}

/// Areas 000, 666 and 900-999 (the latter are ITINs), group 00 and serial 0000 are never issued.
fn valid(area: &[u8], group: &[u8], serial: &[u8]) -> bool {
    let area_valid = value(area).is_some_and(|area| (1..900).contains(&area) && area != 666);
    area_valid && value(group).is_some_and(|group| group != 0) && value(serial).is_some_and(|serial| serial != 0)
}
