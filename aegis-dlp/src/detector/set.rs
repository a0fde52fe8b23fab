//! Sets of detectors.

use std::fmt;
use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::catalogue::MOST_BUILT_IN;
use super::{Detector, Group, UnknownDetector};
use crate::own::OwnName;

/// Bits of a word.
const WORD: usize = u64::BITS as usize;
/// The built-in ones and a tenant's own.
const WORDS: usize = (MOST_BUILT_IN + OwnName::MOST).div_ceil(WORD);

/// A set of detectors.
#[derive(Copy, Clone, Default, Eq, PartialEq, Hash)]
pub struct DetectorSet([u64; WORDS]);

#[allow(
    clippy::indexing_slicing,
    reason = "a word's number is a bit's by the width, and every bit is below the sum of both kinds; const fn has no get"
)]
impl DetectorSet {
    /// The empty set.
    pub const EMPTY: DetectorSet = DetectorSet([0; WORDS]);
    /// What identifies or concerns a person: group `pii`.
    pub const PII: DetectorSet = DetectorSet::of(true, false);
    /// Credentials: group `secrets`.
    pub const SECRETS: DetectorSet = DetectorSet::of(false, true);
    /// Both: group `all`. Neither a tenant's own nor those that must be asked for by name are in it.
    pub const ALL: DetectorSet = DetectorSet::of(true, true);

    const fn of(personal: bool, secret: bool) -> DetectorSet {
        let mut set = DetectorSet::EMPTY;
        let mut number = 0;
        while number < Detector::ALL.len() {
            let detector = Detector::ALL[number];
            if let Some(group) = detector.group()
                && (personal && group.is_personal() || secret && group.is_secret())
            {
                set = set.with(detector);
            }
            number += 1;
        }
        set
    }

    /// The set a policy names: one detector, or a group (`pii`, `secrets`, `all`, or a [`Group`]).
    ///
    /// # Errors
    /// The name is neither.
    pub fn parse(name: &str) -> Result<DetectorSet, UnknownDetector> {
        match name {
            "pii" => Ok(DetectorSet::PII),
            "secrets" => Ok(DetectorSet::SECRETS),
            "all" => Ok(DetectorSet::ALL),
            _ => match Group::ALL.into_iter().find(|group| group.name() == name) {
                Some(group) => Ok(group.set()),
                None => name.parse::<Detector>().map(DetectorSet::from),
            },
        }
    }

    /// Whether `detector` is in the set.
    #[inline(always)]
    pub const fn contains(self, detector: Detector) -> bool {
        let bit = detector.number();
        self.0[bit / WORD] >> (bit % WORD) & 1 == 1
    }

    /// The set with `detector`.
    #[must_use]
    pub const fn with(mut self, detector: Detector) -> DetectorSet {
        let bit = detector.number();
        self.0[bit / WORD] |= 1 << (bit % WORD);
        self
    }

    /// Adds `detector`.
    pub fn insert(&mut self, detector: Detector) {
        *self = self.with(detector);
    }

    /// All that is in either set.
    #[must_use]
    pub const fn union(mut self, other: DetectorSet) -> DetectorSet {
        let mut word = 0;
        while word < WORDS {
            self.0[word] |= other.0[word];
            word += 1;
        }
        self
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn difference(mut self, other: DetectorSet) -> DetectorSet {
        let mut word = 0;
        while word < WORDS {
            self.0[word] &= !other.0[word];
            word += 1;
        }
        self
    }

    /// Whether the sets share a detector.
    pub const fn intersects(self, other: DetectorSet) -> bool {
        let mut word = 0;
        while word < WORDS {
            if self.0[word] & other.0[word] != 0 {
                return true;
            }
            word += 1;
        }
        false
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        !self.intersects(self)
    }
}

impl DetectorSet {
    /// The detectors of the set: the built-in ones in the catalogue's order, then a tenant's own.
    pub fn iter(self) -> impl Iterator<Item = Detector> {
        let own = OwnName::all().map(Detector::Own);
        Detector::ALL.into_iter().chain(own).filter(move |detector| self.contains(*detector))
    }

