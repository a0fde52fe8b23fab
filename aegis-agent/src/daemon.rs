//! The daemon: built from its configuration, run until a signal, drained.

mod accounts;
pub mod admission;
mod build;
pub mod containers;
mod control;
mod discovery;
mod dns_host;
mod heartbeat;
mod kernel_events;
pub mod listen;
mod membership;
mod ops;
mod policy;
mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::discovery::Refusals;
use crate::dns;
use crate::flow::standing::Standing;
use crate::flow::tools::Mailboxes;
use crate::flow::usage::Usages;
use crate::handover::Inherited;
use crate::identity::{Issuer, Registry, Replay};
use crate::kernel::{AgentIndex, FlowTable, Kernel};
use crate::memory;
use crate::namespaces::Namespaces;
use crate::policy::{Origin, Store, Who};
use crate::sockets::Sockets;
use crate::telemetry::{AuditLog, DecisionLog, Metrics, Spans};
use crate::tls;
use crate::upstream::Pools;
use accounts::Accounts;
use admission::Admissions;
use control::verification::{self, Verifications};

/// How long requests under way may take after SIGTERM.
const DRAIN: Duration = Duration::from_secs(10);

/// Everything that the steps of a connection share.
pub struct Aegis {
    pub config: Arc<Config>,
    pub kernel: Arc<Kernel>,
    pub flows: Arc<dyn FlowTable>,
    pub registry: Registry,
    pub issuer: Arc<Issuer>,
    pub replay: Replay,
    pub policy: Store,
    /// Where the policy comes from.
    pub origin: Origin,
    pub audit: AuditLog,
    pub decisions: DecisionLog,
    /// `config.instance`, shared with every event of the decision log.
    pub instance: Arc<str>,
    pub metrics: Metrics,
    pub spans: Spans,
    pub ca: Arc<tls::Authority>,
    pub server_tls: Arc<ServerConfig>,
    pub pools: Pools,
    pub resolver: Arc<dns::Resolver>,
    pub names: dns::Names,
    pub namespaces: Arc<Namespaces>,
    pub admissions: Admissions,
    pub accounts: Accounts,
    pub verifications: Verifications,
    pub standing: Standing,
    pub mailboxes: Arc<Mailboxes>,
    pub usage: Usages,
    pub sockets: Sockets,
    pub discovery: Refusals,
    pub started: SystemTime,
}

impl Aegis {
    /// Why the daemon is not ready, where it is not.
    #[must_use]
    pub fn not_ready(&self) -> Option<String> {
        if let Some(hook) = self.kernel.hooks().into_iter().find(|hook| !hook.attached || !hook.pinned) {
            return Some(format!("the hook {} is not in force", hook.name));
        }
        let audit = self.audit.health();
        if !audit.healthy {
            return Some(format!("records cannot be written: {}", audit.error.unwrap_or_default()));
        }
        verification::not_ready(self)
    }

    /// Whether an agent may have a name resolved now, by `dns.limits`.
    ///
    /// # Errors
    /// The limit that the name is beyond.
    pub fn admit_name(&self, agent: AgentIndex, asked: &dns::Asked<'_>) -> Result<(), dns::Excess> {
        let admitted = self.names.admit(agent, asked, Instant::now());
        admitted.inspect_err(|excess| self.metrics.dns_limited(excess.limit()))
    }

    /// Brings the gauges up to date that nobody counts while they change.
    pub fn refresh_metrics(&self) {
        if let Ok(counters) = self.kernel.counters() {
            self.metrics.kernel(&counters, self.accounts.missing_in_all(), &self.kernel.fill());
        }
        self.metrics.audit(&self.audit.health());
        self.metrics.state().reachable(self.replay.health().reachable);
        self.metrics.decision_log(&self.decisions.health());
        self.metrics.namespaces_served(self.namespaces.view().served.len());
    }
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: one line with the fix, or all problems of a file at once.
pub async fn run(config: Config, inherited: Inherited) -> anyhow::Result<()> {
    // Before anybody can see that the daemon runs: an early SIGHUP would end it.
    let signals = Signals::install()?;
    let kept = inherited.kept();
    let built = build::build(config, inherited).await?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let aegis = built.start(&tasks, &stop).await?;
    let beating = CancellationToken::new();
    let heart = tokio::spawn(heartbeat::run(Arc::clone(&aegis), beating.clone()));
    memory::give_back();
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    tracing::info!(
        policy = aegis.policy.current().version(),
        agents = aegis.registry.list().len(),
        cgroup = %aegis.config.cgroup_root.display(),
        "enforcing"
    );
    signals.serve(&aegis).await;
    // New connections are refused at once, unless they can wait in the listener for the daemon that comes next.
    if !kept {
        retire(&aegis, &beating);
    }
    drain(&aegis, &tasks, &stop).await;
    beating.cancel();
    let _ = heart.await;
    Ok(())
}

fn retire(aegis: &Aegis, beating: &CancellationToken) {
    beating.cancel();
    if let Err(error) = aegis.kernel.retire() {
        tracing::error!("{error}; new connections of agents hang until the heartbeat's timeout");
    }
}

/// The signals that mean something to the daemon.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// SIGHUP loads the policy again and opens the audit file anew; SIGTERM and SIGINT return.
    async fn serve(mut self, aegis: &Arc<Aegis>) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    let aegis = Arc::clone(aegis);
                    // Compiling a large policy takes a while: not on a thread that serves connections.
                    if let Err(error) = tokio::task::spawn_blocking(move || reload(&aegis)).await {
                        tracing::error!(%error, "the reload broke off; what was in force stays");
                    }
                }
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }
}

fn reload(aegis: &Aegis) {
    if let Err(error) = aegis.reload_policy(Who::default()) {
        tracing::error!("the policy was refused, the one in force stays:\n{error}");
    }
    aegis.audit.reopen();
}

/// Stops accepting, lets requests under way end, writes what is still to be written. The hooks stay: without the daemon
/// the agents are cut off, not let out.
async fn drain(aegis: &Aegis, tasks: &TaskTracker, stop: &CancellationToken) {
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    tracing::info!("draining");
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!(connections = aegis.admissions.open(), "connections were cut off after {} s", DRAIN.as_secs());
    }
    aegis.audit.drain().await;
    aegis.spans.shutdown().await;
}
