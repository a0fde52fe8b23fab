//! From a run of digits to the number it may be part of.

use super::{Match, card, date, ssn};
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// Runs longer than any number of interest need not be measured further.
const LONGEST: usize = 20;

/// The match that the run of digits at `start` belongs to.
pub(super) fn examine(view: &View<'_>, start: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    let end = view.run(start, LONGEST, |byte| byte.is_ascii_digit())?;
    let attempts: &[(Detector, Attempt)] = match end - start {
        4 => &[
            (Detector::PaymentCard, card::grouped),
            (Detector::Ssn, ssn::separated),
            (Detector::DateOfBirth, date::written),
        ],
        8 => &[(Detector::DateOfBirth, date::compact)],
        9 => &[(Detector::Ssn, ssn::bare)],
        13..=19 => &[(Detector::PaymentCard, card::contiguous)],
        _ => &[],
    };
    for (detector, attempt) in attempts {
        if !wanted.contains(*detector) {
            continue;
        }
        if let Some((start, end)) = attempt(view, start, end)? {
            return Ok(Some(Match::new(*detector, start, end)));
        }
    }
    Ok(None)
}

/// Tries to make a number of the run of digits between two positions; gives the bounds of the number.
type Attempt = fn(&View<'_>, usize, usize) -> Eval<Option<(usize, usize)>>;

/// Whether a number may start here: not inside a word, a decimal, a version or a longer number in groups.
pub(super) fn opens(view: &View<'_>, start: usize) -> bool {
    let grouped = view.before(start).is_some_and(|byte| matches!(byte, b'-' | b'.' | b'/'))
        && view.before(start - 1).is_some_and(|byte| byte.is_ascii_digit());
    !grouped && view.opens(start)
}

/// Whether a number may end here.
pub(super) fn closes(view: &View<'_>, end: usize) -> Eval<bool> {
    Ok(match view.at(end)? {
        Some(byte) if byte.is_ascii_alphanumeric() => false,
        Some(b'-' | b'.') => !view.at(end + 1)?.is_some_and(|byte| byte.is_ascii_digit()),
        _ => true,
    })
}

/// The value of a short run of digits.
pub(super) fn value(digits: &[u8]) -> Option<u32> {
    let add = |sum: u32, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'));
    if digits.len() > 8 { None } else { digits.iter().try_fold(0, add) }
}
