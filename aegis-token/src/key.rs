//! Signing keys and their public face.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::error::TokenError;

const PEM_LABEL: &str = "PRIVATE KEY";

/// A private key for tokens. It has no `Debug`: it must not end up in a log.
pub struct SigningKey {
    algorithm: Algorithm,
    /// PKCS#8: the one form that all three kinds of keys have.
    der: Zeroizing<Vec<u8>>,
    encoding: EncodingKey,
    public: Jwk,
    kid: String,
}

impl SigningKey {
    /// A new random key. An RSA key has 2048 bit and takes a good part of a second.
    ///
    /// # Errors
    /// When the system's random source fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, TokenError> {
        let failed = |_| TokenError::Key("the random source failed".to_owned());
        let der = match algorithm {
            Algorithm::EdDSA => {
                Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map_err(failed)?.as_ref().to_vec()
            }
            Algorithm::ES256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map_err(failed)?
                .as_ref()
                .to_vec(),
            Algorithm::RS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(failed)?.as_ref().to_vec()
            }
        };
        Self::from_der(Zeroizing::new(der))
    }

    /// Reads a PEM block `PRIVATE KEY` (PKCS#8, RFC 5958), as `openssl genpkey` writes it too. The kind of the key is its algorithm.
    ///
    /// # Errors
    /// When it is no PEM, of another kind, or an RSA key of less than 2048 bit.
    pub fn from_pem(text: &str) -> Result<Self, TokenError> {
        let block = pem::parse(text).map_err(|_| TokenError::Key(format!("there is no PEM block `{PEM_LABEL}`")))?;
        if block.tag() != PEM_LABEL {
            let found = block.tag();
            return Err(TokenError::Key(format!(
                "expected a PEM block `{PEM_LABEL}`, found `{found}`; `openssl pkcs8 -topk8 -nocrypt` makes one of it"
            )));
        }
        Self::from_der(Zeroizing::new(block.into_contents()))
    }

    fn from_der(der: Zeroizing<Vec<u8>>) -> Result<Self, TokenError> {
        // PKCS#8 of Ed25519 comes with or without the public half; the JWK is made from the form without.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            let der = pair.to_pkcs8v1().map_err(|_| TokenError::Key("it cannot be written as PKCS#8".to_owned()))?;
            let der = Zeroizing::new(der.as_ref().to_vec());
            let encoding = EncodingKey::from_ed_der(&der);
            return Self::new(Algorithm::EdDSA, der, encoding);
        }
        if EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).is_ok() {
            let encoding = EncodingKey::from_ec_der(&der);
            return Self::new(Algorithm::ES256, der, encoding);
        }
        if RsaKeyPair::from_pkcs8(&der).is_ok() {
            // The library signs with the PKCS#1 form, which it takes out of the PKCS#8 one only when that is PEM.
            let text = Zeroizing::new(pem_of(&der));
            let encoding = EncodingKey::from_rsa_pem(text.as_bytes()).map_err(bad)?;
            return Self::new(Algorithm::RS256, der, encoding);
        }
        Err(TokenError::Key("it is neither Ed25519, nor P-256, nor RSA of 2048 to 8192 bit".to_owned()))
    }

    fn new(algorithm: Algorithm, der: Zeroizing<Vec<u8>>, encoding: EncodingKey) -> Result<Self, TokenError> {
        let mut public = Jwk::from_encoding_key(&encoding, algorithm.jose()).map_err(bad)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(bad)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { algorithm, der, encoding, public, kid })
    }

    /// The private key as PEM (PKCS#8). Keep it readable by its owner only.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem_of(&self.der)
    }

    /// The key's id: its RFC 7638 thumbprint (SHA-256, base64url), so that two hosts never give one id to two keys.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
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

fn pem_of(der: &[u8]) -> String {
    let block = pem::Pem::new(PEM_LABEL, der);
    pem::encode_config(&block, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
}

fn bad(error: jsonwebtoken::errors::Error) -> TokenError {
    TokenError::Key(error.to_string())
}
