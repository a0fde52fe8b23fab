//! The signing key and its public face.

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};

use crate::error::TokenError;

const PEM_LABEL: &str = "PRIVATE KEY";

/// An Ed25519 private key for tokens. It has no `Debug`: it must not end up in a log.
pub struct SigningKey {
    encoding: EncodingKey,
    public: Jwk,
    kid: String,
}

impl SigningKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the system's random source fails.
    pub fn generate() -> Result<Self, TokenError> {
        let failed = |_| TokenError::Key("the random source failed".to_owned());
        let pair = Ed25519KeyPair::generate().map_err(failed)?;
        Self::from_der(pair.to_pkcs8v1().map_err(failed)?.as_ref())
    }

    /// Reads a PEM block `PRIVATE KEY` (PKCS#8, RFC 5958), as `openssl genpkey -algorithm ed25519` writes it too.
    ///
    /// # Errors
    /// When it is no PEM, or no Ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self, TokenError> {
        let block = pem::parse(text).map_err(|error| TokenError::Key(error.to_string()))?;
        if block.tag() != PEM_LABEL {
            return Err(TokenError::Key(format!("expected a PEM block `{PEM_LABEL}`, found `{}`", block.tag())));
        }
        Self::from_der(block.contents())
    }

    fn from_der(der: &[u8]) -> Result<Self, TokenError> {
        let not = |()| TokenError::Key("it is not an Ed25519 key".to_owned());
        // PKCS#8 comes with or without the public half; the JWK is made from the form without.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| not(()))?;
        let encoding = EncodingKey::from_ed_der(pair.to_pkcs8v1().map_err(|_| not(()))?.as_ref());
        let bad = |error: jsonwebtoken::errors::Error| TokenError::Key(error.to_string());
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).map_err(bad)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(bad)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { encoding, public, kid })
    }

    /// The private key as PEM (PKCS#8). Keep it readable by its owner only.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let block = pem::Pem::new(PEM_LABEL, self.encoding.as_bytes());
        pem::encode_config(&block, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
    }

    /// The key's id: its RFC 7638 thumbprint (SHA-256, base64url), so that two hosts never give one id to two keys.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as JWK, with `kid`, `use` and `alg`.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.public
    }

    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }
}

/// The JWKS document (RFC 7517, section 5) of these keys: the current one and those whose tokens may still be about.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Result<String, TokenError> {
    let set = JwkSet { keys: keys.into_iter().map(|key| key.public.clone()).collect() };
    serde_json::to_string(&set).map_err(|error| TokenError::Key(error.to_string()))
}
