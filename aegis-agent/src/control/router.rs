//! The table of calls, who may make them, and what surrounds each.

use std::sync::Arc;
use std::time::Duration;

use aegis_api::Problem;
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Router, http::Method};
use tokio_util::sync::CancellationToken;

use super::answer::Refused;
use super::peer::Peer;
use super::rate::Rate;
use super::workload::{Ground, Standing};
use super::{Control, handlers, policy, revocation, tokens, tools};

/// The API as an OpenAPI 3.1 document; served at `/openapi.json`.
pub const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// Largest request body in bytes: room for an explained request's body of 1 MiB, JSON-escaped.
const BODY_LIMIT: usize = 4 << 20;

/// The same of a call that agents make: a token, and a few words. There may be hundreds at once.
const WORKLOAD_LIMIT: usize = 64 << 10;

/// How long a call may take to be read and answered (not how long a stream may last).
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Who may make a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Whoever can open the socket.
    Anyone,
    /// A process in an agent's cgroup, for itself; administrators for any agent.
    Workload,
    /// Root or a member of `control.group`, and in no agent's cgroup.
    Admin,
}

/// One call of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Route {
    /// Who may make it.
    pub access: Access,
    /// HTTP method.
    pub method: &'static str,
    /// Path, with `{name}` for parameters.
    pub path: &'static str,
}

/// What handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) control: Arc<dyn Control>,
    ground: Ground,
    group: Option<u32>,
    pub(super) shutdown: CancellationToken,
    /// Of tokens that agents fetch.
    pub(super) rate: Arc<Rate>,
}

impl Shared {
    pub(super) fn new(
        control: Arc<dyn Control>,
        ground: Ground,
        group: Option<u32>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { control, ground, group, shutdown, rate: Arc::default() }
    }

    /// Asks the daemon on a blocking thread.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Control) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let control = Arc::clone(&self.control);
        tokio::task::spawn_blocking(move || question(control.as_ref()))
            .await
            .map_err(|error| Refused(Problem::internal(format!("the call failed: {error}"))))
    }

    /// Where the caller stands now.
    pub(super) async fn standing(&self, peer: &Peer) -> Result<Standing, Refused> {
        let (peer, ground) = (peer.clone(), self.ground.clone());
        Ok(self.ask(move |_| ground.standing(&peer)).await??)
    }

    /// Refuses who is no administrator.
    pub(super) async fn require_admin(&self, peer: &Peer) -> Result<(), Refused> {
        if !peer.may_administrate(self.group) {
            let problem = Problem::forbidden(format!("uid {} is neither root nor in the control group", peer.uid));
            return Err(problem.next("run it as root (sudo), or join the group that `control.group` names").into());
        }
        match self.standing(peer).await? {
            Standing::Free => Ok(()),
            Standing::Agent(name) => Err(Problem::forbidden(format!(
                "process {} runs as agent {name:?}: agents do not administrate",
                peer.pid
            ))
            .next("run it outside the agent's cgroup")
            .into()),
            Standing::Stray => {
                Err(Problem::forbidden(format!("process {} is in the enforced cgroup subtree", peer.pid)).into())
            }
            Standing::Departed => {
                let problem = Problem::forbidden(format!("process {} has left the cgroup of its agent", peer.pid));
                Err(problem.next("run it outside the agent's cgroup from its start on").into())
            }
        }
    }
}

type Entry = (Route, MethodRouter<Shared>);

fn entry(access: Access, method: &'static str, path: &'static str, handler: MethodRouter<Shared>) -> Entry {
    (Route { access, method, path }, handler)
}

