//! Whole numbers that somebody took for such to reckon with: `4111111111111111.0`, `4.111111111111111e15`, `536228741e0`.

use super::{closes, opens, value};
use crate::context::{Said, Topic};
use crate::detect::{Match, card, ssn};
use crate::finding::Confidence;
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// The fewest digits that are written of a number of interest: zeros at its end are not.
pub(super) const FEWEST: usize = 7;
/// The fewest of a card's, so that it is a number by intent.
const OF_CARD: usize = 12;

/// The number of which the point and the end of the digits behind it are given: the same where it has no point.
pub(super) fn examine(
    said: &Said<'_, '_>,
    start: usize,
    (point, end): (usize, usize),
    wanted: DetectorSet,
) -> Eval<Option<Match>> {
    if let Some(number) = Float::read(said.view, start, (point, end))? {
        return number.examine(said, start, wanted);
    }
    let (detector, confidence, bounds) = match point - start {
        _ if point == end => return Ok(None),
        9 if wanted.contains(Detector::Ssn) => (Detector::Ssn, Confidence::Medium, ssn::bare(said, start, point)?),
        13..=19 if wanted.contains(Detector::PaymentCard) => {
            (Detector::PaymentCard, Confidence::High, card::contiguous(said, start, point)?)
        }
        _ => return Ok(None),
    };
    Ok(bounds.map(|(start, end)| Match::new(detector, confidence, start, end)))
}

/// A whole number that is written with an exponent.
struct Float {
    digits: [u8; card::LONGEST],
    length: usize,
    /// How many of its digits are written.
    written: usize,
    end: usize,
}

impl Float {
    fn read(view: &View<'_>, start: usize, (point, end): (usize, usize)) -> Eval<Option<Float>> {
        if !matches!(view.at(end)?, Some(b'e' | b'E')) {
            return Ok(None);
        }
        let sign = view.at(end + 1)?.filter(|byte| matches!(byte, b'+' | b'-'));
        let from = end + 1 + usize::from(sign.is_some());
        let to = view.run(from, 3, |byte| byte.is_ascii_digit())?;
        let (whole, fraction) = (view.slice(start, point), view.slice(point + 1, end));
        let zeros = whole.iter().chain(fraction).take_while(|digit| **digit == b'0').count();
        let Some(power) = value(view.slice(from, to)).and_then(|power| usize::try_from(power).ok()) else {
            return Ok(None);
        };
        // Where the point would be.
        let places = if sign == Some(b'-') { whole.len().checked_sub(power) } else { Some(whole.len() + power) };
        let length = places.and_then(|places| places.checked_sub(zeros)).filter(|length| *length <= card::LONGEST);
        let Some(length) = length.filter(|_| to > from) else { return Ok(None) };
        let (mut digits, mut written) = ([b'0'; card::LONGEST], 0);
        for digit in whole.iter().chain(fraction).skip(zeros) {
            match digits.get_mut(written).filter(|_| written < length) {
                Some(slot) => (*slot, written) = (*digit, written + 1),
                None if *digit == b'0' => {}
                None => return Ok(None),
            }
        }
        Ok(Some(Float { digits, length, written, end: to }))
    }

    fn examine(&self, said: &Said<'_, '_>, start: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
        let number = self.digits.get(..self.length).unwrap_or_default();
        if self.written < FEWEST || !opens(said.view, start) || !closes(said.view, self.end)? {
            return Ok(None);
        }
        let found = |detector, confidence| Ok(Some(Match::new(detector, confidence, start, self.end)));
        if wanted.contains(Detector::PaymentCard) && self.written >= OF_CARD && card::valid(number) {
            return found(Detector::PaymentCard, Confidence::High);
        }
        let social = wanted.contains(Detector::Ssn) && self.length == 9 && ssn::is_number(number);
        if social && said.of(start, Topic::SocialSecurity) {
            return found(Detector::Ssn, Confidence::Medium);
        }
        Ok(None)
    }
}
