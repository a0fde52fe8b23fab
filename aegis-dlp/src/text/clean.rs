//! Short texts that were looked through a moment ago and had nothing in them: clients send the same header fields with
//! every request. Only the answer is saved, and only where the whole text, the detectors and all that they were told are
//! the same.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use crate::profile::Details;
use crate::view::Encoding;
use crate::{DetectorSet, Profile};

/// Texts that each thread remembers, and the longest of them in bytes: 128 KB in all.
const TEXTS: usize = 256;
const LONGEST: usize = 512;

thread_local! {
    static CLEAN: RefCell<Vec<Option<Clean>>> = const { RefCell::new(Vec::new()) };
}

struct Clean {
    asked: Asked,
    /// The name of the field, and behind it its value.
    text: String,
    name: usize,
}

impl Clean {
    fn is(&self, name: &str, text: &str) -> bool {
        self.name == name.len() && self.text.split_at_checked(self.name) == Some((name, text))
    }
}

/// What a text was looked through for.
struct Asked {
    wanted: DetectorSet,
    encoding: Encoding,
    /// A weak pointer keeps its address from being used again: other details are never taken for these.
    details: Option<Weak<Details>>,
}

impl Asked {
    fn of(profile: &Profile, encoding: Encoding) -> Asked {
        let details = profile.details.as_ref().map(Arc::downgrade);
        Asked { wanted: profile.detectors(), encoding, details }
    }

    fn is(&self, profile: &Profile, encoding: Encoding) -> bool {
        let same = match (&self.details, &profile.details) {
            (Some(then), Some(now)) => std::ptr::eq(then.as_ptr(), Arc::as_ptr(now)),
            (None, None) => true,
            _ => false,
        };
        same && self.encoding == encoding && self.wanted == profile.detectors()
    }
}

/// Whether this text is remembered to have nothing in it.
pub(super) fn is_known(profile: &Profile, encoding: Encoding, name: &str, text: &str) -> bool {
    let found = |clean: &Clean| clean.asked.is(profile, encoding) && clean.is(name, text);
    let known = |texts: &RefCell<Vec<Option<Clean>>>| {
        let texts = texts.try_borrow().ok()?;
        texts.get(slot(name, text))?.as_ref().map(found)
    };
    name.len() + text.len() <= LONGEST && CLEAN.try_with(known).ok().flatten() == Some(true)
}

/// Remembers that this text has nothing in it, in the place of another one.
pub(super) fn remember(profile: &Profile, encoding: Encoding, name: &str, text: &str) {
    // Where nobody looked for secrets the text may be one: it is not kept.
    if name.len() + text.len() > LONGEST || !DetectorSet::SECRETS.difference(profile.detectors()).is_empty() {
        return;
    }
    let keep = |texts: &RefCell<Vec<Option<Clean>>>| {
        let Ok(mut texts) = texts.try_borrow_mut() else { return };
        if texts.is_empty() {
            texts.resize_with(TEXTS, || None);
        }
        if let Some(slot) = texts.get_mut(slot(name, text)) {
            let (asked, text) = (Asked::of(profile, encoding), [name, text].concat());
            *slot = Some(Clean { asked, text, name: name.len() });
        }
    };
    // A thread that ends remembers nothing any more.
    let _ = CLEAN.try_with(keep);
}

/// Where a text is remembered. Whoever makes texts meet there only has them looked through again.
fn slot(name: &str, text: &str) -> usize {
    let mixed = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let hash = [name, text].iter().fold(text.len() as u64, |hash, part| {
        let (words, rest) = part.as_bytes().as_chunks::<8>();
        let hash = words.iter().fold(hash, |hash, word| mixed(hash, u64::from_le_bytes(*word)));
        rest.iter().fold(hash, |hash, byte| mixed(hash, u64::from(*byte)))
    });
    // The upper bits are mixed best.
    usize::try_from(hash >> 32).unwrap_or_default() % TEXTS
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Detector, Place, scan_field, scan_text};

    fn details(nesting: u8) -> Option<Arc<Details>> {
        let mut details = Details::default();
        details.content.nesting = nesting;
        Some(Arc::new(details))
    }

    #[test]
    fn a_text_is_known_for_what_it_was_looked_through_for_and_nothing_else() {
        let text = "application/json; charset=utf-8";
        let all = Profile::redacting(DetectorSet::ALL);
        assert!(!is_known(&all, Encoding::Plain, "", text));
        assert!(scan_text(&all, Place::Url, text).findings.is_empty());
        assert!(is_known(&all, Encoding::Plain, "", text));
        assert!(!is_known(&all, Encoding::Percent, "", text));
        assert!(!is_known(&all, Encoding::Plain, "", &text[1..]));
        let fewer = Profile::redacting(DetectorSet::ALL.difference(Detector::Email.into()));
        let otherwise = Profile { details: details(1), ..all.clone() };
        for other in [&fewer, &otherwise, &Profile { details: details(1), ..all.clone() }] {
            assert!(!is_known(other, Encoding::Plain, "", text));
            remember(other, Encoding::Plain, "", text);
            assert!(is_known(other, Encoding::Plain, "", text));
            assert!(!is_known(&all, Encoding::Plain, "", text), "the place is the other one's now");
        }
    }

    #[test]
    fn a_value_is_known_for_its_field_alone() {
        let all = Profile::redacting(DetectorSet::ALL);
        let place = || Place::Header("x".into());
        for name in ["x-id", "x-ssn", "x-idx"] {
            assert!(!is_known(&all, Encoding::Plain, name, "523456789"));
        }
        assert!(scan_field(&all, place(), "x-id", "523456789").findings.is_empty());
        assert!(is_known(&all, Encoding::Plain, "x-id", "523456789"));
        assert!(!is_known(&all, Encoding::Plain, "x-i", "d523456789"));
        for _ in 0..2 {
            assert_eq!(scan_field(&all, place(), "x-ssn", "523456789").text, "[SSN]");
        }
    }

    #[test]
    fn details_at_the_address_of_older_ones_are_not_taken_for_them() {
        let text = "an ordinary text";
        let profile = |nesting| Profile { details: details(nesting), ..Profile::redacting(DetectorSet::ALL) };
        for nesting in 0..100 {
            let profile = profile(nesting);
            assert!(!is_known(&profile, Encoding::Plain, "", text), "{nesting}");
            remember(&profile, Encoding::Plain, "", text);
        }
    }

    #[test]
    fn what_has_something_in_it_is_found_every_time_and_what_may_be_a_secret_is_not_kept() {
        let all = Profile::redacting(DetectorSet::ALL);
        for _ in 0..3 {
            assert_eq!(scan_text(&all, Place::Url, "ssn 536-22-8741").text, "ssn [SSN]");
        }
        let personal = Profile::redacting(DetectorSet::PII);
        remember(&personal, Encoding::Plain, "", "Bearer of a key that nobody looked for");
        assert!(!is_known(&personal, Encoding::Plain, "", "Bearer of a key that nobody looked for"));
        let long = "a".repeat(LONGEST + 1);
        remember(&all, Encoding::Plain, "", &long);
        assert!(!is_known(&all, Encoding::Plain, "", &long));
    }
}
