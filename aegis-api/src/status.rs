//! How this host's enforcement stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Agent, BundleStatus, DecisionLogStatus, RolloutStatus, VerificationStatus};

/// Answer of `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Name of the instance, from the configuration.
    pub instance: String,
    /// Version of the daemon.
    pub version: String,
    /// Host name.
    pub host: String,
    /// Process id of the daemon.
    pub pid: u32,
    /// When the daemon started.
    pub started: String,
    /// Seconds since then.
    pub uptime_s: u64,
    /// Hooks are attached, a policy is loaded, records can be written.
    pub ready: bool,
    /// The kernel side.
    pub kernel: KernelStatus,
    /// The policy in force.
    pub policy: PolicyStatus,
    /// Enrolled agents.
    pub agents: Vec<Agent>,
    /// Intercepted connections.
    pub flows: FlowStatus,
    /// Decisions since the start, by kind: `allow`, `deny`, `sanitize`, `approval_needed`.
    pub decisions: BTreeMap<String, u64>,
    /// Where the daemon listens.
    pub listeners: Vec<ListenerStatus>,
    /// The CA that agents trust.
    pub ca: CaStatus,
    /// The audit log.
    pub audit: AuditStatus,
    /// The decision log.
    #[serde(default)]
    pub decision_log: DecisionLogStatus,
    /// The last run of `aegisctl verify` for each agent, of this start of the daemon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verifications: Vec<VerificationStatus>,
    /// Network namespaces, other than the daemon's, that agents use.
    #[serde(default)]
    pub namespaces: Vec<NamespaceStatus>,
    /// Where it is kept which tokens were used and which are revoked.
    #[serde(default)]
    pub state: StateStatus,
    /// Cgroups that fit a pattern of `discovery` and are no agents: what is in them stays denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedCgroup>,
}

/// A unit or container that did not become an agent.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RefusedCgroup {
    /// Absolute path of its cgroup.
    pub cgroup: String,
    /// The agent that it would be, where that is known.
    pub agent: Option<String>,
    /// Why it is not.
    pub why: String,
}

/// The kernel side.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct KernelStatus {
    /// Cgroup directory under which everything is enforced.
    pub cgroup_root: String,
    /// Directory in bpffs that keeps the hooks when the daemon is gone.
    pub pin_dir: String,
    /// The hooks.
    pub hooks: Vec<HookStatus>,
    /// The programs beyond the cgroup's hooks, which a kernel may lack.
    #[serde(default)]
    pub guards: Vec<GuardStatus>,
    /// The kernel's own counters since attachment, by name.
    pub counters: BTreeMap<String, u64>,
    /// Kernel events that the ring buffer could not take; each is a gap in the event stream, never in enforcement.
    pub events_dropped: u64,
    /// Redirected connections that reached neither the proxy nor the resolver: 0, or an alarm.
    #[serde(default)]
    pub unaccounted: u64,
    /// Each agent's connections since the daemon's start, as the kernel counts them and as the proxy does.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// The kernel's tables.
    #[serde(default)]
    pub tables: Vec<TableStatus>,
}

/// One agent's connections: `redirected` is the sum of `taken`, `waiting`, `ended_early` and what is missing.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The agent.
    pub agent: String,
    /// TCP connects that the kernel decided.
    pub connects: u64,
    /// Everything that the kernel refused.
    pub denied: u64,
    /// TCP connections that the kernel sent to the proxy or the resolver.
    pub redirected: u64,
    /// Those that were accepted there.
    pub taken: u64,
    /// Those that wait to be accepted.
    pub waiting: u64,
    /// Those that ended before they were accepted.
    pub ended_early: u64,
    /// Those that are missing.
    pub unaccounted: u64,
    /// Open now.
    pub open: u64,
    /// Kernel events that were only counted because the agent had caused too many in a second.
    pub events_suppressed: u64,
}

/// One of the kernel's tables.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct TableStatus {
    /// Its name.
    pub name: String,
    /// Entries in use.
    pub used: u64,
    /// The most it holds.
    pub capacity: u64,
}

/// One hook.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct HookStatus {
    /// Name of the program, such as `connect4`.
    pub name: String,
    /// It runs.
    pub attached: bool,
    /// It goes on running without the daemon.
    pub pinned: bool,
}

/// One program beyond the cgroup's hooks (BPF LSM, tracing).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct GuardStatus {
    /// Name of the program, such as `lsm_file_receive`.
    pub name: String,
    /// It runs.
    pub in_force: bool,
    /// What it closes, or why it is absent.
    pub detail: String,
}

/// The policy in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Its version.
    pub version: String,
    /// Number of rules.
    pub rules: u64,
    /// File, directory or URL; `embedded` for the starter policy.
    pub source: String,
    /// When it was loaded.
    pub loaded_at: String,
    /// Why the last attempt to load one was refused; the version above stays in force.
    pub last_error: Option<String>,
    /// Attempts that were refused since the last good one.
    #[serde(default)]
    pub failures: u64,
    /// Where policies come as a bundle: the one that was taken last.
    #[serde(default)]
    pub bundle: Option<BundleStatus>,
    /// Number of the live version.
    #[serde(default)]
    pub number: u64,
    /// It was pushed or rolled back to, and stays over restarts for as long as the source stays as it is.
    #[serde(default)]
    pub pinned: bool,
    /// The candidate that is tried, and its numbers; without its differences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
}

/// Intercepted connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct FlowStatus {
    /// Open now.
    pub active: u64,
    /// Since the start.
    pub total: u64,
}

/// One listener.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// `proxy`, `dns` or `http`.
    pub name: String,
    /// `ip:port`.
    pub address: String,
}

/// A network namespace of agents, such as a container's.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct NamespaceStatus {
    /// Its number, as `lsns -t net` shows it; none where it could not be opened.
    pub inode: Option<u64>,
    /// The kernel's number for it, where it is served.
    pub cookie: Option<u64>,
    /// The agents that are in it, or are to be.
    pub agents: Vec<String>,
    /// Where descriptions of agents name it.
    pub paths: Vec<String>,
    /// Where Aegis listens in it.
    pub listeners: Vec<ListenerStatus>,
    /// Since when it is served.
    pub since: Option<String>,
    /// Why it is not served; agents in it are refused.
    pub error: Option<String>,
}

/// The CA that agents trust.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct CaStatus {
    /// Path of the certificate (PEM).
    pub certificate: String,
    /// End of its validity.
    pub not_after: String,
    /// Whole days until then; negative when it is over.
    pub days_left: i64,
}

/// The audit log.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct AuditStatus {
    /// Path of the log.
    pub path: String,
    /// Path of the signed checkpoints, where there are any.
    pub checkpoints: Option<String>,
    /// Path of the public key (PEM or JWK) that verifies them.
    pub public_key: Option<String>,
    /// Records can be written; if not, requests are refused.
    pub healthy: bool,
    /// Number of the last record.
    pub last_seq: u64,
    /// Records that wait to be written.
    pub queued: u64,
    /// Why it is not healthy.
    pub last_error: Option<String>,
}

/// The state store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StateStatus {
    /// `embedded` or `redis`.
    pub store: String,
    /// The file, or the server's host and port.
    pub place: String,
    /// It answers; where it does not, requests that show a token are refused unless their rule fails open.
    pub reachable: bool,
    /// Why it does not.
    pub last_error: Option<String>,
    /// Calls since the start.
    pub calls: u64,
    /// Those that were not answered in time.
    pub failed: u64,
    /// Over all that were answered.
    pub mean_latency_ms: f64,
}
