//! Telephone numbers: international ones (ITU-T E.164), North American ones, and others by context.

use super::Match;
use super::number::{closes, continues, opens};
use crate::Detector;
use crate::context::{Said, Topic, speaks_of};
use crate::finding::Confidence;
use crate::view::{Eval, View};

/// The most digits a number has (E.164, section 6.1).
const MOST: usize = 15;

/// How many digits a number has that is called a telephone's.
const NAMED: std::ops::RangeInclusive<usize> = 7..=13;

/// Country codes of three digits, by the first two of them; `20`, `27` and alike are codes of two.
const THREE: &[&[u8; 2]] = &[
    b"21", b"22", b"23", b"24", b"25", b"26", b"29", b"35", b"37", b"38", b"42", b"50", b"59", b"67", b"68", b"69",
    b"80", b"85", b"87", b"88", b"96", b"97", b"99",
];
/// And those of two.
const TWO: &[&[u8; 2]] = &[
    b"20", b"27", b"30", b"31", b"32", b"33", b"34", b"36", b"39", b"40", b"41", b"43", b"44", b"45", b"46", b"47",
    b"48", b"49", b"51", b"52", b"53", b"54", b"55", b"56", b"57", b"58", b"60", b"61", b"62", b"63", b"64", b"65",
    b"66", b"81", b"82", b"84", b"86", b"90", b"91", b"92", b"93", b"94", b"95", b"98",
];

/// Digits with what stands between them.
struct Groups {
    digits: [u8; MOST],
    length: usize,
    /// Sizes of the groups.
    sizes: [usize; MOST],
    groups: usize,
}

/// The number behind the `+` at `plus`.
pub(super) fn international(view: &View<'_>, plus: usize) -> Eval<Option<Match>> {
    // Behind a mask the sign may have been a blank of a form.
    if matches!(view.slice(plus.saturating_sub(2), plus), [.., b']'] | [b']', b'"']) {
        return Ok(None);
    }
    let said = speaks_of(view, plus, Topic::Phone);
    let end = longest(view, plus + 1, |groups| {
        let digits = groups.digits.get(..groups.length).unwrap_or_default();
        in_world(digits, said)
    })?;
    let confidence = if said { Confidence::High } else { Confidence::Medium };
    Ok(end.map(|end| Match::new(Detector::Phone, confidence, plus, end)))
}

/// The number whose first group of digits is between two positions.
pub(super) fn national(said: &Said<'_, '_>, digits: usize, last: usize) -> Eval<Option<Match>> {
    let view = said.view;
    if continues(view, digits) || !opens(view, digits) || view.before(digits) == Some(b'+') {
        return Ok(None);
    }
    let start = digits - usize::from(view.before(digits) == Some(b'('));
    if !view.at(last)?.is_some_and(in_gap) {
        // One group of digits.
        let named = NAMED.contains(&(last - digits)) && closes(view, last)? && said.of(start, Topic::Phone);
        return Ok(named.then(|| Match::new(Detector::Phone, Confidence::Medium, start, last)));
    }
    let (mut american, mut named) = (None, None);
    each_end(view, digits, |groups, end| {
        // Where the area is in brackets, or groups are of three, three and four.
        let is_american = groups.are_american();
        let is_named = NAMED.contains(&groups.length) && groups.groups <= 6;
        if (is_american || is_named) && closes(view, end)? {
            american = if is_american { Some(end) } else { american };
            named = if is_named { Some(end) } else { named };
        }
        Ok(())
    })?;
    if let Some(end) = american {
        let separated = !view.slice(start, end).contains(&b' ') || start < digits;
        let said = said.of(start, Topic::Phone);
        if said || separated {
            let confidence = if said { Confidence::High } else { Confidence::Medium };
            return Ok(Some(Match::new(Detector::Phone, confidence, start, end)));
        }
    }
    let named = named.filter(|_| said.of(start, Topic::Phone));
    Ok(named.map(|end| Match::new(Detector::Phone, Confidence::Medium, start, end)))
}

