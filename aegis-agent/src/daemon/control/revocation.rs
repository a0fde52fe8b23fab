//! `POST /v1/tokens/revoke` and `GET /v1/tokens/revoked`.

use std::time::SystemTime;

use aegis_api::{Problem, RevokeRequest, RevokeResponse, RevokedToken, RevokedTokens};
use aegis_token::Claims;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::daemon::Aegis;
use crate::identity::{Revocation, Revoker, numeric_date};

/// Most tokens of one list.
const LISTED: usize = 1000;

/// What is known of the token that is to be revoked.
struct Named {
    issuer: String,
    jti: String,
    exp: Option<u64>,
}

impl From<&Claims> for Named {
    fn from(claims: &Claims) -> Self {
        Self { issuer: claims.iss.clone(), jti: claims.jti.clone(), exp: Some(claims.exp) }
    }
}

impl Named {
    /// By what a token says that nobody has verified.
    fn unverified(claims: &Map<String, Value>) -> Result<Self, Problem> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(issuer), Some(jti)) = (text("iss"), text("jti")) else {
            return Err(Problem::bad_request("the token has no iss and jti by which it could be named"));
        };
        // When it ends is not believed: a revocation that ends too early would be none.
        Ok(Self { issuer, jti, exp: None })
    }
}

/// On a blocking thread. `agent`: who asks, where it is no administrator.
pub fn revoke(aegis: &Aegis, agent: Option<&str>, request: &RevokeRequest) -> Result<RevokeResponse, Problem> {
    let now = SystemTime::now();
    let named = named(aegis, agent, request, now)?;
    let enrolled = agent.map(|name| aegis.registry.by_name(name).ok_or_else(|| gone(name))).transpose()?;
    let by = enrolled.as_deref().map_or(Revoker::Administrator, Revoker::Agent);
    let revoking = aegis.replay.revoke(&named.issuer, &named.jti, named.exp, by, now);
    let (revocation, until) =
        Handle::current().block_on(revoking).ok_or_else(|| Problem::bad_request("the jti is empty"))?;
    let by = agent.unwrap_or("an administrator");
    tracing::info!(by, issuer = named.issuer, jti = named.jti, ?revocation, "token revoked");
    let error = match revocation {
        Revocation::Stored => None,
        Revocation::Here(why) => Some(why.to_string()),
        Revocation::NotMade(why) => {
            return Err(Problem::unavailable(format!("the token is not revoked: {why}"))
                .next("see `state` in `aegisctl status`, and try again"));
        }
    };
    Ok(RevokeResponse {
        jti: named.jti,
        issuer: named.issuer,
        kept_until: numeric_date(until),
        stored: error.is_none(),
        error,
    })
}

fn named(aegis: &Aegis, agent: Option<&str>, request: &RevokeRequest, now: SystemTime) -> Result<Named, Problem> {
    let Some(token) = request.token.as_deref() else {
        let issuer = request.issuer.clone().unwrap_or_else(|| aegis.config.tokens.issuer.clone());
        let jti = request.jti.clone().unwrap_or_default();
        return Ok(Named { issuer, jti, exp: None });
    };
    match (aegis.issuer.verify(token, now), agent) {
        (Ok(shown), Some(agent)) if shown.claims.sub != agent => {
            Err(super::tokens::stolen(aegis, agent, &shown.claims, now))
        }
        (Ok(shown), _) => Ok(Named::from(&shown.claims)),
        (Err(refused), Some(_)) => Err(Problem::bad_request(refused.to_string())),
        // An administrator may have a token of which this host knows no key: what it says is enough to name it.
        (Err(_), None) => match aegis_token::peek(token) {
            Ok((_, claims)) => Named::unverified(&claims),
            Err(error) => Err(Problem::bad_request(format!("this is no agent token: {error}"))),
        },
    }
}

fn gone(name: &str) -> Problem {
    Problem::not_found(format!("there is no agent {name}"))
}

/// On a blocking thread.
pub fn revoked(aegis: &Aegis) -> Result<RevokedTokens, Problem> {
    let asking = aegis.replay.revocations(LISTED, SystemTime::now());
    let (total, list) = Handle::current()
        .block_on(asking)
        .map_err(|why| Problem::unavailable(format!("the state store does not answer: {why}")))?;
    let token = |revoked: crate::state::Revoked| RevokedToken { id: revoked.id.to_string(), kept_until: revoked.until };
    Ok(RevokedTokens { total, tokens: list.into_iter().map(token).collect() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_end_that_an_unverified_token_claims_shortens_no_revocation() {
        let claims = |exp: Value| {
            let claims = serde_json::json!({"iss": "i", "jti": "j", "exp": exp});
            claims.as_object().unwrap().clone()
        };
        for exp in [Value::from(1), Value::from(u64::MAX), Value::Null] {
            let named = Named::unverified(&claims(exp)).unwrap();
            assert_eq!((named.issuer.as_str(), named.jti.as_str(), named.exp), ("i", "j", None));
        }
    }
}
