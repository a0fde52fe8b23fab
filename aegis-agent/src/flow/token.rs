//! The token that a request shows: whether it holds on this socket, was stolen, was used before, or is revoked.

use std::time::SystemTime;

use aegis_policy::{Denial, FailMode, Permit, Snapshot};
use aegis_token::Claims;
use http::Method;

use super::identify::{HOW_TO_GET_ONE, Identity, NoToken};
use super::record::Recorder;
use super::refusal::Refusal;
use super::theft::{self, Thief};
use crate::daemon::Aegis;
use crate::identity::{NotAdmitted, ReplayRefused, TokenRefused};
use crate::state::Unavailable;

/// What is not known of a token, because the state store did not say.
#[derive(Debug)]
pub struct Unchecked(Unavailable);

/// The identity of one request: as the connection's, with the token that the request shows. Where the state store does not answer, the decision
/// says later what that means ([`Unchecked::accept`]).
///
/// # Errors
/// 401 where the token does not hold, is another agent's, was used, is revoked, or is missing where it is required.
pub async fn shown(
    aegis: &Aegis,
    identity: &Identity,
    snapshot: &Snapshot,
    token: Option<&str>,
) -> Result<(Identity, Option<Unchecked>), Refusal> {
    let now = SystemTime::now();
    let version = snapshot.version();
    let identity = match identity.with_token(token, &aegis.issuer, now) {
        Ok(identity) => identity,
        Err(NoToken::Refused(TokenRefused::OtherAgent { claims })) => {
            return Err(stolen(aegis, identity, snapshot, &claims, now).await);
        }
        Err(why) => return Err(why.refusal(version)),
    };
    let Some(shown) = &identity.token else { return Ok((identity, None)) };
    let mode = snapshot.token_rules(&identity.agent).replay;
    match aegis.replay.admit(&shown.claims, &identity.enrolled, mode, now).await {
        Ok(()) => Ok((identity, None)),
        Err(NotAdmitted::Unavailable(why)) => Ok((identity, Some(Unchecked(why)))),
        Err(NotAdmitted::Refused(refused)) => Err(refuse(aegis, refused, version)),
    }
}

fn refuse(aegis: &Aegis, refused: ReplayRefused, version: &str) -> Refusal {
    aegis.metrics.state().refused(refused.kind());
    Denial::token(format!("{}: {refused}", refused.kind()), version).next(HOW_TO_GET_ONE).into()
}

/// Whether the token that the request showed at its beginning holds still: a body may have taken its time. Asks nobody.
///
/// # Errors
/// 401 where it has expired, lost its key, or been revoked meanwhile.
pub fn still(aegis: &Aegis, identity: &Identity, token: Option<&str>, version: &str) -> Result<(), Refusal> {
    let (Some(shown), Some(token)) = (&identity.token, token) else { return Ok(()) };
    let holds = aegis.issuer.still(shown, token, SystemTime::now());
    holds.map_err(|why| NoToken::Refused(why).refusal(version))?;
    if aegis.replay.known_revoked(&shown.claims) {
        return Err(refuse(aegis, ReplayRefused::Revoked, version));
    }
    Ok(())
}

/// Somebody else's token on this agent's socket.
async fn stolen(aegis: &Aegis, thief: &Identity, snapshot: &Snapshot, claims: &Claims, now: SystemTime) -> Refusal {
    let thief = Thief {
        enrolled: &thief.enrolled,
        on_theft: snapshot.token_rules(&thief.agent).on_theft,
        process: Some((thief.process.pid, &thief.process.exe)),
    };
    let reason = theft::told(aegis, &thief, claims, now).await;
    Denial::token(reason, snapshot.version()).next("Show this agent's own token, or none.").into()
}

impl Unchecked {
    /// Whether the request may pass all the same: its rule must fail open, and its method change nothing.
    ///
    /// # Errors
    /// 503 where it may not.
    pub fn accept(&self, permit: &Permit, method: &Method) -> Result<(), Refusal> {
        // What RFC 9110, section 9.2.1, calls safe, without TRACE.
        let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if safe && permit.fail_mode() == FailMode::Open {
            return Ok(());
        }
        let why = format!("the token cannot be checked, because the state store does not answer: {}", self.0);
        let denial = Denial {
            rule: permit.rule().map(str::to_owned),
            tool: permit.tool().map(str::to_owned),
            ..Denial::unavailable(why, permit.policy_version())
        };
        Err(denial.next("Try again in some seconds; an operator sees the state store in `aegisctl status`.").into())
    }

    /// Counts and writes down that the request passed without it.
    pub fn passed(&self, aegis: &Aegis, recorder: &mut Recorder) {
        aegis.metrics.state().unchecked();
        if let Some(draft) = recorder.draft() {
            draft.reason.push_str("; the token was not checked, because the state store does not answer");
        }
    }
}