    /// As few names as say it, each as [`parse`](Self::parse) takes it: groups that are in it as a whole, then single detectors. What
    /// a group stands for is known by the [`catalogue`](Self::catalogue).
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        static GROUPS: LazyLock<Vec<(&str, DetectorSet)>> = LazyLock::new(|| {
            let whole = [("all", DetectorSet::ALL), ("pii", DetectorSet::PII), ("secrets", DetectorSet::SECRETS)];
            whole.into_iter().chain(Group::ALL.map(|group| (group.name(), group.set()))).collect()
        });
        let (mut names, mut left) = (Vec::new(), self);
        for (name, set) in GROUPS.iter() {
            if left.is_empty() {
                return names;
            }
            if set.difference(left).is_empty() {
                names.push(*name);
                left = left.difference(*set);
            }
        }
        names.extend(left.iter().map(Detector::name));
        names
    }

    /// Tells catalogues of built-in detectors apart: sixteen hexadecimal digits over their names and groups.
    pub fn catalogue() -> &'static str {
        static CATALOGUE: LazyLock<String> = LazyLock::new(|| {
            let mut hash = Sha256::new();
            for detector in Detector::ALL {
                let group = detector.group().map_or("", Group::name);
                hash.update(format!("{} {group}\n", detector.name()));
            }
            HEXLOWER.encode(hash.finalize().get(..8).unwrap_or_default())
        });
        &CATALOGUE
    }
}

impl From<Detector> for DetectorSet {
    fn from(detector: Detector) -> Self {
        DetectorSet::EMPTY.with(detector)
    }
}

impl FromIterator<Detector> for DetectorSet {
    fn from_iter<I: IntoIterator<Item = Detector>>(detectors: I) -> Self {
        detectors.into_iter().fold(DetectorSet::EMPTY, DetectorSet::with)
    }
}

impl fmt::Debug for DetectorSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_divide_the_built_in_ones() {
        let mut seen = DetectorSet::EMPTY;
        for group in Group::ALL {
            assert!(!seen.intersects(group.set()), "{}", group.name());
            assert!(!group.set().is_empty(), "{}", group.name());
            assert_eq!(DetectorSet::parse(group.name()).unwrap(), group.set());
            assert_eq!(DetectorSet::PII.intersects(group.set()), group.is_personal());
            assert_eq!(DetectorSet::SECRETS.intersects(group.set()), group.is_secret());
            seen = seen.union(group.set());
        }
        assert_eq!(seen.iter().collect::<Vec<_>>(), Detector::ALL);
        assert_eq!(DetectorSet::PII.union(DetectorSet::SECRETS), DetectorSet::ALL);
        assert!(!DetectorSet::PII.intersects(DetectorSet::SECRETS));
        assert_eq!(DetectorSet::parse("all").unwrap(), DetectorSet::ALL);
    }

    #[test]
    fn names_say_the_set_in_few_words() {
        let names = |set: DetectorSet| set.names();
        assert_eq!(names(DetectorSet::ALL), ["all"]);
        assert_eq!(names(DetectorSet::SECRETS.with(Detector::Email)), ["secrets", "email"]);
        assert!(names(DetectorSet::EMPTY).is_empty());
        let but_one = DetectorSet::ALL.difference(Detector::Email.into());
        for set in [DetectorSet::PII, but_one, Group::ALL[0].set().union(Group::ALL[1].set())] {
            let back: DetectorSet =
                set.names().iter().flat_map(|name| DetectorSet::parse(name).unwrap().iter()).collect();
            assert_eq!(back, set);
        }
        assert_eq!(DetectorSet::catalogue().len(), 16);
    }

    #[test]
    fn members_come_and_go() {
        let own = Detector::Own(OwnName::intern("set_test").unwrap());
        let set: DetectorSet = [Detector::Email, own].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Detector::Email, own]);
        assert!(set.contains(own) && !DetectorSet::ALL.contains(own));
        assert_eq!(set.difference(own.into()), Detector::Email.into());
        assert!(set.difference(set).is_empty() && !set.is_empty());
        assert_eq!(DetectorSet::parse("set_test").unwrap(), own.into());
        assert_eq!(format!("{set:?}"), "{Email, Own(set_test)}");
    }
}
