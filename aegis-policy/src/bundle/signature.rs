//! `.signatures.json`: one JWT whose payload lists every file with its digest, as OPA writes and reads it.

use std::collections::BTreeMap;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};

use super::Files;
use super::digest::{self, Hash};
use super::error::{BundleError, KeyError};
use super::keys::{Signer, VerificationKey, VerificationKeys};
use crate::{JSON_DEPTH, parse_strict_json};

pub(super) const FILE: &str = ".signatures.json";
/// OPA's name for signatures that no plugin made.
const DEFAULT_PLUGIN: &str = "_default";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signatures {
    signatures: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
}

/// The JWT's payload. OPA lets signers add claims of their own.
#[derive(Serialize, Deserialize)]
struct Payload {
    files: Vec<Signed>,
    /// OPA's own, older way to say `kid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    name: String,
    hash: String,
    algorithm: String,
}

/// The text of `.signatures.json` for these files.
pub(super) fn sign(files: &Files, signer: &Signer) -> Result<String, BundleError> {
    let mut signed = Vec::new();
    for (name, bytes) in files {
        let hash = digest::of(Hash::Sha256, name, bytes).ok_or_else(|| BundleError::Altered(name.clone()))?;
        signed.push(Signed { name: name.clone(), hash, algorithm: "SHA-256".to_owned() });
    }
    let payload = Payload { files: signed, keyid: Some(signer.id.clone()), scope: signer.scope.clone() };
    let mut header = Header::new(signer.algorithm.jwa());
    header.kid = Some(signer.id.clone());
    let refused = |why: String| BundleError::Key(KeyError::Pem { algorithm: signer.algorithm.name(), why });
    let token = jsonwebtoken::encode(&header, &payload, &signer.key).map_err(|error| refused(error.to_string()))?;
    let text = serde_json::to_string_pretty(&Signatures { signatures: vec![token], plugin: None });
    text.map(|text| text + "\n").map_err(|error| refused(error.to_string()))
}

/// Checks that one of `keys` has signed exactly these files; gives its id.
pub(super) fn verify(text: Option<&[u8]>, files: &Files, keys: &VerificationKeys) -> Result<String, BundleError> {
    let wrong = |why: &str| BundleError::Signature(why.to_owned());
    let text = text.ok_or(BundleError::Unsigned)?;
    let value = parse_strict_json(text, JSON_DEPTH).map_err(|error| wrong(&format!("{FILE}: {error}")))?;
    let all: Signatures = serde_json::from_value(value).map_err(|error| wrong(&format!("{FILE}: {error}")))?;
    if all.plugin.as_deref().is_some_and(|plugin| plugin != DEFAULT_PLUGIN) {
        return Err(wrong("it is made by a plugin, which Aegis does not have"));
    }
    let token = match all.signatures.as_slice() {
        [] => return Err(BundleError::Unsigned),
        [token] => token,
        _ => return Err(wrong("there are several, and OPA allows one")),
    };
    let (key, payload) = open(token, keys)?;
    let mut signed = BTreeMap::new();
    for file in payload.files {
        if let Some(twice) = signed.insert(file.name.clone(), file) {
            return Err(wrong(&format!("it lists `{}` twice", twice.name)));
        }
    }
    for (name, bytes) in files {
        let file = signed.remove(name).ok_or_else(|| BundleError::NotSigned(name.clone()))?;
        let hash = Hash::named(&file.algorithm).ok_or_else(|| {
            wrong(&format!("`{name}` is hashed with {}; allowed: SHA-256, SHA-384, SHA-512", file.algorithm))
        })?;
        if digest::of(hash, name, bytes) != Some(file.hash.to_ascii_lowercase()) {
            return Err(BundleError::Altered(name.clone()));
        }
    }
    match signed.into_keys().next() {
        Some(gone) => Err(BundleError::Gone(gone)),
        None => Ok(key.id.clone()),
    }
}

/// The payload of a token that one of `keys` has signed. The key is chosen by id, the algorithm is the key's own.
fn open<'k>(token: &str, keys: &'k VerificationKeys) -> Result<(&'k VerificationKey, Payload), BundleError> {
    let wrong = |why: String| BundleError::Signature(why);
    let header = jsonwebtoken::decode_header(token).map_err(|error| wrong(told(error)))?;
    if header.crit.is_some() {
        return Err(wrong("it has a `crit` header".to_owned()));
    }
    let id = match header.kid {
        Some(kid) => kid,
        // Unverified so far: it only chooses the key that verifies it.
        None => {
            let unverified =
                jsonwebtoken::dangerous::insecure_decode::<Payload>(token).map_err(|error| wrong(told(error)))?;
            unverified.claims.keyid.ok_or_else(|| wrong("it names no key (`kid` or `keyid`)".to_owned()))?
        }
    };
    let key = keys.get(&id).ok_or(BundleError::UnknownKey(id))?;
    let mut validation = Validation::new(key.algorithm.jwa());
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let opened = jsonwebtoken::decode::<Payload>(token, &key.key, &validation);
    let payload = opened.map_err(|error| wrong(told(error)))?.claims;
    if payload.keyid.as_ref().is_some_and(|keyid| *keyid != key.id) {
        return Err(wrong("`kid` and `keyid` name two keys".to_owned()));
    }
    if payload.scope.as_deref().unwrap_or_default() != key.scope.as_deref().unwrap_or_default() {
        return Err(wrong("its scope is not the one that is configured for its key".to_owned()));
    }
    Ok((key, payload))
}

fn told(error: jsonwebtoken::errors::Error) -> String {
    match error.into_kind() {
        ErrorKind::InvalidSignature => "the key did not sign this".to_owned(),
        ErrorKind::InvalidAlgorithm => "its algorithm is not the key's".to_owned(),
        ErrorKind::Json(error) => format!("it does not read as OPA's: {error}"),
        _ => "it is no JWT".to_owned(),
    }
}
