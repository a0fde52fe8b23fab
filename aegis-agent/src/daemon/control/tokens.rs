//! Tokens and their keys over the control API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_api::{Inspection, KeyInfo, KeyState, Keys, Problem, TokenRequest, TokenResponse, TrustedIssuer};
use aegis_token::{Claims, DelegationError, TokenError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Handle;

use super::agents::unknown;
use crate::config::JwksSource;
use crate::daemon::Aegis;
use crate::flow::theft::{self, Thief};
use crate::identity::trusted::Outside;
use crate::identity::{KeysError, MintError, Published, TokenRefused, Use, Wanted};

pub fn mint(aegis: &Aegis, name: &str, request: TokenRequest) -> Result<TokenResponse, Problem> {
    let enrolled = aegis.registry.by_name(name).ok_or_else(|| unknown(name))?;
    let now = SystemTime::now();
    not_revoked(aegis, request.parent_token.as_deref(), now)?;
    let wanted = Wanted {
        ttl: request.ttl_s.map(Duration::from_secs),
        scopes: request.scopes,
        child: request.child,
        parent_token: request.parent_token,
    };
    let minted = aegis.issuer.mint(&enrolled, &wanted, now).map_err(|error| match error {
        MintError::Parent(TokenRefused::OtherAgent { claims }) => stolen(aegis, name, &claims, now),
        error => refused(&error),
    })?;
    let claims = minted.claims;
    if claims.act.is_some() {
        tracing::info!(agent = claims.agent_id, scopes = ?claims.scopes, jti = claims.jti, "a token for a sub-agent");
    }
    Ok(TokenResponse {
        token: minted.token,
        agent: claims.sub,
        agent_id: claims.agent_id,
        scopes: claims.scopes,
        expires_at: claims.exp,
        jti: claims.jti,
    })
}

/// Why no token is made, with the status that fits.
fn refused(error: &MintError) -> Problem {
    let said = error.to_string();
    match error {
        MintError::Ttl { .. }
        | MintError::ParentWithoutChild
        | MintError::Delegation(DelegationError::Name | DelegationError::Ttl)
        // With so many scopes: who asks for fewer gets one.
        | MintError::Token(TokenError::TooLarge(_)) => Problem::bad_request(said),
        MintError::Parent(_) | MintError::Excess(_) | MintError::Delegation(_) | MintError::ForeignParent => {
            Problem::forbidden(said)
        }
        MintError::Token(_) => Problem::internal(said),
    }
}

/// Another agent's token, shown on the control socket by `agent`: as on any other. On a blocking thread.
pub fn stolen(aegis: &Aegis, agent: &str, claims: &Claims, now: SystemTime) -> Problem {
    let Some(enrolled) = aegis.registry.by_name(agent) else { return unknown(agent) };
    let on_theft = aegis.policy.for_agent(&enrolled.agent).token_rules(&enrolled.agent).on_theft;
    let thief = Thief { enrolled: &enrolled, on_theft, process: None };
    Problem::forbidden(Handle::current().block_on(theft::told(aegis, &thief, claims, now)))
}

/// A revoked token makes no others. On a blocking thread.
fn not_revoked(aegis: &Aegis, parent: Option<&str>, now: SystemTime) -> Result<(), Problem> {
    let Some(Ok(shown)) = parent.map(|token| aegis.issuer.verify(token, now)) else { return Ok(()) };
    match Handle::current().block_on(aegis.replay.is_revoked(&shown.claims, now)) {
        Ok(false) => Ok(()),
        Ok(true) => Err(Problem::forbidden("the parent's token is revoked")),
        Err(why) => Err(Problem::unavailable(format!("the state store does not answer: {why}"))),
    }
}

/// On a blocking thread.
pub fn inspect(aegis: &Aegis, token: &str) -> Inspection {
    let now = SystemTime::now();
    let shown = match aegis.issuer.verify(token.trim(), now) {
        Ok(shown) => shown,
        Err(refused) => return Inspection { verified: false, reason: Some(refused.to_string()) },
    };
    match Handle::current().block_on(aegis.replay.is_revoked(&shown.claims, now)) {
        Ok(false) => Inspection { verified: true, reason: None },
        Ok(true) => Inspection { verified: false, reason: Some("the token is revoked".to_owned()) },
        Err(why) => {
            Inspection { verified: true, reason: Some(format!("it is not known whether it is revoked: {why}")) }
        }
    }
}

pub fn keys(aegis: &Aegis) -> Keys {
    let ring = aegis.issuer.keys();
    Keys {
        issuer: aegis.issuer.tokens().issuer.clone(),
        place: ring.place.display().to_string(),
        rotates: ring.rotates_at.map(written),
        keys: ring.keys.iter().map(key).collect(),
        trusted: aegis.issuer.trusted().iter().map(|outside| trusted(outside)).collect(),
    }
}

pub fn rotate(aegis: &Aegis) -> Result<Keys, Problem> {
    match aegis.issuer.rotate(SystemTime::now()) {
        Ok(()) => Ok(keys(aegis)),
        Err(error @ (KeysError::Given(_) | KeysError::TooMany)) => Err(Problem::conflict(error.to_string())),
        Err(error) => Err(Problem::internal(error.to_string())),
    }
}

fn key(published: &Published) -> KeyInfo {
    let (state, retires) = match published.used {
        Use::Current => (KeyState::Current, None),
        Use::Next => (KeyState::Next, None),
        Use::Retired { until } => (KeyState::Retired, Some(written(until))),
    };
    KeyInfo {
        kid: published.key.kid().to_owned(),
        alg: published.key.algorithm().name().to_owned(),
        state,
        created: written(published.created),
        retires,
    }
}

fn trusted(outside: &Outside) -> TrustedIssuer {
    let state = outside.state();
    let confirmed = state.confirmed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    TrustedIssuer {
        issuer: outside.spec.issuer.clone(),
        jwks: match &outside.spec.jwks {
            JwksSource::Url(url) => url.clone(),
            JwksSource::File(path) => path.display().to_string(),
        },
        keys: state.keys,
        skipped: state.skipped,
        confirmed: confirmed.map(|at| written(at.as_secs())),
        error: state.error,
    }
}

/// Seconds since 1970, for people.
fn written(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{seconds} s after 1970"))
}
