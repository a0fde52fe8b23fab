//! What the control API knows and does, on the daemon's own parts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aegis_api::{
    Agent, AgentSpec, AuditStatus, CaStatus, ExplainRequest, ExplainResponse, Finding, FlowStatus, HookStatus,
    KernelStatus, ListenerStatus, PolicyStatus, Problem, RunInfo, Status, TokenResponse,
};
use futures_util::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Aegis, build};
use crate::control::{self, Control, ControlSocket};
use crate::kernel::{Counters, preflight};

mod agents;
mod explain;

const DAY: u64 = 24 * 3600;

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
        let aegis = &self.0;
        Status {
            instance: aegis.config.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            pid: std::process::id(),
            started: rfc3339(aegis.started),
            uptime_s: aegis.started.elapsed().unwrap_or_default().as_secs(),
            ready: aegis.not_ready().is_none(),
            kernel: kernel_status(aegis),
            policy: policy_status(aegis),
            agents: self.agents(),
            flows: FlowStatus { active: aegis.admissions.open() as u64, total: aegis.metrics.flows_total() },
            decisions: aegis.metrics.decisions(),
            listeners: build::addresses(&aegis.config).into_iter().map(listener).collect(),
            ca: ca_status(aegis),
            audit: audit_status(aegis),
        }
    }

    fn doctor(&self) -> Vec<Finding> {
        match build::kernel_config(&self.0.config) {
            Ok(config) => preflight::check(&config).into_iter().map(finding).collect(),
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
        match self.0.policy.reload(SystemTime::now()) {
            Ok(_) => Ok(policy_status(&self.0)),
            Err(error) => {
                Err(Problem::unprocessable(error.to_string())
                    .next("The policy in force stays; mend the file and reload."))
            }
        }
    }

    fn explain(&self, request: &ExplainRequest) -> Result<ExplainResponse, Problem> {
        explain::explain(&self.0, request)
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

fn kernel_status(aegis: &Aegis) -> KernelStatus {
    let counters = aegis.kernel.counters().unwrap_or_default();
    KernelStatus {
        cgroup_root: aegis.config.cgroup_dir().map_or_else(|error| error, |dir| dir.display().to_string()),
        pin_dir: aegis.config.bpf.pin_dir.display().to_string(),
        hooks: aegis
            .kernel
            .hooks()
            .into_iter()
            .map(|hook| HookStatus { name: hook.name, attached: hook.attached, pinned: hook.pinned })
            .collect(),
        events_dropped: counters.events_dropped,
        counters: by_name(&counters),
    }
}

fn by_name(counters: &Counters) -> BTreeMap<String, u64> {
    [
        ("allowed_own", counters.allowed_own),
        ("allowed_direct", counters.allowed_direct),
        ("redirected", counters.redirected),
        ("redirected_dns", counters.redirected_dns),
        ("denied_connect", counters.denied_connect),
        ("denied_udp", counters.denied_udp),
        ("denied_socket", counters.denied_socket),
        ("denied_unattributed", counters.denied_unattributed),
        ("denied_bind", counters.denied_bind),
        ("denied_packet", counters.denied_packet),
        ("flow_table_full", counters.flow_table_full),
        ("denied_down", counters.denied_down),
        ("passed_down", counters.passed_down),
        ("no_listener", counters.no_listener),
        ("denied_limit", counters.denied_limit),
        ("events_suppressed", counters.events_suppressed),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .into()
}

fn policy_status(aegis: &Aegis) -> PolicyStatus {
    let snapshot = aegis.policy.current();
    PolicyStatus {
        version: snapshot.version().to_owned(),
        rules: snapshot.rules() as u64,
        source: aegis.policy.place().map_or_else(|| "embedded".to_owned(), |place| place.display().to_string()),
        loaded_at: rfc3339(aegis.policy.loaded_at()),
        last_error: aegis.policy.last_error(),
    }
}

fn ca_status(aegis: &Aegis) -> CaStatus {
    let not_after = aegis.ca.not_after();
    let days = match not_after.duration_since(SystemTime::now()) {
        Ok(left) => i64::try_from(left.as_secs() / DAY).unwrap_or(i64::MAX),
        Err(over) => -i64::try_from(over.duration().as_secs() / DAY + 1).unwrap_or(i64::MAX),
    };
    CaStatus {
        certificate: aegis.ca.certificate_path().display().to_string(),
        not_after: rfc3339(not_after),
        days_left: days,
    }
}

fn audit_status(aegis: &Aegis) -> AuditStatus {
    let health = aegis.audit.health();
    AuditStatus {
        path: health.path.display().to_string(),
        checkpoints: Some(health.checkpoints.display().to_string()),
        public_key: Some(health.public_key.display().to_string()),
        healthy: health.healthy,
        last_seq: health.last_seq,
        queued: health.queued as u64,
        last_error: health.error,
    }
}

fn listener((name, address): (&'static str, SocketAddr)) -> ListenerStatus {
    ListenerStatus { name: name.to_owned(), address: address.to_string() }
}

fn finding(found: preflight::Finding) -> Finding {
    let level = match (found.ok, found.required) {
        (true, _) => aegis_api::Level::Ok,
        (false, true) => aegis_api::Level::Fail,
        (false, false) => aegis_api::Level::Warn,
    };
    Finding { name: found.name, level, detail: found.detail, fix: found.fix }
}

fn rfc3339(at: SystemTime) -> String {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::from(at).format(format).unwrap_or_default()
}
