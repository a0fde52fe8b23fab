//! Names of parts as findings say them.

use crate::stream::Content;
use crate::{Profile, masked};

/// The longest name that is said.
const LONGEST: usize = 64;

/// A name that an agent gave, fit for the record: what detectors know in it masked, cut, and without the
/// characters that paths are made of.
pub(crate) fn label(content: &Content, name: &str) -> String {
    let all = Profile { redact: content.profile.detectors(), ..Profile::NONE };
    let said = masked(&all, name);
    let plain = said.chars().map(|character| match character {
        '!' | '~' => '_',
        character if character.is_control() => '_',
        character => character,
    });
    plain.take(LONGEST).collect()
}
