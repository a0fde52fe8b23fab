//! The key that signs checkpoints: Ed25519 (RFC 8032), PKCS#8 and SPKI in PEM (RFC 5958, 8410, 7468), so that `openssl` reads both halves.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// DER of a SubjectPublicKeyInfo with id-Ed25519 up to the 32 bytes of the key (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("no key could be made: the system's random source failed")]
    Generate,
    #[error("it is not PEM: {0}")]
    Pem(#[from] pem::PemError),
    #[error("expected a PEM block `{expected}`, found `{found}`")]
    Label { expected: &'static str, found: String },
    #[error("it is not an Ed25519 key")]
    NotEd25519,
}

/// The private half. It has no `Debug`: it must not end up in a log.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    pkcs8: Vec<u8>,
    public: VerifyingKey,
}

impl SigningKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?;
        Self::from_pkcs8(pkcs8.as_ref().to_vec())
    }

    /// Reads a `PRIVATE KEY` block.
    ///
    /// # Errors
    /// When it is no PEM, or no Ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_pkcs8(block(text, "PRIVATE KEY")?)
    }

    fn from_pkcs8(pkcs8: Vec<u8>) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).map_err(|_| KeyError::NotEd25519)?;
        let public = VerifyingKey::new(pair.public_key().as_ref())?;
        Ok(Self { pair, pkcs8, public })
    }

    /// The private key as PEM (PKCS#8). Keep it readable by its owner only.
    #[must_use]
    pub fn to_pem(&self) -> String {
        encode("PRIVATE KEY", self.pkcs8.clone())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// The public half: all that is needed to check a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifyingKey {
    bytes: [u8; 32],
    kid: String,
}

impl VerifyingKey {
    fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::NotEd25519)?;
        let digest = HEXLOWER.encode(&Sha256::digest(spki(&bytes)));
        let kid = digest.chars().take(16).collect();
        Ok(Self { bytes, kid })
    }

    /// Reads a `PUBLIC KEY` block.
    ///
    /// # Errors
    /// When it is no PEM, or no Ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = block(text, "PUBLIC KEY")?;
        Self::new(der.strip_prefix(&SPKI_PREFIX).ok_or(KeyError::NotEd25519)?)
    }

    /// The public key as PEM (SubjectPublicKeyInfo).
    #[must_use]
    pub fn to_pem(&self) -> String {
        encode("PUBLIC KEY", spki(&self.bytes))
    }

    /// The first 16 hex digits of SHA-256 over the SubjectPublicKeyInfo: names the key in checkpoints.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature).is_ok()
    }
}

fn spki(key: &[u8; 32]) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), key.as_slice()].concat()
}

fn block(text: &str, expected: &'static str) -> Result<Vec<u8>, KeyError> {
    let block = pem::parse(text)?;
    if block.tag() == expected {
        Ok(block.into_contents())
    } else {
        Err(KeyError::Label { expected, found: block.tag().to_owned() })
    }
}

fn encode(label: &str, der: Vec<u8>) -> String {
    pem::encode_config(&pem::Pem::new(label, der), pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_survive_pem() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pem(&key.to_pem()).unwrap();
        let public = VerifyingKey::from_pem(&key.public().to_pem()).unwrap();
        assert_eq!(&public, again.public());
        assert!(public.verifies(b"text", &again.sign(b"text")));
        assert!(!public.verifies(b"Text", &again.sign(b"text")));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let key = SigningKey::generate().unwrap();
        assert!(matches!(SigningKey::from_pem(&key.public().to_pem()), Err(KeyError::Label { .. })));
        assert!(matches!(SigningKey::from_pem("junk"), Err(KeyError::Pem(_))));
        assert!(matches!(VerifyingKey::from_pem(&encode("PUBLIC KEY", vec![0; 44])), Err(KeyError::NotEd25519)));
    }
}
