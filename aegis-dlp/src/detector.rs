//! The kinds of sensitive data Aegis knows, and sets of them as policies name them.

mod catalogue;
mod group;
mod set;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use catalogue::Detector;
pub use group::Group;
pub use set::DetectorSet;

use crate::own::OwnName;

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A policy named a detector or group that does not exist.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown detector {name:?}; known are {}, and the groups pii, secrets, all, {}", known(), groups())]
pub struct UnknownDetector {
    /// The name as it was given.
    pub name: String,
}

fn known() -> String {
    Detector::ALL.map(Detector::name).join(", ")
}

fn groups() -> String {
    Group::ALL.map(Group::name).join(", ")
}

impl Detector {
    /// The built-in detector of this name.
    pub fn built_in(name: &str) -> Option<Detector> {
        Detector::ALL.into_iter().find(|detector| detector.name() == name)
    }

    /// Whether a group has this name.
    pub(crate) fn is_group(name: &str) -> bool {
        matches!(name, "pii" | "secrets" | "all" | "own") || Group::ALL.into_iter().any(|group| group.name() == name)
    }
}

impl FromStr for Detector {
    type Err = UnknownDetector;

    /// A built-in detector, or one that a policy of this process has declared.
    fn from_str(name: &str) -> Result<Self, UnknownDetector> {
        let found = Detector::built_in(name).or_else(|| OwnName::find(name).map(Detector::Own));
        found.ok_or_else(|| UnknownDetector { name: name.to_owned() })
    }
}

impl Serialize for Detector {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Detector {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Not borrowed: the name may come with escapes, or out of a value.
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for detector in Detector::ALL {
            assert_eq!(detector.name().parse::<Detector>().unwrap(), detector);
            let json = serde_json::to_value(detector).unwrap();
            assert_eq!(json, detector.name());
            assert_eq!(serde_json::from_value::<Detector>(json).unwrap(), detector);
            assert!(DetectorSet::parse(detector.name()).unwrap().contains(detector));
        }
    }

    #[test]
    fn masks_are_unmistakable() {
        for (number, detector) in Detector::ALL.into_iter().enumerate() {
            let inside = detector.mask().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap();
            assert!(inside.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{detector}");
            assert!(Detector::ALL[..number].iter().all(|other| other.mask() != detector.mask()), "{detector}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_and_the_known_ones_listed() {
        let refused = DetectorSet::parse("sssn").unwrap_err().to_string();
        assert!(refused.contains("sssn") && refused.contains("date_of_birth"), "{refused}");
        assert!(serde_json::from_str::<Detector>("\"sssn\"").is_err());
    }
}
