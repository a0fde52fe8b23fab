//! From digits to the number they may be part of.

mod checks;
mod float;
mod further;
mod kinds;
mod national;

use super::{Match, card, date, iban, network, phone, place, ssn, travel};
use crate::context::{Said, Topic, Topics};
use crate::finding::Confidence;
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

pub(super) use checks::weighted;
pub(super) use kinds::date_of;

/// Runs longer than any number of interest need not be measured further.
const LONGEST: usize = 20;

/// What a number may be said to be: what stands before it in the list of topics. Behind it come secrets.
const NUMBERS: Topics = Topics::up_to(Topic::Iban);

/// The match that the digits at `start` belong to; `long` where there are at least four.
pub(super) fn examine(view: &View<'_>, start: usize, long: bool, wanted: DetectorSet) -> Eval<Option<Match>> {
    let end = view.run(start, LONGEST, |byte| byte.is_ascii_digit())?;
    if !stands_alone(view, start, end) {
        return Ok(None);
    }
    let said = Said::new(view);
    if needs_word(view, start, end) {
        // Four digits are too few for any kind, but for the year of a date.
        let few = end - start == 4 && view.seen(end) != Some(b'-');
        if few || !said.any(start, NUMBERS) {
            return Ok(None);
        }
    }
    if let Some(last) = decimal(view, end)? {
        return match float::examine(&said, start, (end, last), wanted)? {
            None => decimal_at(&said, start, (end, last), wanted),
            found => Ok(found),
        };
    }
    if matches!(view.seen(end), Some(b'e' | b'E'))
        && let Some(found) = float::examine(&said, start, (end, end), wanted)?
    {
        return Ok(Some(found));
    }
    // Of so many digits are old cards, too: a word before them says more.
    let kinds_first = end - start == 13;
    if kinds_first && let Some(found) = kinds::examine(&said, start, end - start, wanted)? {
        return Ok(Some(found));
    }
    if long {
        for (detector, confidence, attempt) in attempts(end - start) {
            if wanted.contains(*detector)
                && let Some((start, end)) = attempt(&said, start, end)?
            {
                return Ok(Some(Match::new(*detector, *confidence, start, end)));
            }
        }
    }
    if end - start == 1
        && wanted.contains(Detector::PaymentCard)
        && let Some((start, end)) = card::spelled(&said, start)?
    {
        return Ok(Some(Match::new(Detector::PaymentCard, Confidence::High, start, end)));
    }
    if end - start <= 2
        && wanted.contains(Detector::DateOfBirth)
        && let Some((start, end)) = date::short(&said, start, end)?
    {
        return Ok(Some(Match::new(Detector::DateOfBirth, Confidence::Medium, start, end)));
    }
    if !kinds_first && let Some(found) = kinds::examine(&said, start, end - start, wanted)? {
        return Ok(Some(found));
    }
    if wanted.intersects(travel::DETECTORS)
        && let Some(found) = travel::named(&said, start, end, wanted)?
    {
        return Ok(Some(found));
    }
    if wanted.contains(Detector::IpAddress)
        && let Some(found) = network::version_4(view, start)?
    {
        return Ok(Some(found));
    }
    if wanted.contains(Detector::Geo)
        && let Some(found) = place::examine(&said, start)?
    {
        return Ok(Some(found));
    }
    if wanted.contains(Detector::Phone) { phone::national(&said, start, end) } else { Ok(None) }
}

/// The end of the decimal number whose point is at a position: digits behind it, and nothing that more groups of a number could
/// follow. Most numbers of tables and vectors are such.
fn decimal(view: &View<'_>, point: usize) -> Eval<Option<usize>> {
    if view.seen(point) != Some(b'.') {
        return Ok(None);
    }
    let end = view.run(point + 1, LONGEST, |byte| byte.is_ascii_digit())?;
    let goes_on = |byte: u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-'..=b'/' | b'(' | b')');
    let ends = end > point + 1 && !view.at(end)?.is_some_and(goes_on);
    Ok(ends.then_some(end))
}

/// The end of a whole number whose digits end at a position: behind a point and zeros, which a float has.
pub(super) fn whole_end(view: &View<'_>, end: usize) -> Eval<usize> {
    if view.at(end)? != Some(b'.') {
        return Ok(end);
    }
    let zeros = view.run(end + 1, LONGEST, |byte| byte == b'0')?;
    let whole = zeros > end + 1 && !view.at(zeros)?.is_some_and(|byte| byte.is_ascii_digit());
    Ok(if whole { zeros } else { end })
}

/// What a decimal number may be, of which the point and the end are given.
fn decimal_at(
    said: &Said<'_, '_>,
    start: usize,
    (point, end): (usize, usize),
    wanted: DetectorSet,
) -> Eval<Option<Match>> {
    if wanted.contains(Detector::Geo)
        && let Some(found) = place::examine(said, start)?
    {
        return Ok(Some(found));
    }
    if wanted.contains(Detector::Phone) { phone::decimal(said, start, (point, end)) } else { Ok(None) }
}

