//! What the control API knows and does, on the daemon's own parts.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aegis_api::{
    Agent, AgentSpec, ExplainRequest, ExplainResponse, Finding, Inspection, Keys, LoggedDecision, Problem, ResetPins,
    ResetResponse, RevokeRequest, RevokeResponse, RevokedTokens, RunInfo, Status, TokenRequest, TokenResponse,
    ToolPins, Verification, VerificationStatus,
};
use futures_util::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Aegis, build};
use crate::control::{self, Control, ControlSocket};
use crate::kernel::preflight;
use crate::policy::Who;

mod agents;
mod decisions;
mod explain;
mod policy;
mod revocation;
mod source;
pub(in crate::daemon) mod status;
mod tokens;
mod tools;
pub mod verification;

/// Starts the control API.
///
/// # Errors
/// When the configured group does not exist.
pub fn start(
    aegis: &Arc<Aegis>,
    socket: ControlSocket,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let group = match &aegis.config.control.group {
        Some(name) => Some(control::group_id(name).map_err(|error| anyhow::anyhow!("control.group: {error}"))?),
        None => None,
    };
    let control: Arc<dyn Control> = Arc::new(Api(Arc::clone(aegis)));
    tasks.spawn(control::serve(socket, control, group, stop.clone()));
    Ok(())
}

pub(in crate::daemon) struct Api(Arc<Aegis>);

impl Control for Api {
    fn status(&self) -> Status {
        status::of(&self.0, self.agents())
    }

    fn doctor(&self) -> Vec<Finding> {
        match build::kernel_config(&self.0.config) {
            Ok(config) => {
                let found = preflight::check(&config).into_iter().chain(self.0.kernel.findings());
                found.map(finding).chain(agents::findings(&self.0)).collect()
            }
            Err(error) => {
                vec![Finding {
                    name: "cgroup v2".to_owned(),
                    level: aegis_api::Level::Fail,
                    detail: error.to_string(),
                    fix: None,
                }]
            }
        }
    }

    fn agents(&self) -> Vec<Agent> {
        self.0.registry.list().iter().map(|enrolled| agents::described(&self.0, enrolled)).collect()
    }

    fn agent_of(&self, cgroup: &Path) -> Option<String> {
        self.0.registry.by_cgroup_path(cgroup).map(|enrolled| enrolled.agent.name.clone())
    }

    fn has_departed(&self, process: BorrowedFd<'_>) -> io::Result<bool> {
        self.0.kernel.has_departed(process)
    }

    fn register(&self, spec: AgentSpec) -> Result<Agent, Problem> {
        agents::register(&self.0, spec)
    }

    fn update(&self, spec: AgentSpec) -> Result<Agent, Problem> {
        agents::update(&self.0, spec)
    }

    fn remove(&self, name: &str) -> Result<(), Problem> {
        agents::remove(&self.0, name)
    }

    fn run_info(&self, name: &str) -> Result<RunInfo, Problem> {
        agents::run_info(&self.0, name)
    }

    fn mint(&self, agent: &str, request: TokenRequest) -> Result<TokenResponse, Problem> {
        tokens::mint(&self.0, agent, request)
    }

    fn inspect(&self, token: &str) -> Inspection {
        tokens::inspect(&self.0, token)
    }

    fn keys(&self) -> Keys {
        tokens::keys(&self.0)
    }

    fn rotate_keys(&self) -> Result<Keys, Problem> {
        tokens::rotate(&self.0)
    }

    fn revoke(&self, agent: Option<&str>, request: &RevokeRequest) -> Result<RevokeResponse, Problem> {
        revocation::revoke(&self.0, agent, request)
    }

    fn revoked(&self) -> Result<RevokedTokens, Problem> {
        revocation::revoked(&self.0)
    }

    fn tool_pins(&self, agent: &str) -> Result<ToolPins, Problem> {
        tools::list(&self.0, agent)
    }

    fn reset_pins(&self, request: &ResetPins, who: Who) -> Result<ResetResponse, Problem> {
        tools::reset(&self.0, request, who)
    }

    fn explain(&self, request: &ExplainRequest) -> Result<ExplainResponse, Problem> {
        explain::explain(&self.0, request)
    }

    fn decision(&self, id: &str) -> Result<LoggedDecision, Problem> {
        decisions::find(&self.0, id)
    }

    fn verified(&self, report: Verification) -> Result<VerificationStatus, Problem> {
        verification::take(&self.0, report)
    }

    fn cgroup_root(&self) -> PathBuf {
        self.0.config.cgroup_dir().unwrap_or_else(|_| self.0.config.cgroup_root.clone())
    }

    fn audit_path(&self) -> PathBuf {
        self.0.config.audit.path.clone()
    }

    fn audit_lines(&self) -> BoxStream<'static, String> {
        self.0.audit.tail()
    }
}

fn finding(found: preflight::Finding) -> Finding {
    let level = match (found.ok, found.required) {
        (true, _) => aegis_api::Level::Ok,
        (false, true) => aegis_api::Level::Fail,
        (false, false) => aegis_api::Level::Warn,
    };
    Finding { name: found.name, level, detail: found.detail, fix: found.fix }
}
