//! A token's `jti` in the form in which it is kept.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Longer parts are kept by their hash. Our `jti` are UUIDs: 36 bytes.
const MAX_PLAIN: usize = 64;

/// A token, by its issuer and its `jti`: `ISSUER/JTI` where both can stand in a key of any store, `~` and their SHA-256 otherwise. A foreign issuer
/// may choose any text, and a `jti` is unique within its issuer only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(Arc<str>);

impl TokenId {
    /// None for an empty `jti`, which names no token.
    #[must_use]
    pub fn new(issuer: &str, jti: &str) -> Option<Self> {
        if jti.is_empty() {
            return None;
        }
        // A slash in the `jti` would make two tokens one; the issuer is what stands before the last.
        if harmless(issuer, b"-_.:/") && harmless(jti, b"-_.:") {
            return Some(Self(format!("{issuer}/{jti}").into()));
        }
        let mut hash = Sha256::new();
        hash.update((issuer.len() as u64).to_be_bytes());
        hash.update(issuer);
        hash.update(jti);
        Some(Self(format!("~{}", HEXLOWER.encode(&hash.finalize())).into()))
    }

    /// What [`TokenId::as_str`] gave, read back from a store.
    pub(super) fn kept(text: &str) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn harmless(text: &str, signs: &[u8]) -> bool {
    text.len() <= MAX_PLAIN && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte))
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_an_issuer_chose_cannot_break_out_of_a_key() {
        assert_eq!(TokenId::new("aegis:default", ""), None);
        assert_eq!(TokenId::new("https://a/b", "0b9c-A_1.x:2").unwrap().as_str(), "https://a/b/0b9c-A_1.x:2");
        for bad in ["a}b", "a b", "a\r\nb", "~plain", "ü", "a/b", &"x".repeat(65)] {
            let id = TokenId::new("i", bad).unwrap();
            assert!(id.as_str().starts_with('~') && id.as_str().len() == 65, "{id}");
            assert_eq!(TokenId::kept(id.as_str()), id);
        }
    }

    #[test]
    fn no_two_tokens_are_one() {
        let pairs =
            [("a", "b"), ("a/b", "c"), ("a", "b/c"), ("a}", "b"), ("a", "}b"), ("", "a}b"), ("a}b", "x"), ("x", "a}b")];
        for (i, one) in pairs.iter().enumerate() {
            for other in pairs.iter().skip(i + 1) {
                assert_ne!(TokenId::new(one.0, one.1), TokenId::new(other.0, other.1), "{one:?} {other:?}");
            }
        }
    }
}
