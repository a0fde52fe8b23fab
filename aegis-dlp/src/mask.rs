//! What stands in the place of a match.
//!
//! Every mask is `[NAME]` or `[NAME:...]` in letters, digits, `_`, `*`: nothing that JSON, XML, CSV or a header value would
//! escape. What it tells of the value is at most four characters, or letters of a keyed hash: no digits in a row that a
//! detector would take for a number of its own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Detector;

/// Characters of a value that [`Mask::KeepLast4`] keeps.
const KEPT: usize = 4;
/// The fewest letters and digits of a value of which some may be kept: of shorter ones they would tell too much.
const LONG: usize = 9;
/// Bytes of the keyed hash that a token shows: two values of a tenant meet by chance once in some 2^24 values.
const TOKEN: usize = 6;
/// The sixteen letters of a token. No vowels, so that no words come up, and no digits.
const LETTERS: [u8; 16] = *b"bcdfghjkmnpqrstv";

/// How a match is replaced.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub enum Mask {
    /// By what it was: `[SSN]`.
    #[default]
    Typed,
    /// By the same for all: `[REDACTED]`.
    Fixed,
    /// By what it was and its last four letters or digits: `[CARD:*1111]`. Shorter values are replaced as [`Mask::Typed`].
    KeepLast4,
    /// By what it was and a token that is the same for the same value of a tenant: `[SSN:kqbtrmhgvdcn]`.
    Token,
}

/// What a host makes the keys of its tenants with. Hosts that have the same one give the same values the same tokens.
#[derive(Clone)]
pub struct MaskSecret(Arc<Zeroizing<[u8; 32]>>);

/// The key of a tenant's tokens: who has it can tell which value a token stands for, by trying them.
#[derive(Clone)]
pub struct MaskKey(Arc<Zeroizing<[u8; 32]>>);

/// Masks by detector.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Masks {
    usual: Mask,
    /// Ascending by detector.
    by_detector: Vec<(Detector, Mask)>,
}

impl Mask {
    /// Every mask with the word for it in policies.
    pub const WORDS: [(&str, Mask); 4] =
        [("typed", Mask::Typed), ("fixed", Mask::Fixed), ("keep_last_4", Mask::KeepLast4), ("token", Mask::Token)];

    /// What stands in the place of `matched`.
    pub(crate) fn text(self, detector: Detector, matched: &[u8], key: Option<&MaskKey>) -> Cow<'static, str> {
        let typed = detector.mask();
        let more = match (self, key) {
            (Mask::Fixed, _) => return Cow::Borrowed("[REDACTED]"),
            (Mask::Typed, _) | (Mask::Token, None) => None,
            (Mask::KeepLast4, _) => last(matched).map(|kept| format!("*{kept}")),
            (Mask::Token, Some(key)) => Some(key.token(detector, matched)),
        };
        match (more, typed.strip_suffix(']')) {
            (Some(more), Some(open)) => Cow::Owned(format!("{open}:{more}]")),
            _ => Cow::Borrowed(typed),
        }
    }
}

/// The last letters and digits of a value that has enough of them.
fn last(matched: &[u8]) -> Option<String> {
    let mut kept: Vec<char> = matched
        .iter()
        .rev()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .take(LONG)
        .map(|byte| char::from(*byte))
        .collect();
    (kept.len() == LONG).then(|| {
        kept.truncate(KEPT);
        kept.iter().rev().collect()
    })
}

impl MaskSecret {
    /// 32 random bytes.
    pub fn new(secret: [u8; 32]) -> MaskSecret {
        MaskSecret(Arc::new(Zeroizing::new(secret)))
    }

    /// The key of one tenant: HMAC-SHA256 (RFC 2104) over the tenant's name.
    pub fn key_of(&self, tenant: &str) -> MaskKey {
        MaskKey(Arc::new(Zeroizing::new(digest(&self.0, &[b"aegis mask key", tenant.as_bytes()]))))
    }
}

impl MaskKey {
    /// The letters for a value: case, blanks and dashes in it do not matter.
    fn token(&self, detector: Detector, matched: &[u8]) -> String {
        let same: Zeroizing<Vec<u8>> = Zeroizing::new(
            matched.iter().filter(|byte| !matches!(byte, b' ' | b'-' | b'\t')).map(u8::to_ascii_lowercase).collect(),
        );
        let hash = digest(&self.0, &[detector.name().as_bytes(), &same]);
        let letter = |half: u8| LETTERS.get(usize::from(half)).copied().map_or('b', char::from);
        hash.iter().take(TOKEN).flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]).collect()
    }
}

