//! What the control API knows and does, on the daemon's own parts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aegis_api::{
    Agent, AgentSpec, ExplainRequest, ExplainResponse, Finding, PolicyStatus, Problem, RunInfo, Status, TokenResponse,
    Verification, VerificationStatus,
};
use futures_util::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Aegis, build};
use crate::control::{self, Control, ControlSocket};
use crate::kernel::preflight;

mod agents;
mod explain;
pub(in crate::daemon) mod status;
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

struct Api(Arc<Aegis>);

impl Control for Api {
    fn status(&self) -> Status {
        status::of(&self.0, self.agents())
    }

    fn doctor(&self) -> Vec<Finding> {
        match build::kernel_config(&self.0.config) {
            Ok(config) => {
                let found = preflight::check(&config).into_iter().chain(self.0.kernel.findings());
                found.map(finding).collect()
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
        self.0.registry.list().iter().map(|enrolled| agents::described(enrolled)).collect()
    }

    fn register(&self, spec: AgentSpec) -> Result<Agent, Problem> {
        agents::register(&self.0, spec)
    }

    fn remove(&self, name: &str) -> Result<(), Problem> {
        agents::remove(&self.0, name)
    }

    fn run_info(&self, name: &str) -> Result<RunInfo, Problem> {
        agents::run_info(&self.0, name)
    }

    fn mint(&self, agent: &str, ttl: Option<Duration>) -> Result<TokenResponse, Problem> {
        agents::mint(&self.0, agent, ttl)
    }

    fn reload_policy(&self) -> Result<PolicyStatus, Problem> {
        match self.0.reload_policy() {
            Ok(()) => Ok(status::policy_status(&self.0)),
            Err(error) => {
                Err(Problem::unprocessable(error.to_string())
                    .next("The policy in force stays; mend the file and reload."))
            }
        }
    }

    fn explain(&self, request: &ExplainRequest) -> Result<ExplainResponse, Problem> {
        explain::explain(&self.0, request)
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
