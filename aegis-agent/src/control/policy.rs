//! Calls about policy versions: listed, pushed, compared, rolled back, rolled out.

use aegis_api::{
    PolicyDiff, PolicyStatus, PolicyVersion, PolicyVersions, Problem, PromoteRequest, PushRequest, PushResponse,
    RollbackRequest, RolloutStatus,
};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use serde::Deserialize;

use super::answer::{Input, Refused};
use super::peer::Peer;
use super::router::Shared;
use crate::policy::Who;

/// Largest push in bytes: some thousand rules, JSON-escaped.
pub(super) const PUSH_LIMIT: usize = 32 << 20;

type Answer<T> = Result<Json<T>, Refused>;

/// What the control API needs of the policy in force. Every change is recorded with who asked for it.
pub trait PolicyControl: Send + Sync + 'static {
    /// Loads the policy again from its source. 422 if it does not compile: the old one stays in force.
    fn reload(&self, who: Who) -> Result<PolicyStatus, Problem>;

    /// Every version that is kept.
    fn versions(&self) -> PolicyVersions;

    /// Takes a policy: 422 if it does not compile, 409 if another version is live than the caller has seen.
    fn push(&self, request: PushRequest, who: Who) -> Result<PushResponse, Problem>;

    /// Compares two versions. 404 if one is not kept.
    fn diff(&self, from: Option<u64>, to: Option<u64>, text: bool) -> Result<PolicyDiff, Problem>;

    /// Makes a version live again. 404 if it is not kept, 409 if it is live.
    fn rollback(&self, request: RollbackRequest, who: Who) -> Result<PolicyVersion, Problem>;

    /// The rollout that is under way.
    fn rollout(&self) -> Option<RolloutStatus>;

    /// Takes its next step; none when the candidate is live for all. 409 if there is no rollout.
    fn promote(&self, request: PromoteRequest, who: Who) -> Result<Option<RolloutStatus>, Problem>;

    /// Gives it up, and tells how it stood. 409 if there is none.
    fn abort(&self, who: Who) -> Result<RolloutStatus, Problem>;
}

fn who(peer: &Peer) -> Who {
    Who { uid: Some(peer.uid), pid: Some(peer.pid) }
}

pub(super) async fn reload(State(shared): State<Shared>, Extension(peer): Extension<Peer>) -> Answer<PolicyStatus> {
    Ok(Json(shared.ask(move |control| control.reload(who(&peer))).await??))
}

pub(super) async fn versions(State(shared): State<Shared>) -> Answer<PolicyVersions> {
    Ok(Json(shared.ask(|control| control.versions()).await?))
}

pub(super) async fn push(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Input(request): Input<PushRequest>,
) -> Answer<PushResponse> {
    Ok(Json(shared.ask(move |control| control.push(request, who(&peer))).await??))
}

/// Which versions are compared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Compared {
    from: Option<u64>,
    to: Option<u64>,
    /// Line by line too.
    #[serde(default)]
    text: bool,
}

pub(super) async fn diff(
    State(shared): State<Shared>,
    query: Result<Query<Compared>, QueryRejection>,
) -> Answer<PolicyDiff> {
    let Query(Compared { from, to, text }) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    Ok(Json(shared.ask(move |control| control.diff(from, to, text)).await??))
}

pub(super) async fn rollback(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Input(request): Input<RollbackRequest>,
) -> Answer<PolicyVersion> {
    Ok(Json(shared.ask(move |control| control.rollback(request, who(&peer))).await??))
}

pub(super) async fn rollout(State(shared): State<Shared>) -> Answer<Option<RolloutStatus>> {
    Ok(Json(shared.ask(|control| control.rollout()).await?))
}

pub(super) async fn promote(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Input(request): Input<PromoteRequest>,
) -> Answer<Option<RolloutStatus>> {
    Ok(Json(shared.ask(move |control| control.promote(request, who(&peer))).await??))
}

pub(super) async fn abort(State(shared): State<Shared>, Extension(peer): Extension<Peer>) -> Answer<RolloutStatus> {
    Ok(Json(shared.ask(move |control| control.abort(who(&peer))).await??))
}
