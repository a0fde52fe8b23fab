//! The control API: HTTP/1.1 and JSON on a unix socket, for `aegisctl` and for agents that fetch their own token.
//!
//! Three things hold for every call. Who calls is read from the kernel (`SO_PEERCRED`, `SO_PEERGROUPS`,
//! `SO_PEERPIDFD`), never from the request. A process inside an agent's cgroup is never an administrator, whatever its
//! uid. Every error is a problem document (RFC 9457). What the daemon knows and does comes through [`Control`], so this
//! module can be tested without a kernel.

mod answer;
mod audit;
mod crowd;
mod handlers;
mod peer;
mod policy;
mod rate;
mod revocation;
mod router;
mod server;
mod socket;
mod tokens;
mod tools;
mod workload;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use aegis_api::{
    Agent, AgentSpec, ExplainRequest, ExplainResponse, Finding, Inspection, Keys, LoggedDecision, Problem, ResetPins,
    ResetResponse, RevokeRequest, RevokeResponse, RevokedTokens, RunInfo, Status, TokenRequest, TokenResponse,
    ToolPins, Verification, VerificationStatus,
};
use futures_util::stream::BoxStream;

use crate::policy::Who;

pub use policy::PolicyControl;
pub use router::{Access, OPENAPI, Route, routes};
pub use server::serve;
pub use socket::{BindError, ControlSocket, group_id};

/// What the control API needs of the daemon. Every method may block shortly (files, maps): it is called on a blocking
/// thread. Refusals are [`Problem`]s with the status that fits and the caller's next step.
pub trait Control: PolicyControl {
    /// How this host stands.
    fn status(&self) -> Status;

    /// What this machine can and cannot do.
    fn doctor(&self) -> Vec<Finding>;

    /// Every enrolled agent; `cgroup` absolute.
    fn agents(&self) -> Vec<Agent>;

    /// The agent whose cgroup the directory `cgroup` (absolute) is, or lies below. Asked for each connection: it must be cheap.
    fn agent_of(&self, cgroup: &Path) -> Option<String>;

    /// Whether the process behind this pidfd was in the enforced subtree and was put out of it: it is no agent's any more, and nobody else's either.
    ///
    /// # Errors
    /// When that cannot be told.
    fn has_departed(&self, process: BorrowedFd<'_>) -> io::Result<bool>;

    /// Absolute directory of the enforced subtree. Nobody inside it administrates, not even where its agent has been
    /// removed.
    fn cgroup_root(&self) -> PathBuf;

    /// Registers and enrols an agent: after `Ok` its cgroup exists and is enforced. 409 if it is there, 400 if the
    /// specification is wrong.
    fn register(&self, spec: AgentSpec) -> Result<Agent, Problem>;

    /// Gives a registered agent another description; it stays enrolled. 404 if there is none, 409 if it was not registered,
    /// 400 if the specification is wrong.
    fn update(&self, spec: AgentSpec) -> Result<Agent, Problem>;

    /// Takes an agent away; its cgroup stays denied. 404 if there is none, 409 if it comes from the configuration.
    fn remove(&self, name: &str) -> Result<(), Problem>;

    /// What `aegisctl run` needs for this agent. 404 if there is none.
    fn run_info(&self, name: &str) -> Result<RunInfo, Problem>;

    /// A fresh token for an agent or a sub-agent of it. 404 if there is no such agent, 403 if it would have more than who
    /// makes it, 400 if the request makes no sense.
    fn mint(&self, agent: &str, request: TokenRequest) -> Result<TokenResponse, Problem>;

    /// Whether a token holds now.
    fn inspect(&self, token: &str) -> Inspection;

    /// The keys that tokens are verified with.
    fn keys(&self) -> Keys;

    /// Begins to sign with the next key. 409 if the keys are not ours to rotate.
    fn rotate_keys(&self) -> Result<Keys, Problem>;

    /// Takes a token's worth away; `agent` is who asks, none for an administrator. 403 if the token is another's, 400 if it is none, 503 if it
    /// could not be noted anywhere.
    fn revoke(&self, agent: Option<&str>, request: &RevokeRequest) -> Result<RevokeResponse, Problem>;

    /// The revoked tokens. 503 if the state store does not answer.
    fn revoked(&self) -> Result<RevokedTokens, Problem>;

    /// The definitions of tools that an agent knows. 404 if there is no such agent, 503 if the state store does not answer.
    fn tool_pins(&self, agent: &str) -> Result<ToolPins, Problem>;

    /// Makes an agent forget some of them; recorded with who asked for it. 503 if that cannot be done or recorded.
    fn reset_pins(&self, request: &ResetPins, who: Who) -> Result<ResetResponse, Problem>;

    /// Explains a request that nobody sends. 404 if there is no such agent, 400 if the request makes no sense.
    fn explain(&self, request: &ExplainRequest) -> Result<ExplainResponse, Problem>;

    /// A past decision from the decision log, explained. 404 if it is not there.
    fn decision(&self, id: &str) -> Result<LoggedDecision, Problem>;

    /// Takes what `aegisctl verify` found. 404 if there is no such agent, 400 if the report makes no sense, 503 if it
    /// cannot be recorded.
    fn verified(&self, report: Verification) -> Result<VerificationStatus, Problem>;

    /// Path of the audit log.
    fn audit_path(&self) -> PathBuf;

    /// Audit lines from now on, each without its newline; may skip lines when the reader is slow.
    fn audit_lines(&self) -> BoxStream<'static, String>;
}