/// HMAC-SHA256 over parts, each led by its length.
fn digest(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length.
        return [0; 32];
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl PartialEq for MaskKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || *self.0 == *other.0
    }
}

impl fmt::Debug for MaskSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskSecret")
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey")
    }
}

impl Masks {
    /// [`Mask::Typed`] for all.
    pub(crate) const TYPED: Masks = Masks { usual: Mask::Typed, by_detector: Vec::new() };

    /// `usual` for all but those that are listed; of two entries for one detector the later one counts.
    pub fn new(usual: Mask, listed: impl IntoIterator<Item = (Detector, Mask)>) -> Masks {
        let mut by_detector: Vec<(Detector, Mask)> = Vec::new();
        for (detector, mask) in listed {
            match by_detector.binary_search_by_key(&detector, |(known, _)| *known) {
                Ok(at) => by_detector.get_mut(at).into_iter().for_each(|entry| entry.1 = mask),
                Err(at) => by_detector.insert(at, (detector, mask)),
            }
        }
        Masks { usual, by_detector }
    }

    /// The mask for a detector.
    pub fn of(&self, detector: Detector) -> Mask {
        let at = self.by_detector.binary_search_by_key(&detector, |(known, _)| *known);
        at.ok().and_then(|at| self.by_detector.get(at)).map_or(self.usual, |(_, mask)| *mask)
    }

    /// Whether one of them needs a key.
    pub fn has_tokens(&self) -> bool {
        self.usual == Mask::Token || self.by_detector.iter().any(|(_, mask)| *mask == Mask::Token)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn text(mask: Mask, detector: Detector, matched: &str) -> String {
        let key = MaskSecret::new([7; 32]).key_of("acme");
        mask.text(detector, matched.as_bytes(), Some(&key)).into_owned()
    }

    #[test]
    fn typed_and_fixed() {
        assert_eq!(text(Mask::Typed, Detector::Ssn, "536-22-8741"), "[SSN]");
        assert_eq!(text(Mask::Fixed, Detector::Ssn, "536-22-8741"), "[REDACTED]");
    }

    #[test]
    fn the_last_four_are_kept_of_long_values_only() {
        assert_eq!(text(Mask::KeepLast4, Detector::PaymentCard, "4111 1111 1111 1234"), "[CARD:*1234]");
        assert_eq!(text(Mask::KeepLast4, Detector::Email, "jane\"é@corp.example"), "[EMAIL:*mple]");
        assert_eq!(text(Mask::KeepLast4, Detector::DateOfBirth, "1980-1-2"), "[DOB]");
        assert_eq!(text(Mask::KeepLast4, Detector::Email, ""), "[EMAIL]");
    }

    #[test]
    fn a_token_is_the_same_for_a_value_of_a_tenant_and_no_other() {
        let one = text(Mask::Token, Detector::Ssn, "536-22-8741");
        let letters = one.strip_prefix("[SSN:").and_then(|rest| rest.strip_suffix(']')).unwrap();
        assert!(letters.len() == 2 * TOKEN && letters.bytes().all(|byte| LETTERS.contains(&byte)), "{one}");
        assert_eq!(text(Mask::Token, Detector::Ssn, "536 22 8741"), one);
        assert_ne!(text(Mask::Token, Detector::Ssn, "536-22-8742"), one);
        assert_ne!(text(Mask::Token, Detector::Email, "536-22-8741").replace("EMAIL", "SSN"), one);
        for other in [MaskSecret::new([7; 32]).key_of("acm"), MaskSecret::new([8; 32]).key_of("acme")] {
            assert_ne!(Mask::Token.text(Detector::Ssn, b"536-22-8741", Some(&other)), one);
        }
        assert_eq!(Mask::Token.text(Detector::Ssn, b"536-22-8741", None), "[SSN]", "no key, no token");
    }

    #[test]
    fn hmac_is_the_standards() {
        // RFC 4231, test case 2.
        let mac =
            Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap().chain_update(b"what do ya want for nothing?").finalize();
        let hex: String = mac.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn masks_by_detector() {
        let masks = Masks::new(
            Mask::Fixed,
            [(Detector::Ssn, Mask::Typed), (Detector::AwsKey, Mask::KeepLast4), (Detector::Ssn, Mask::Token)],
        );
        assert_eq!(masks.of(Detector::Ssn), Mask::Token);
        assert_eq!((masks.of(Detector::AwsKey), masks.of(Detector::Email)), (Mask::KeepLast4, Mask::Fixed));
        assert!(masks.has_tokens() && !Masks::TYPED.has_tokens());
    }
}
