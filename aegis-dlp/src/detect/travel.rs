//! Passports and medical records: letters and digits that words tell from others, and machine-readable lines.

use super::Match;
use super::number::{closes, opens, weighted};
use crate::context::{Said, Topic, Topics};
use crate::finding::Confidence;
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// What is found by a word before it.
pub(super) const DETECTORS: DetectorSet = DetectorSet::EMPTY
    .with(Detector::Passport)
    .with(Detector::MedicalRecordNumber)
    .with(Detector::DriverLicense)
    .with(Detector::BankAccount);

const TOPICS: Topics =
    Topics::NONE.with(Topic::Passport).with(Topic::MedicalRecord).with(Topic::DriverLicense).with(Topic::BankAccount);

/// The shortest number looked for, and the longest: of a British driving licence, with its issue.
const SHORTEST: usize = 5;
const LONGEST: usize = 18;
/// The longest number of a medical record.
const RECORD: usize = 15;
/// The most small letters that a number begins with.
const SMALL: usize = 2;

/// The number around the digits from `digits` to `last` that its context calls a passport's or a medical record's.
pub(super) fn named(said: &Said<'_, '_>, digits: usize, last: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    let view = said.view;
    let joins = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let (begins, ends) = (!joins(view.before(digits)), !joins(view.seen(last)));
    let small = small_lead(view.slice(digits.saturating_sub(SMALL + 1), digits), last - digits);
    // Where it begins with these digits, most are done with here: they are too few, or nothing is said of them.
    let few = ends && last - digits < SHORTEST;
    if begins && small.is_none() && (few || !opens(view, digits) || !said.any(digits, TOPICS)) {
        return Ok(None);
    }
    let (start, end) = match small {
        Some(letters) => (digits - letters, last),
        // Where nothing else is of the number, it is these digits.
        None if begins && ends => (digits, last),
        None => bounds(view, digits)?,
    };
    let number = view.slice(start, end);
    let opens = (SHORTEST..=LONGEST).contains(&number.len()) && opens(view, start);
    if !opens || !said.any(start, TOPICS) || !closes(view, end)? {
        return Ok(None);
    }
    let count = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    // It was not asked for digits of it before these, and it is no part of a word.
    let lead = view.slice(start, digits);
    let asked = lead.windows(4).any(|four| four.iter().all(u8::is_ascii_digit))
        || matches!(lead, [.., b'0'..=b'9', b'0'..=b'9', b'A'..=b'Z']);
    if asked || count < 4 || is_date(number) {
        return Ok(None);
    }
    let plain = (7..=9).contains(&number.len()) && !number.contains(&b'-');
    let is = |detector, topic| wanted.contains(detector) && said.of(start, topic);
    let detector = if plain && is(Detector::Passport, Topic::Passport) {
        Detector::Passport
    } else if number.len() <= RECORD && is(Detector::MedicalRecordNumber, Topic::MedicalRecord) {
        Detector::MedicalRecordNumber
    } else if is(Detector::DriverLicense, Topic::DriverLicense) {
        Detector::DriverLicense
    } else if count == number.len() && (6..=17).contains(&count) && is(Detector::BankAccount, Topic::BankAccount) {
        Detector::BankAccount
    } else {
        return Ok(None);
    };
    Ok(Some(Match::new(detector, Confidence::Medium, start, end)))
}

/// How many small letters before so many digits may be of one number with them: people write `a12345678` for what has a capital
/// in the document.
pub(crate) fn small_lead(before: &[u8], digits: usize) -> Option<usize> {
    if !matches!(digits, 6..=8) {
        return None;
    }
    let letters = before.iter().rev().take(SMALL + 1).take_while(|byte| byte.is_ascii_lowercase()).count();
    let opens = !before.iter().rev().nth(letters).is_some_and(u8::is_ascii_alphanumeric);
    ((1..=SMALL).contains(&letters) && opens).then_some(letters)
}

/// Whether three groups of digits are a date.
fn is_date(number: &[u8]) -> bool {
    let mut sizes = number.split(|byte| *byte == b'-').map(<[u8]>::len);
    let sizes = (sizes.next(), sizes.next(), sizes.next(), sizes.next());
    matches!(sizes, (Some(4), Some(1..=2), Some(1..=2), None) | (Some(1..=2), Some(1..=2), Some(4), None))
}

/// The bounds of the capitals and digits around a place, with single hyphens between them.
fn bounds(view: &View<'_>, digits: usize) -> Eval<(usize, usize)> {
    let inside = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let mut start = view.run_back(digits, LONGEST + 1, inside);
    let mut end = view.run(digits, LONGEST + 1, inside)?;
    for _ in 0..3 {
        if view.before(start) == Some(b'-') && view.before(start - 1).is_some_and(inside) {
            start = view.run_back(start - 1, LONGEST + 1, inside);
        }
        if view.at(end)? == Some(b'-') && view.at(end + 1)?.is_some_and(inside) {
            end = view.run(end + 1, LONGEST + 1, inside)?;
        }
    }
    Ok((start, end))
}

/// A line of a passport or card as machines read it (ICAO Doc 9303): the seven digits are the birth date and its check
/// digit; sex, the date of expiry and its check digit follow. In passports the document's number stands before.
pub(super) fn machine_readable(said: &Said<'_, '_>, birth: usize, end: usize) -> Eval<Option<(usize, usize)>> {
    let view = said.view;
    let inside = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<';
    if !matches!(view.at(end)?, Some(b'M' | b'F' | b'X' | b'<')) {
        return Ok(None);
    }
    let stop = view.run(birth, 44, inside)?;
    let line = view.slice(birth, stop);
    if !checked(line.get(..7)) || !checked(line.get(8..15)) {
        return Ok(None);
    }
    // Number, its check digit and the nationality.
    let start = birth.checked_sub(13).filter(|start| checked(Some(view.slice(*start, start + 10))));
    let start = start.filter(|start| view.slice(*start, birth).iter().all(|byte| inside(*byte)));
    let start = start.unwrap_or(birth);
    Ok((view.opens(start) && view.before(start) != Some(b'<')).then_some((start, stop)))
}

/// Whether the last byte is the check digit of those before it: weights 7-3-1, letters from ten on.
fn checked(field: Option<&[u8]>) -> bool {
    const WEIGHTS: [u32; 9] = [7, 3, 1, 7, 3, 1, 7, 3, 1];
    let Some((check, number)) = field.and_then(<[u8]>::split_last) else {
        return false;
    };
    let letters: u32 = number
        .iter()
        .zip(WEIGHTS)
        .filter(|(byte, _)| byte.is_ascii_uppercase())
        .map(|(byte, weight)| (u32::from(byte - b'A') + 10) * weight)
        .sum();
    check.is_ascii_digit() && (weighted(number, &WEIGHTS) + letters) % 10 == u32::from(check - b'0')
}