/// The number of two groups with the point given between them.
pub(super) fn decimal(said: &Said<'_, '_>, start: usize, (point, end): (usize, usize)) -> Eval<Option<Match>> {
    let view = said.view;
    let may_be = NAMED.contains(&(end - start - 1))
        && opens(view, start)
        && !continues(view, start)
        && view.before(start) != Some(b'+');
    if !may_be || point == start || !closes(view, end)? {
        return Ok(None);
    }
    let from = start - usize::from(view.before(start) == Some(b'('));
    let named = said.of(from, Topic::Phone);
    Ok(named.then(|| Match::new(Detector::Phone, Confidence::Medium, from, end)))
}

impl Groups {
    fn are_american(&self) -> bool {
        let digits = self.digits.get(..self.length).unwrap_or_default();
        match self.sizes.get(..self.groups).unwrap_or_default() {
            [3, 3, 4] => in_north_america(digits),
            [1, 3, 3, 4] => digits.strip_prefix(b"1").is_some_and(in_north_america),
            _ => false,
        }
    }
}

/// The end of the longest number from `from` on, at the end of one of its groups, of which `right` holds.
fn longest(view: &View<'_>, from: usize, right: impl Fn(&Groups) -> bool) -> Eval<Option<usize>> {
    let mut found = None;
    each_end(view, from, |groups, end| {
        if right(groups) && closes(view, end)? {
            found = Some(end);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Tells of each group of the number from `from` on, with those before it, and where it ends.
fn each_end(view: &View<'_>, from: usize, mut told: impl FnMut(&Groups, usize) -> Eval<()>) -> Eval<()> {
    let mut groups = Groups { digits: [0; MOST], length: 0, sizes: [0; MOST], groups: 0 };
    let mut position = from;
    loop {
        let end = view.run(position, MOST + 1, |byte| byte.is_ascii_digit())?;
        let size = end - position;
        if size == 0 || groups.length + size > MOST {
            return Ok(());
        }
        for (slot, digit) in groups.digits.iter_mut().skip(groups.length).zip(view.slice(position, end)) {
            *slot = *digit;
        }
        if let Some(slot) = groups.sizes.get_mut(groups.groups) {
            *slot = size;
        }
        groups.length += size;
        groups.groups += 1;
        told(&groups, end)?;
        // One sign, or one with a bracket: `) `, ` (`, `)-`.
        let gap = view.run(end, 3, in_gap)?;
        let bracket = view.slice(end, gap).iter().any(|byte| matches!(byte, b'(' | b')'));
        if gap == end || gap - end > 1 + usize::from(bracket) {
            return Ok(());
        }
        position = gap;
    }
}

/// Whether a byte may stand between groups.
fn in_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'-'..=b'/' | b'(' | b')')
}

/// Whether digits are a country code and as many more as numbers have: of small countries few, where a word says what they are.
fn in_world(digits: &[u8], said: bool) -> bool {
    if let Some(american) = digits.strip_prefix(b"1") {
        return in_north_america(american);
    }
    if let Some(russian) = digits.strip_prefix(b"7") {
        return russian.len() == 10;
    }
    let Some(code) = digits.first_chunk::<2>() else {
        return false;
    };
    let least = if said { 7 } else { 9 };
    TWO.contains(&code) && (9..=13).contains(&digits.len())
        || THREE.contains(&code) && (least..=13).contains(&digits.len())
}

/// Area and exchange do not begin with 0 or 1, and are no service's (211, 911).
fn in_north_america(digits: &[u8]) -> bool {
    let part =
        |at: usize| matches!(digits.get(at..at + 3), Some([b'2'..=b'9', one, other]) if (*one, *other) != (b'1', b'1'));
    digits.len() == 10 && part(0) && part(3)
}
