//! Names of a tenant's own detectors: few, and known for as long as the process lives.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::Detector;

/// The longest name, in bytes.
const LONGEST: usize = 48;

/// The name of a tenant's own detector: small enough to be copied about, and to be a bit in a set.
///
/// A process keeps every name it was ever given, at most [`OwnName::MOST`] of them.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct OwnName(u8);

/// A name that no detector may have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OwnNameError {
    /// Not of letters, digits and `_`.
    #[error("{0:?} is no name of a detector: write 2 to 48 of a-z, 0-9 and _, beginning with a letter")]
    Malformed(String),
    /// Aegis has one of that name, or a group.
    #[error("{0:?} is the name of a built-in detector or group: choose another")]
    BuiltIn(String),
    /// Too many.
    #[error("no place for {0:?}: {most} names of own detectors are in use since the daemon started; use some of them again, or restart it", most = OwnName::MOST)]
    Full(String),
}

struct Known {
    name: &'static str,
    mask: &'static str,
}

static KNOWN: [OnceLock<Known>; OwnName::MOST] = [const { OnceLock::new() }; OwnName::MOST];
/// Held by who adds a name; readers take no lock.
static ADDING: Mutex<()> = Mutex::new(());

impl OwnName {
    /// Names that a process can know.
    pub const MOST: usize = 256;

    /// The name, known from now on.
    ///
    /// # Errors
    /// It is malformed or built in, or there are too many.
    pub fn intern(name: &str) -> Result<OwnName, OwnNameError> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let formed = (2..=LONGEST).contains(&name.len())
            && name.bytes().all(letters)
            && name.starts_with(|first: char| first.is_ascii_lowercase());
        if !formed {
            return Err(OwnNameError::Malformed(name.chars().take(LONGEST).collect()));
        }
        if Detector::built_in(name).is_some() || Detector::is_group(name) {
            return Err(OwnNameError::BuiltIn(name.to_owned()));
        }
        // What it guards is whole at any time: a panic of another leaves nothing half done.
        let _adding = ADDING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = OwnName::find(name) {
            return Ok(known);
        }
        let free = KNOWN.iter().position(|slot| slot.get().is_none());
        let (Some(slot), Some(Ok(number))) = (free.and_then(|free| KNOWN.get(free)), free.map(u8::try_from)) else {
            return Err(OwnNameError::Full(name.to_owned()));
        };
        // Kept for good, and therefore bounded in number.
        let mask = format!("[{}]", name.to_ascii_uppercase()).leak();
        slot.get_or_init(|| Known { name: name.to_owned().leak(), mask });
        Ok(OwnName(number))
    }

    /// The name if it is known.
    pub fn find(name: &str) -> Option<OwnName> {
        OwnName::all().find(|known| known.name() == name)
    }

    /// Every name that is known.
    pub fn all() -> impl Iterator<Item = OwnName> {
        KNOWN.iter().zip(0..=u8::MAX).take_while(|(slot, _)| slot.get().is_some()).map(|(_, number)| OwnName(number))
    }

    /// A number of its own, less than [`OwnName::MOST`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.known().map_or("", |known| known.name)
    }

    /// The name as a mask: `[CUSTOMER_ID]`.
    pub fn mask(self) -> &'static str {
        self.known().map_or("[]", |known| known.mask)
    }

    fn known(self) -> Option<&'static Known> {
        KNOWN.get(self.index()).and_then(OnceLock::get)
    }
}

impl fmt::Debug for OwnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once() {
        let one = OwnName::intern("name_test_one").unwrap();
        assert_eq!(OwnName::intern("name_test_one").unwrap(), one);
        assert_eq!((one.name(), one.mask()), ("name_test_one", "[NAME_TEST_ONE]"));
        assert_eq!(OwnName::find("name_test_one"), Some(one));
        assert_eq!(OwnName::find("name_test_other"), None);
        assert_ne!(OwnName::intern("name_test_two").unwrap(), one);
    }

    #[test]
    fn names_that_none_may_have() {
        for name in ["", "a", "1a", "_a", "a b", "Ab", "a-b", &"a".repeat(49), "é_id"] {
            assert!(matches!(OwnName::intern(name), Err(OwnNameError::Malformed(_))), "{name:?}");
        }
        for name in ["ssn", "pii", "all", "secrets", "national_id"] {
            assert!(matches!(OwnName::intern(name), Err(OwnNameError::BuiltIn(_))), "{name:?}");
        }
    }
}
