//! Verification: strict first, then the clock.

use std::collections::HashMap;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use crate::claims::{Claims, Header, split};
use crate::error::TokenError;

/// How far the clocks of two hosts may be apart, in seconds.
pub const DEFAULT_LEEWAY: u64 = 30;

/// Verifies tokens of one issuer for one audience.
pub struct Verifier {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
    issuer: String,
    audience: String,
    leeway: u64,
}

impl Verifier {
    /// A verifier over a JWKS document. `leeway` is in seconds, see [`DEFAULT_LEEWAY`].
    ///
    /// # Errors
    /// When the document is no JWKS, has no key, a key without `kid`, two with one `kid`, or one that is not Ed25519 for signatures: a key set that
    /// is only half understood is not used.
    pub fn new(
        jwks: &str,
        issuer: impl Into<String>,
        audience: impl Into<String>,
        leeway: u64,
    ) -> Result<Self, TokenError> {
        let set: JwkSet =
            serde_json::from_str(jwks).map_err(|error| TokenError::Key(format!("it is not a JWKS: {error}")))?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            let kid = jwk.common.key_id.as_deref().ok_or_else(|| TokenError::Key("a key has no `kid`".to_owned()))?;
            let ed25519 =
                matches!(&jwk.algorithm, AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519);
            let alg = jwk.common.key_algorithm.is_none_or(|alg| alg == KeyAlgorithm::EdDSA);
            let signs = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
            if !(ed25519 && alg && signs) {
                return Err(TokenError::Key(format!("key `{kid}` is not an Ed25519 key for signatures")));
            }
            let key = DecodingKey::from_jwk(jwk).map_err(|error| TokenError::Key(format!("key `{kid}`: {error}")))?;
            if keys.insert(kid.to_owned(), key).is_some() {
                return Err(TokenError::Key(format!("two keys have the id `{kid}`")));
            }
        }
        if keys.is_empty() {
            return Err(TokenError::Key("the JWKS has no key".to_owned()));
        }
        Ok(Self { keys, validation: signature_only(), issuer: issuer.into(), audience: audience.into(), leeway })
    }

    /// The claims of a token that is signed by a known key, for this issuer and audience, and valid at `now` (seconds since the Unix epoch).
    ///
    /// # Errors
    /// The first thing that is wrong; claims are looked at only after the signature is known to be right.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        let (header, _) = split(token)?;
        let key = self.key(&header)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(refused)?.claims;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != self.audience {
            return Err(TokenError::Audience);
        }
        self.in_time(&claims, now)?;
        Ok(claims)
    }

    /// The key that the header may be verified with: the algorithm is the key's, not the header's choice.
    fn key(&self, header: &Header) -> Result<&DecodingKey, TokenError> {
        if header.alg.eq_ignore_ascii_case("none") {
            return Err(TokenError::Unsigned);
        }
        if header.alg != "EdDSA" {
            return Err(TokenError::Algorithm);
        }
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let kid = header.kid.as_deref().ok_or(TokenError::NoKid)?;
        self.keys.get(kid).ok_or(TokenError::UnknownKid)
    }

    fn in_time(&self, claims: &Claims, now: u64) -> Result<(), TokenError> {
        let until = claims.exp.saturating_add(self.leeway);
        if until <= now {
            return Err(TokenError::Expired { ago_s: now.saturating_sub(claims.exp) });
        }
        // A token from the future is as suspicious by `iat` as by `nbf`.
        let from = claims.nbf.max(claims.iat);
        if from > now.saturating_add(self.leeway) {
            return Err(TokenError::NotYetValid { in_s: from.saturating_sub(now) });
        }
        Ok(())
    }
}

/// The library checks the signature; the rest needs our clock and our own errors.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn refused(error: jsonwebtoken::errors::Error) -> TokenError {
    match error.into_kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::Json(error) => TokenError::Claims(error.to_string()),
        ErrorKind::Base64(_) | ErrorKind::Utf8(_) => TokenError::Malformed("a part is not base64url"),
        _ => TokenError::Malformed("its parts do not fit together"),
    }
}
