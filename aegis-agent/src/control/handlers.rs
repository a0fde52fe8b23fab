//! One function a call: read the request, ask the daemon, answer.

use aegis_api::{
    Agent, AgentSpec, ExplainRequest, ExplainResponse, Finding, JSON_LINES, LoggedDecision, Problem, RunInfo, Status,
    Verification, VerificationStatus, valid_name,
};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::{StatusCode, header};
use serde::Deserialize;

use super::answer::{Input, Refused};
use super::audit;
use super::router::{OPENAPI, Shared};

type Answer<T> = Result<Json<T>, Refused>;

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

pub(super) async fn update(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Input(spec): Input<AgentSpec>,
) -> Answer<Agent> {
    if !valid_name(&name) {
        return Err(bad_name(&name));
    }
    if spec.name != name {
        return Err(Problem::bad_request(format!("the body describes {:?}, the path names {name:?}", spec.name))
            .next("an agent's name cannot be changed: remove it and register the other")
            .into());
    }
    Ok(Json(shared.ask(move |control| control.update(spec)).await??))
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

pub(super) async fn explain(
    State(shared): State<Shared>,
    Input(request): Input<ExplainRequest>,
) -> Answer<ExplainResponse> {
    Ok(Json(shared.ask(move |control| control.explain(&request)).await??))
}

pub(super) async fn decision(State(shared): State<Shared>, Path(id): Path<String>) -> Answer<LoggedDecision> {
    if id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        let problem = Problem::bad_request("that is no decision's id");
        return Err(problem.next("it stands in the problem document and in the audit record").into());
    }
    Ok(Json(shared.ask(move |control| control.decision(&id)).await??))
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
