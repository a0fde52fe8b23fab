//! Keys for bundles: who signs, and whose signature counts.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::error::KeyError;

/// How bundles are signed. A shared secret (HS256) is left out on purpose: whoever could verify could sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ECDSA, P-256, SHA-256.
    Es256,
    /// RSA (PKCS #1 v1.5) with 2048 bits or more, SHA-256: OPA's default.
    Rs256,
    /// Ed25519. OPA's documentation does not list it.
    EdDsa,
}

/// Signs bundles. It has no `Debug`: a private key must not end up in a log.
pub struct Signer {
    pub(super) id: String,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) key: EncodingKey,
    pub(super) scope: Option<String>,
}

/// One key whose signature counts.
#[derive(Clone)]
pub struct VerificationKey {
    pub(super) id: String,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) key: DecodingKey,
    pub(super) scope: Option<String>,
}

/// All keys whose signatures count, by their ids; at least one.
#[derive(Clone)]
pub struct VerificationKeys(BTreeMap<String, VerificationKey>);

impl SignatureAlgorithm {
    /// Its name in a JWT (RFC 7518, RFC 8037).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn jwa(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::ES256,
            Self::Rs256 => Algorithm::RS256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }

    fn refused(self, error: &jsonwebtoken::errors::Error) -> KeyError {
        KeyError::Pem { algorithm: self.name(), why: error.to_string() }
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        let known = [Self::Es256, Self::Rs256, Self::EdDsa];
        known.into_iter().find(|known| known.name() == name).ok_or_else(|| KeyError::Algorithm(name.to_owned()))
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Signer {
    /// A private key in PEM: PKCS #8 (`PRIVATE KEY`), for RSA also PKCS #1. `scope` is OPA's: a name for what the signature
    /// is good for, compared by who verifies.
    ///
    /// # Errors
    /// When it is no key for `algorithm`, or the id is none.
    pub fn from_pem(
        id: &str,
        algorithm: SignatureAlgorithm,
        pem: &str,
        scope: Option<String>,
    ) -> Result<Self, KeyError> {
        let key = match algorithm {
            SignatureAlgorithm::Es256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            SignatureAlgorithm::Rs256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            SignatureAlgorithm::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()),
        };
        let key = key.map_err(|error| algorithm.refused(&error))?;
        Ok(Self { id: checked(id)?, algorithm, key, scope })
    }
}

impl VerificationKey {
    /// A public key in PEM (`PUBLIC KEY`, as `openssl pkey -pubout` writes it).
    ///
    /// # Errors
    /// When it is no public key for `algorithm`, or the id is none.
    pub fn from_pem(
        id: &str,
        algorithm: SignatureAlgorithm,
        pem: &str,
        scope: Option<String>,
    ) -> Result<Self, KeyError> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        let key = match algorithm {
            SignatureAlgorithm::Es256 => DecodingKey::from_ec_pem(pem.as_bytes()),
            SignatureAlgorithm::Rs256 => DecodingKey::from_rsa_pem(pem.as_bytes()),
            SignatureAlgorithm::EdDsa => DecodingKey::from_ed_pem(pem.as_bytes()),
        };
        let key = key.map_err(|error| algorithm.refused(&error))?;
        Ok(Self { id: checked(id)?, algorithm, key, scope })
    }
}

impl VerificationKeys {
    /// The keys together.
    ///
    /// # Errors
    /// When there is none, or two have one id.
    pub fn new(keys: impl IntoIterator<Item = VerificationKey>) -> Result<Self, KeyError> {
        let mut all = BTreeMap::new();
        for key in keys {
            let id = key.id.clone();
            if all.insert(id.clone(), key).is_some() {
                return Err(KeyError::Twice(id));
            }
        }
        if all.is_empty() { Err(KeyError::None) } else { Ok(Self(all)) }
    }

    pub(super) fn get(&self, id: &str) -> Option<&VerificationKey> {
        self.0.get(id)
    }
}

impl fmt::Debug for VerificationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn checked(id: &str) -> Result<String, KeyError> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if (1..=128).contains(&id.len()) && id.chars().all(plain) {
        Ok(id.to_owned())
    } else {
        Err(KeyError::Id(id.to_owned()))
    }
}
