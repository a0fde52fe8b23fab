//! Calls about tokens and their keys.

use std::time::Instant;

use aegis_api::{InspectRequest, Inspection, Keys, Problem, TokenRequest, TokenResponse};
use axum::Json;
use axum::extract::{Extension, State};

use super::answer::{Input, Refused};
use super::peer::Peer;
use super::router::Shared;
use super::workload::Standing;

type Answer<T> = Result<Json<T>, Refused>;

pub(super) async fn token(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Input(request): Input<TokenRequest>,
) -> Answer<TokenResponse> {
    if request.ttl_s == Some(0) {
        return Err(Problem::bad_request("ttl_s must be at least 1").into());
    }
    let Whose { agent, own } = whose_token(&shared, &peer, request.agent.clone()).await?;
    if own && let Err(wait) = shared.rate.take(&agent, Instant::now()) {
        let problem = Problem::too_many_requests(format!("{agent} fetches tokens too fast"));
        return Err(problem.next(format!("wait {} ms, and use a token until it ends", wait.as_millis().max(1))).into());
    }
    Ok(Json(shared.ask(move |control| control.mint(&agent, request)).await??))
}

/// The agent that a token is for, and whether it is who asks.
struct Whose {
    agent: String,
    own: bool,
}

async fn whose_token(shared: &Shared, peer: &Peer, wanted: Option<String>) -> Result<Whose, Refused> {
    let own = match shared.standing(peer).await? {
        Standing::Agent(name) => Some(name),
        Standing::Stray | Standing::Free | Standing::Departed => None,
    };
    match (wanted, own) {
        (None, Some(agent)) => Ok(Whose { agent, own: true }),
        (Some(wanted), Some(agent)) if wanted == agent => Ok(Whose { agent, own: true }),
        (Some(agent), _) => {
            shared.require_admin(peer).await?;
            Ok(Whose { agent, own: false })
        }
        (None, None) => Err(Problem::forbidden(format!("process {} is in no agent's cgroup", peer.pid))
            .next("start it with: aegisctl run --agent NAME -- COMMAND")
            .next("as an administrator, name the agent: {\"agent\": \"NAME\"}")
            .into()),
    }
}

pub(super) async fn inspect(State(shared): State<Shared>, Input(request): Input<InspectRequest>) -> Answer<Inspection> {
    Ok(Json(shared.ask(move |control| control.inspect(&request.token)).await?))
}

pub(super) async fn keys(State(shared): State<Shared>) -> Answer<Keys> {
    Ok(Json(shared.ask(|control| control.keys()).await?))
}

pub(super) async fn rotate(State(shared): State<Shared>) -> Answer<Keys> {
    Ok(Json(shared.ask(|control| control.rotate_keys()).await??))
}
