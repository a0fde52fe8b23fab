//! Calls about the definitions of tools that agents know.

use aegis_api::{Problem, ResetPins, ResetResponse, ToolPins};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use serde::Deserialize;

use super::answer::{Input, Refused};
use super::peer::Peer;
use super::router::Shared;
use crate::policy::Who;

/// Whose definitions are listed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    agent: String,
}

pub(super) async fn pins(
    State(shared): State<Shared>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<ToolPins>, Refused> {
    let Query(Whose { agent }) = whose.map_err(|error| Problem::bad_request(error.body_text()))?;
    Ok(Json(shared.ask(move |control| control.tool_pins(&agent)).await??))
}

pub(super) async fn reset(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Input(request): Input<ResetPins>,
) -> Result<Json<ResetResponse>, Refused> {
    let who = Who { uid: Some(peer.uid), pid: Some(peer.pid) };
    Ok(Json(shared.ask(move |control| control.reset_pins(&request, who)).await??))
}