/// Whether the run of digits between two positions is a number by itself, of a length of which none is found unless a word
/// says what it is: most numbers of records and of texts are such.
fn needs_word(view: &View<'_>, start: usize, end: usize) -> bool {
    let alone = |byte: u8| matches!(byte, b'"' | b'\'' | b',' | b':' | b';' | b'=' | b'&' | b'\n' | b'\r');
    let opens = match view.before(start) {
        // No group of a number. Four digits may be the year of a date in words.
        Some(b' ') => {
            let behind_word = view.before(start - 1).is_some_and(|byte| byte.is_ascii_lowercase() || alone(byte));
            behind_word && (end - start != 4 || !date::may_end(view, start))
        }
        Some(byte) => alone(byte) || matches!(byte, b'[' | b'{' | b'>' | b'|'),
        None => true,
    };
    let closes = match view.seen(end) {
        Some(b' ') => view.seen(end + 1).is_some_and(|byte| byte.is_ascii_alphabetic()),
        Some(b'.') => view.seen(end + 1).is_some_and(|byte| matches!(byte, b' ' | b'"' | b'\n' | b'\r')),
        // Behind seven digits a `<` may be of a line that machines read.
        Some(b'<') => end - start != 7,
        // A date: no number in groups is written so.
        Some(b'-') => match view.slice(end + 1, end + 7) {
            &[a, b, b'-', c, d, after] => {
                let digits = [a, b, c, d].iter().all(u8::is_ascii_digit);
                end - start == 4 && digits && !after.is_ascii_digit() && after != b'-'
            }
            _ => false,
        },
        Some(byte) => alone(byte) || matches!(byte, b']' | b'}' | b'|'),
        None => true,
    };
    opens && closes && matches!(end - start, 4..=10 | 12)
}

/// Whether a number of so many digits in a row may go on with a small letter, of which the byte behind it is given as well. No kind
/// has one behind its first group, but where somebody wrote its last one so, or a code of which the clue is all of it (`1eg4`);
/// besides it may be the `e` of an exponent.
pub(crate) fn may_go_on(digits: usize, letter: u8, next: Option<u8>) -> bool {
    match digits {
        1 => true,
        6..=9 | 17 if !next.is_some_and(|byte| byte.is_ascii_alphanumeric()) => true,
        float::FEWEST.. => letter == b'e' && next.is_none_or(|byte| matches!(byte, b'+' | b'-' | b'0'..=b'9')),
        _ => false,
    }
}

/// Whether the run of digits between two positions may belong to a number of any kind, by nothing but the bytes beside it:
/// most digits are parts of hashes, names and decimals.
fn stands_alone(view: &View<'_>, start: usize, end: usize) -> bool {
    let after = view.seen(end);
    if let Some(letter @ b'a'..=b'z') = after
        && !may_go_on(end - start, letter, view.seen(end + 1))
    {
        return false;
    }
    match view.before(start) {
        Some(b'a'..=b'z') => view.opens(start) || travel::small_lead(view.slice(0, start), end - start).is_some(),
        // Behind the point of a decimal: the year of a date, or a line that machines read.
        Some(b'.') if view.before(start - 1).is_some_and(|byte| byte.is_ascii_digit()) => match end - start {
            4 => true,
            7 => matches!(after, Some(b'M' | b'F' | b'X' | b'<')),
            _ => false,
        },
        _ => true,
    }
}

/// What a run of so many digits may be or belong to.
fn attempts(digits: usize) -> &'static [(Detector, Confidence, Attempt)] {
    const IBAN: (Detector, Confidence, Attempt) = (Detector::Iban, Confidence::High, iban::around);
    match digits {
        4 => &[
            IBAN,
            (Detector::PaymentCard, Confidence::High, card::grouped),
            (Detector::Ssn, Confidence::Medium, ssn::separated),
            (Detector::DateOfBirth, Confidence::Medium, date::written),
        ],
        7 => &[IBAN, (Detector::Passport, Confidence::High, travel::machine_readable)],
        8 => &[IBAN, (Detector::DateOfBirth, Confidence::Medium, date::compact)],
        9 => &[IBAN, (Detector::Ssn, Confidence::Medium, ssn::bare)],
        12..=19 => &[IBAN, (Detector::PaymentCard, Confidence::High, card::contiguous)],
        _ => &[IBAN],
    }
}

/// Tries to make a number of the run of digits between two positions; gives the bounds of the number.
type Attempt = fn(&Said<'_, '_>, usize, usize) -> Eval<Option<(usize, usize)>>;

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
        Some(b'-' | b'.') if view.before(end).is_some_and(|byte| byte.is_ascii_digit()) => {
            !view.at(end + 1)?.is_some_and(|byte| byte.is_ascii_digit())
        }
        _ => true,
    })
}

/// Whether what stands before is a group of digits of the same number or table.
pub(super) fn continues(view: &View<'_>, start: usize) -> bool {
    view.before(start).is_some_and(|byte| matches!(byte, b' ' | b'-' | b'.' | b'/'))
        && view.before(start - 1).is_some_and(|byte| byte.is_ascii_digit())
}

/// The value of a short run of digits.
#[inline]
pub(super) fn value(digits: &[u8]) -> Option<u32> {
    let add = |sum: u32, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'));
    if digits.len() > 8 { None } else { digits.iter().try_fold(0, add) }
}
