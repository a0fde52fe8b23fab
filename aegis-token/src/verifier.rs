//! Verification: strict first, then the clock.

use jsonwebtoken::errors::ErrorKind;
use serde::de::DeserializeOwned;

use crate::algorithm::Algorithm;
use crate::chain;
use crate::claims::{Claims, Header, split};
use crate::error::TokenError;
use crate::keyset::{KeySet, PublicKey};
use crate::outside::Outside;

/// How far the clocks of two hosts may be apart, in seconds.
pub const DEFAULT_LEEWAY: u64 = 30;

/// Verifies tokens of one issuer for one audience.
pub struct Verifier {
    keys: KeySet,
    issuer: String,
    audience: String,
    leeway: u64,
    form: Form,
}

/// In whose words the claims stand.
enum Form {
    Own,
    Outside { agent_claim: String },
}

impl Verifier {
    /// For tokens that Aegis minted, by its own keys. `leeway` is in seconds, see [`DEFAULT_LEEWAY`].
    pub fn own(keys: KeySet, issuer: impl Into<String>, audience: impl Into<String>, leeway: u64) -> Self {
        Self { keys, issuer: issuer.into(), audience: audience.into(), leeway, form: Form::Own }
    }

    /// For tokens of another issuer, by that issuer's keys. `agent_claim` names the claim with the agent's name; `sub`, where the issuer calls agents by it.
    pub fn outside(
        keys: KeySet,
        issuer: impl Into<String>,
        audience: impl Into<String>,
        leeway: u64,
        agent_claim: impl Into<String>,
    ) -> Self {
        let form = Form::Outside { agent_claim: agent_claim.into() };
        Self { keys, issuer: issuer.into(), audience: audience.into(), leeway, form }
    }

    /// The keys that it verifies with.
    #[must_use]
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// The claims of a token that is signed by a known key, for this issuer and audience, valid at `now` (seconds since the Unix epoch), and whose chain of
    /// agents holds together.
    ///
    /// # Errors
    /// The first thing that is wrong; claims are looked at only after the signature is known to be right.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        let (header, _) = split(token)?;
        let key = self.key(&header)?;
        let claims = match &self.form {
            Form::Own => {
                let claims: Claims = signed(token, key)?;
                self.meant_for_us(&claims.iss, claims.aud == self.audience)?;
                claims
            }
            Form::Outside { agent_claim } => {
                let claims: Outside = signed(token, key)?;
                self.meant_for_us(claims.issuer(), claims.is_for(&self.audience))?;
                claims.into_claims(agent_claim, &self.audience, token)?
            }
        };
        self.in_time(&claims, now)?;
        chain::check(&claims)?;
        Ok(claims)
    }

    /// The key that the header may be verified with: the algorithm is the key's, not the header's choice.
    fn key(&self, header: &Header) -> Result<&PublicKey, TokenError> {
        if header.alg.eq_ignore_ascii_case("none") {
            return Err(TokenError::Unsigned);
        }
        let algorithm: Algorithm = header.alg.parse().map_err(|()| TokenError::Algorithm)?;
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        if !is_access_token(header.typ.as_deref()) {
            return Err(TokenError::Type);
        }
        let kid = header.kid.as_deref().ok_or(TokenError::NoKid)?;
        let key = self.keys.get(kid).ok_or(TokenError::UnknownKid)?;
        if key.algorithm == algorithm { Ok(key) } else { Err(TokenError::KeyAlgorithm) }
    }

    fn meant_for_us(&self, issuer: &str, audience: bool) -> Result<(), TokenError> {
        if issuer != self.issuer {
            return Err(TokenError::Issuer);
        }
        if audience { Ok(()) } else { Err(TokenError::Audience) }
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

/// RFC 8725, section 3.11: a token that says that it is something else (a proof, a logout) is not taken for an access token.
fn is_access_token(typ: Option<&str>) -> bool {
    let Some(typ) = typ else { return true };
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}

fn signed<T: DeserializeOwned>(token: &str, key: &PublicKey) -> Result<T, TokenError> {
    Ok(jsonwebtoken::decode::<T>(token, &key.decoding, &key.validation).map_err(refused)?.claims)
}

fn refused(error: jsonwebtoken::errors::Error) -> TokenError {
    match error.into_kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::Json(error) => TokenError::unreadable(&error),
        ErrorKind::Base64(_) | ErrorKind::Utf8(_) => TokenError::Malformed("a part is not base64url"),
        _ => TokenError::Malformed("its parts do not fit together"),
    }
}
