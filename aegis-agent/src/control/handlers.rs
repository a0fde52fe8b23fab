//! One function a call: read the request, ask the daemon, answer.

use std::time::Duration;

use aegis_api::{
    Agent, AgentSpec, ExplainRequest, ExplainResponse, Finding, JSON_LINES, PolicyStatus, Problem, RunInfo, Status,
    TokenRequest, TokenResponse, Verification, VerificationStatus, valid_name,
};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::{StatusCode, header};
use serde::Deserialize;

use super::answer::{Input, Refused};
use super::audit;
use super::peer::Peer;
use super::router::{OPENAPI, Shared};
use super::workload::Standing;

type Answer<T> = Result<Json<T>, Refused>;

/// Longest token lifetime that can be asked for, in seconds.
const TTL_MAX: u64 = 86_400;

/// Most lines of the past that one call hands out.
const TAIL_MAX: usize = 10_000;

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

pub(super) async fn status(State(shared): State<Shared>) -> Answer<Status> {
    Ok(Json(shared.ask(|control| control.status()).await?))
}

pub(super) async fn doctor(State(shared): State<Shared>) -> Answer<Vec<Finding>> {
    Ok(Json(shared.ask(|control| control.doctor()).await?))
}

pub(super) async fn agents(State(shared): State<Shared>) -> Answer<Vec<Agent>> {
    Ok(Json(shared.ask(|control| control.agents()).await?))
}

pub(super) async fn register(
    State(shared): State<Shared>,
    Input(spec): Input<AgentSpec>,
) -> Result<(StatusCode, Json<Agent>), Refused> {
    if !valid_name(&spec.name) {
        return Err(bad_name(&spec.name));
    }
    let agent = shared.ask(move |control| control.register(spec)).await??;
    Ok((StatusCode::CREATED, Json(agent)))
}

pub(super) async fn remove(State(shared): State<Shared>, Path(name): Path<String>) -> Result<StatusCode, Refused> {
    if !valid_name(&name) {
        return Err(bad_name(&name));
    }
    shared.ask(move |control| control.remove(&name)).await??;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn run_info(State(shared): State<Shared>, Path(agent): Path<String>) -> Answer<RunInfo> {
    if !valid_name(&agent) {
        return Err(bad_name(&agent));
    }
    Ok(Json(shared.ask(move |control| control.run_info(&agent)).await??))
}

fn bad_name(name: &str) -> Refused {
    Problem::bad_request(format!("{name:?} is no agent name"))
        .next("use a DNS label: a-z, 0-9 and '-', at most 63 characters, not starting with '-'")
        .into()
}

pub(super) async fn token(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Input(request): Input<TokenRequest>,
) -> Answer<TokenResponse> {
    if request.ttl_s.is_some_and(|ttl| ttl == 0 || ttl > TTL_MAX) {
        return Err(Problem::bad_request(format!("ttl_s must be 1 to {TTL_MAX}")).into());
    }
    let ttl = request.ttl_s.map(Duration::from_secs);
    let agent = whose_token(&shared, &peer, request.agent).await?;
    Ok(Json(shared.ask(move |control| control.mint(&agent, ttl)).await??))
}

async fn whose_token(shared: &Shared, peer: &Peer, wanted: Option<String>) -> Result<String, Refused> {
    let own = match shared.standing(peer).await? {
        Standing::Agent(name) => Some(name),
        Standing::Stray | Standing::Free => None,
    };
    match (wanted, own) {
        (None, Some(own)) => Ok(own),
        (Some(wanted), Some(own)) if wanted == own => Ok(own),
        (Some(wanted), _) => {
            shared.require_admin(peer).await?;
            Ok(wanted)
        }
        (None, None) => Err(Problem::forbidden(format!("process {} is in no agent's cgroup", peer.pid))
            .next("start it with: aegisctl run --agent NAME -- COMMAND")
            .next("as an administrator, name the agent: {\"agent\": \"NAME\"}")
            .into()),
    }
}

pub(super) async fn reload_policy(State(shared): State<Shared>) -> Answer<PolicyStatus> {
    Ok(Json(shared.ask(|control| control.reload_policy()).await??))
}

pub(super) async fn explain(
    State(shared): State<Shared>,
    Input(request): Input<ExplainRequest>,
) -> Answer<ExplainResponse> {
    Ok(Json(shared.ask(move |control| control.explain(&request)).await??))
}

pub(super) async fn verification(
    State(shared): State<Shared>,
    Input(report): Input<Verification>,
) -> Answer<VerificationStatus> {
    Ok(Json(shared.ask(move |control| control.verified(report)).await??))
}

/// What part of the audit log is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tail {
    /// Lines of the past.
    #[serde(default = "ten")]
    lines: usize,
    /// Go on with lines as they are written.
    #[serde(default)]
    follow: bool,
}

fn ten() -> usize {
    10
}

pub(super) async fn audit_tail(
    State(shared): State<Shared>,
    query: Result<Query<Tail>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refused> {
    let Query(tail) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let lines = tail.lines.min(TAIL_MAX);
    // Subscribed before the file is read: a line written in between is seen twice, not missed; `join` drops the second.
    let live = tail.follow.then(|| shared.control.audit_lines());
    let past = shared.ask(move |control| audit::last_lines(&control.audit_path(), lines)).await?;
    let past = past.map_err(|error| Problem::unavailable(format!("cannot read the audit log: {error}")))?;
    let stream = audit::join(past, live).take_until(shared.shutdown.clone().cancelled_owned());
    Ok(([(header::CONTENT_TYPE, JSON_LINES)], Body::from_stream(stream)).into_response())
}