fn table() -> Vec<Entry> {
    use Access::{Admin, Anyone, Workload};
    vec![
        entry(Anyone, "GET", "/openapi.json", get(handlers::openapi)),
        entry(Workload, "POST", "/v1/token", post(tokens::token)),
        entry(Admin, "POST", "/v1/token/inspect", post(tokens::inspect)),
        entry(Admin, "GET", "/v1/keys", get(tokens::keys)),
        entry(Admin, "POST", "/v1/keys/rotate", post(tokens::rotate)),
        entry(Workload, "POST", "/v1/tokens/revoke", post(revocation::revoke)),
        entry(Admin, "GET", "/v1/tokens/revoked", get(revocation::revoked)),
        entry(Admin, "GET", "/v1/tools/pins", get(tools::pins)),
        entry(Admin, "POST", "/v1/tools/pins/reset", post(tools::reset)),
        entry(Admin, "GET", "/v1/status", get(handlers::status)),
        entry(Admin, "GET", "/v1/doctor", get(handlers::doctor)),
        entry(Admin, "GET", "/v1/agents", get(handlers::agents)),
        entry(Admin, "POST", "/v1/agents", post(handlers::register)),
        entry(Admin, "PUT", "/v1/agents/{name}", put(handlers::update)),
        entry(Admin, "DELETE", "/v1/agents/{name}", delete(handlers::remove)),
        entry(Admin, "GET", "/v1/run/{agent}", get(handlers::run_info)),
        entry(Admin, "POST", "/v1/policy/reload", post(policy::reload)),
        entry(Admin, "GET", "/v1/policy/versions", get(policy::versions)),
        entry(Admin, "POST", "/v1/policy/push", post(policy::push).layer(DefaultBodyLimit::max(policy::PUSH_LIMIT))),
        entry(Admin, "GET", "/v1/policy/diff", get(policy::diff)),
        entry(Admin, "POST", "/v1/policy/rollback", post(policy::rollback)),
        entry(Admin, "GET", "/v1/policy/rollout", get(policy::rollout)),
        entry(Admin, "POST", "/v1/policy/rollout/promote", post(policy::promote)),
        entry(Admin, "POST", "/v1/policy/rollout/abort", post(policy::abort)),
        entry(Admin, "POST", "/v1/policy/explain", post(handlers::explain)),
        entry(Admin, "GET", "/v1/decisions/{id}", get(handlers::decision)),
        entry(Admin, "POST", "/v1/verification", post(handlers::verification)),
        entry(Admin, "GET", "/v1/audit/tail", get(handlers::audit_tail)),
    ]
}

/// Every call of the API.
pub fn routes() -> Vec<Route> {
    table().into_iter().map(|(route, _)| route).collect()
}

/// The router; each request must carry its [`Peer`] as an extension.
pub(super) fn build(shared: Shared) -> Router {
    let mut router = Router::new();
    for (route, handler) in table() {
        let handler = match route.access {
            Access::Admin => handler.route_layer(from_fn_with_state(shared.clone(), admin)),
            Access::Workload => handler.layer(DefaultBodyLimit::max(WORKLOAD_LIMIT)),
            Access::Anyone => handler,
        };
        router = router.route(route.path, handler);
    }
    router
        .fallback(|| async {
            Refused(Problem::not_found("there is no such call").next("GET /openapi.json lists them"))
        })
        .method_not_allowed_fallback(|| async { Refused(Problem::method_not_allowed("this path has other methods")) })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(surround))
        .with_state(shared)
}

async fn admin(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    shared.require_admin(&peer).await?;
    Ok(next.run(request).await)
}

/// Bounds the time of a call, and leaves a trace of each that changes something or was refused.
async fn surround(Extension(peer): Extension<Peer>, request: Request, next: Next) -> Result<Response, Refused> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = tokio::time::timeout(CALL_TIMEOUT, next.run(request))
        .await
        .map_err(|_| Refused(Problem::unavailable("the call took too long")))?;
    let status = response.status();
    if method != Method::GET || !status.is_success() {
        tracing::info!(uid = peer.uid, pid = peer.pid, %method, path, status = status.as_u16(), "control call");
    }
    Ok(response)
}
