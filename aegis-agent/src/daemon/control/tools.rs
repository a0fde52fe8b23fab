//! `GET /v1/tools/pins` and `POST /v1/tools/pins/reset`.

use std::time::SystemTime;

use aegis_api::{Problem, ResetPins, ResetResponse, ToolPin, ToolPins};
use aegis_audit::{Decision, Draft};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::daemon::Aegis;
use crate::flow::record::Masks;
use crate::policy::Who;
use crate::state::{Unavailable, Which};

/// Most definitions of one list.
const LISTED: usize = 1000;

/// On a blocking thread.
pub fn list(aegis: &Aegis, agent: &str) -> Result<ToolPins, Problem> {
    let asking = aegis.replay.store().definitions(agent, LISTED);
    let (total, all) = Handle::current().block_on(asking).map_err(|why| silent(&why))?;
    if total == 0 && aegis.registry.by_name(agent).is_none() {
        return Err(
            Problem::not_found(format!("there is no agent {agent:?}")).next("`aegisctl agents list` shows them")
        );
    }
    let masks = Masks::of(&aegis.policy.current());
    let pin = |defined: crate::state::Defined| {
        let (server, tool) = defined.tool.split_once('\n').unwrap_or(("", &defined.tool));
        ToolPin { server: masks.text(server), tool: masks.text(tool), sha256: defined.hash }
    };
    Ok(ToolPins { agent: agent.to_owned(), total, pins: all.into_iter().map(pin).collect() })
}

/// On a blocking thread. What cannot be recorded does not happen.
pub fn reset(aegis: &Aegis, request: &ResetPins, who: Who) -> Result<ResetResponse, Problem> {
    let ResetPins { agent, server, tool } = request;
    if [server, tool].into_iter().flatten().any(|name| name.is_empty() || name.contains('\n')) {
        return Err(Problem::bad_request("a server and a tool have names of one line"));
    }
    let slot = aegis
        .audit
        .reserve()
        .map_err(|why| Problem::unavailable(format!("the reset cannot be recorded, so it is not made: {why}")))?;
    let which = Which { server: server.clone(), tool: tool.clone() };
    let forgotten = Handle::current().block_on(aegis.replay.store().forget(agent, which, SystemTime::now()));
    slot.commit(record(aegis, request, who, &forgotten));
    let forgotten = forgotten.map_err(|why| silent(&why))?;
    tracing::info!(agent, server, tool, forgotten, by = %who, "pinned definitions of tools forgotten");
    Ok(ResetResponse { forgotten })
}

fn silent(why: &Unavailable) -> Problem {
    Problem::unavailable(format!("the state store does not answer: {why}")).next("see `state` in `aegisctl status`")
}

/// A record of no decision: who made an agent forget what it knew.
fn record(aegis: &Aegis, request: &ResetPins, who: Who, forgotten: &Result<u64, Unavailable>) -> Draft {
    let ResetPins { agent, server, tool } = request;
    let count = forgotten.as_ref().map_or(0, |count| *count);
    let of =
        |what: &str, name: &Option<String>| name.as_ref().map(|name| format!(", {what} {name}")).unwrap_or_default();
    let (server, tool) = (of("server", server), of("tool", tool));
    let snapshot = aegis.policy.current();
    let mut draft = Draft {
        ts: SystemTime::now(),
        decision_id: Uuid::now_v7().to_string(),
        trace_id: Uuid::new_v4().simple().to_string(),
        decision: Decision::None,
        agent_id: agent.clone(),
        reason: format!("tools: {count} pinned definitions forgotten (agent {agent}{server}{tool}), reset by {who}"),
        policy_version: snapshot.version().to_owned(),
        error: forgotten.as_ref().err().map(|why| format!("not done: {why}")),
        ..Draft::default()
    };
    Masks::of(&snapshot).redact(&mut draft);
    draft
}
