//! Whose tokens hold at this moment: one immutable view, replaced whole when a key comes or goes.

use std::collections::HashMap;
use std::sync::Arc;

use aegis_token::{Algorithm, Claims, KeySet, SigningKey, TokenError, Verifier};

use super::keys::{Keys, KeysError, Published};
use crate::config::Tokens;

/// The keys of one moment.
#[derive(Clone)]
pub(super) struct Trust {
    /// Another one with each change: what was verified under an earlier view is verified again.
    pub(super) generation: u64,
    pub(super) signing: Arc<SigningKey>,
    /// The public halves, as a JWK set (RFC 7517).
    pub(super) jwks: Arc<str>,
    /// What the public keys are for.
    pub(super) algorithms: Arc<[Algorithm]>,
    own: Arc<Verifier>,
    issuer: Arc<str>,
    /// By issuer; one whose keys have not come yet is not in here.
    outside: HashMap<String, Arc<Verifier>>,
}

/// Why a token does not hold by the keys of this moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unverified {
    /// The issuer's keys are not known, or this one is not among them: they are to be fetched.
    KeyUnknown {
        issuer: String,
        error: TokenError,
    },
    Refused(TokenError),
}

impl Trust {
    pub(super) fn new(tokens: &Tokens, keys: &Keys) -> Result<Self, KeysError> {
        let Own { verifier: own, signing, jwks, algorithms } = own(tokens, keys)?;
        let issuer = tokens.issuer.as_str().into();
        Ok(Self { generation: 0, signing, jwks, algorithms, own, issuer, outside: HashMap::new() })
    }

    /// The view after our own keys have changed.
    pub(super) fn with_own(&self, tokens: &Tokens, keys: &Keys) -> Result<Self, KeysError> {
        let Own { verifier: own, signing, jwks, algorithms } = own(tokens, keys)?;
        Ok(Self { generation: self.generation.wrapping_add(1), own, signing, jwks, algorithms, ..self.clone() })
    }

    /// The view after an outside issuer's keys have changed; none where they are not to be trusted any longer.
    pub(super) fn with_outside(&self, issuer: &str, verifier: Option<Verifier>) -> Self {
        let mut outside = self.outside.clone();
        match verifier {
            Some(verifier) => _ = outside.insert(issuer.to_owned(), Arc::new(verifier)),
            None => _ = outside.remove(issuer),
        }
        Self { generation: self.generation.wrapping_add(1), outside, ..self.clone() }
    }

    /// The claims of `token`, verified by the keys of the issuer that it names and by no other.
    pub(super) fn verify(
        &self,
        token: &str,
        now: u64,
        is_trusted: impl Fn(&str) -> bool,
    ) -> Result<Claims, Unverified> {
        let issuer = aegis_token::issuer(token).map_err(Unverified::Refused)?;
        if issuer == *self.issuer {
            return self.own.verify(token, now).map_err(Unverified::Refused);
        }
        if !is_trusted(&issuer) {
            return Err(Unverified::Refused(TokenError::Issuer));
        }
        let verified = match self.outside.get(&issuer) {
            Some(verifier) => verifier.verify(token, now),
            None => Err(TokenError::UnknownKid),
        };
        verified.map_err(|error| match error {
            TokenError::UnknownKid => Unverified::KeyUnknown { issuer, error },
            other => Unverified::Refused(other),
        })
    }
}

struct Own {
    verifier: Arc<Verifier>,
    signing: Arc<SigningKey>,
    jwks: Arc<str>,
    algorithms: Arc<[Algorithm]>,
}

fn own(tokens: &Tokens, keys: &Keys) -> Result<Own, KeysError> {
    let published: Vec<Published> = keys.published();
    let malformed = |source| KeysError::Malformed { path: keys.place(), source };
    let none = || malformed(TokenError::Key("there is no key".to_owned()));
    let signing = published.first().map(|one| Arc::clone(&one.key)).ok_or_else(none)?;
    let jwks = aegis_token::jwks(published.iter().map(|one| &*one.key)).map_err(malformed)?;
    let set = KeySet::own(&jwks).map_err(malformed)?;
    let verifier = Verifier::own(set, tokens.issuer.as_str(), tokens.audience.as_str(), tokens.leeway);
    let used = |algorithm: &Algorithm| published.iter().any(|one| one.key.algorithm() == *algorithm);
    let algorithms = Algorithm::ALL.into_iter().filter(used).collect();
    Ok(Own { verifier: Arc::new(verifier), signing, jwks: jwks.into(), algorithms })
}
