//! Places on earth: latitude and longitude in decimal degrees.

use super::Match;
use super::number::value;
use crate::Detector;
use crate::context::{Said, Topic};
use crate::finding::Confidence;
use crate::view::{Eval, View};

/// Digits after the point from which on a pair of numbers is a place to within a street.
const PRECISE: usize = 4;

/// The pair, or the number that its context calls a coordinate, of which the first digits are at `digits`.
pub(super) fn examine(said: &Said<'_, '_>, digits: usize) -> Eval<Option<Match>> {
    let view = said.view;
    let start = digits - usize::from(view.before(digits) == Some(b'-'));
    if !view.opens(start) || view.before(start) == Some(b'.') {
        return Ok(None);
    }
    let Some((end, decimals)) = degrees(view, digits, 180)? else {
        return Ok(None);
    };
    let said = said.of(start, Topic::Geo);
    if decimals >= PRECISE && degrees(view, digits, 90)?.is_some() {
        let gap = view.run(end, 3, |byte| matches!(byte, b',' | b' ' | b';'))?;
        let second = gap + usize::from(view.at(gap)? == Some(b'-'));
        if gap > end
            && let Some((last, decimals)) = degrees(view, second, 180)?
            && decimals >= PRECISE
        {
            let confidence = if said { Confidence::High } else { Confidence::Medium };
            return Ok(Some(Match::new(Detector::Geo, confidence, start, last)));
        }
    }
    Ok((said && decimals >= 2).then(|| Match::new(Detector::Geo, Confidence::Medium, start, end)))
}

/// The end of a number of degrees, at most so many, and how many digits it has after the point.
fn degrees(view: &View<'_>, from: usize, most: u32) -> Eval<Option<(usize, usize)>> {
    let point = view.run(from, 4, |byte| byte.is_ascii_digit())?;
    if view.at(point)? != Some(b'.') || value(view.slice(from, point)).is_none_or(|whole| whole > most) || point == from
    {
        return Ok(None);
    }
    let end = view.run(point + 1, 18, |byte| byte.is_ascii_digit())?;
    let closes = match view.at(end)? {
        Some(byte) if byte.is_ascii_alphanumeric() => false,
        Some(b'.') => !view.at(end + 1)?.is_some_and(|byte| byte.is_ascii_digit()),
        _ => end - point <= 17,
    };
    Ok(closes.then_some((end, end - point - 1)))
}
