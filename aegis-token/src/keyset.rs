//! Sets of public keys (RFC 7517, section 5): ours, which are understood as a whole, and those of others, of which the rest is left out.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{DecodingKey, DecodingKeyKind, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::error::TokenError;
use crate::key::SigningKey;

/// The most keys of one set. Issuers have two or three; a longer document is a mistake or an attack.
const MAX_KEYS: usize = 64;
/// The longest id of a key, in bytes.
const MAX_KID: usize = 256;

/// A key that signatures are verified with, and the one algorithm that it is for.
pub(crate) struct PublicKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: DecodingKey,
    pub(crate) validation: Validation,
}

/// Public keys by their ids.
pub struct KeySet {
    keys: HashMap<String, PublicKey>,
    skipped: usize,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// A set of our own: every key in it must be understood.
    ///
    /// # Errors
    /// When the document is no JWKS, has no key, a key without `kid`, two with one `kid`, or one that is not for signatures of one of the
    /// [`Algorithm`]s.
    pub fn own(jwks: &str) -> Result<Self, TokenError> {
        let mut keys = HashMap::new();
        for value in entries(jwks)? {
            let (kid, key) = public_key(value).map_err(TokenError::Key)?;
            if keys.insert(kid.clone(), key).is_some() {
                return Err(TokenError::Key(format!("two keys have the id `{kid}`")));
            }
        }
        if keys.is_empty() {
            return Err(TokenError::Key("the JWKS has no key".to_owned()));
        }
        Ok(Self { keys, skipped: 0 })
    }

    /// Another issuer's set. Keys for other purposes and of other kinds are left out, and counted; so are all keys that share an id, for which of them is
    /// meant cannot be told, and all with the id of one whose private half is published.
    ///
    /// A set in which nothing is left is one too: an issuer that withdraws all its keys means it.
    ///
    /// # Errors
    /// When the document is no JWKS.
    pub fn foreign(jwks: &str) -> Result<Self, TokenError> {
        let entries = entries(jwks)?;
        let total = entries.len();
        let mut keys = HashMap::new();
        let published = entries.iter().filter(|entry| entry.get("d").is_some());
        let mut doubled: HashSet<String> =
            published.filter_map(|entry| entry.get("kid")?.as_str().map(str::to_owned)).collect();
        for (kid, key) in entries.into_iter().filter_map(|value| public_key(value).ok()) {
            if keys.insert(kid.clone(), key).is_some() {
                doubled.insert(kid);
            }
        }
        keys.retain(|kid, _| !doubled.contains(kid));
        let skipped = total.saturating_sub(keys.len());
        Ok(Self { keys, skipped })
    }

    /// How many keys of the document were left out.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The ids, sorted.
    #[must_use]
    pub fn kids(&self) -> Vec<&str> {
        let mut kids: Vec<&str> = self.keys.keys().map(String::as_str).collect();
        kids.sort_unstable();
        kids
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.get(kid)
    }
}

fn entries(jwks: &str) -> Result<Vec<Value>, TokenError> {
    let document: Document =
        serde_json::from_str(jwks).map_err(|error| TokenError::Key(format!("it is not a JWKS: {error}")))?;
    match document.keys.len() {
        0..=MAX_KEYS => Ok(document.keys),
        n => Err(TokenError::Key(format!("the JWKS has {n} keys, more than {MAX_KEYS} are not read"))),
    }
}

/// The key of one entry, or why it is none for us.
fn public_key(value: Value) -> Result<(String, PublicKey), String> {
    // `d` is the private half of RSA, EC and OKP keys alike: whoever reads the document can sign.
    if value.get("d").is_some() {
        return Err("a key is published with its private half".to_owned());
    }
    let jwk: Jwk = serde_json::from_value(value).map_err(|error| format!("a key is not a JWK: {error}"))?;
    let kid = jwk.common.key_id.clone().ok_or("a key has no `kid`")?;
    if kid.is_empty() || kid.len() > MAX_KID {
        return Err(format!("the id of a key is {} bytes long, allowed are 1 to {MAX_KID}", kid.len()));
    }
    let algorithm = algorithm(&jwk).ok_or_else(|| format!("key `{kid}` is not for signatures of ours"))?;
    let decoding = DecodingKey::from_jwk(&jwk).map_err(|error| format!("key `{kid}`: {error}"))?;
    if !is_sound(algorithm, &decoding) {
        return Err(format!("key `{kid}` is no valid key for {algorithm}"));
    }
    Ok((kid, PublicKey { algorithm, decoding, validation: signature_only(algorithm) }))
}

/// What the key is for, by its kind; what it says of itself must agree.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        _ => return None,
    };
    let common = &jwk.common;
    let agrees = common.key_algorithm.is_none_or(|said| said == name)
        && common.public_key_use.as_ref().is_none_or(|said| *said == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|said| said.contains(&KeyOperations::Verify));
    agrees.then_some(algorithm)
}

/// Whether the numbers are a key at all, and large enough: the library finds out only when it verifies.
fn is_sound(algorithm: Algorithm, key: &DecodingKey) -> bool {
    match (algorithm, key.kind()) {
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => ParsedPublicKey::new(&ED25519, point).is_ok(),
        (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
        }
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
            let bits = |number: &[u8]| number.iter().skip_while(|byte| **byte == 0).count() * 8;
            // An exponent of 1 would make every padded digest its own signature.
            odd(n)
                && odd(e)
                && (2048..=8192).contains(&bits(n))
                && !(bits(e) == 8 && e.last() == Some(&1))
                && bits(e) <= 64
        }
        _ => false,
    }
}

/// The library checks the signature, with this algorithm and no other; the rest needs our clock and our own errors.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm.jose());
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

/// The JWKS document of these keys: the current one, and those whose tokens may still be about or will be.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Result<String, TokenError> {
    let set = JwkSet { keys: keys.into_iter().map(|key| key.jwk().clone()).collect() };
    serde_json::to_string(&set).map_err(|error| TokenError::Key(error.to_string()))
}
