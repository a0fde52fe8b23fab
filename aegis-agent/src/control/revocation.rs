//! Calls that take a token's worth away.

use aegis_api::{Problem, RevokeRequest, RevokeResponse, RevokedTokens};
use axum::Json;
use axum::extract::{Extension, State};

use super::answer::{Input, Refused};
use super::peer::Peer;
use super::router::Shared;
use super::workload::Standing;

/// An administrator may revoke any token; an agent only one that it can show, of its own.
pub(super) async fn revoke(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Input(request): Input<RevokeRequest>,
) -> Result<Json<RevokeResponse>, Refused> {
    let agent = match shared.standing(&peer).await? {
        Standing::Agent(name) => Some(name),
        Standing::Stray | Standing::Free | Standing::Departed => {
            shared.require_admin(&peer).await?;
            None
        }
    };
    match (&request.token, &request.jti) {
        (Some(_), None) | (None, Some(_)) => {}
        _ => return Err(Problem::bad_request("give either the token or its jti").into()),
    }
    if agent.is_some() && request.token.is_none() {
        let problem = Problem::forbidden("an agent revokes a token by showing it: a jti says nothing of whose it is");
        return Err(problem.next("send {\"token\": \"eyJ...\"}").into());
    }
    Ok(Json(shared.ask(move |control| control.revoke(agent.as_deref(), &request)).await??))
}

pub(super) async fn revoked(State(shared): State<Shared>) -> Result<Json<RevokedTokens>, Refused> {
    Ok(Json(shared.ask(|control| control.revoked()).await??))
}
