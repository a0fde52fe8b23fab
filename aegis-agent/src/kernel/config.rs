//! What the kernel's half is told at its start.

use std::net::{SocketAddrV4, SocketAddrV6};
use std::path::PathBuf;
use std::time::Duration;

use super::departure::OnDeparture;

/// What to enforce, and where agents are sent.
#[derive(Clone, Debug)]
pub struct KernelConfig {
    /// Absolute path of the enforced cgroup, below the cgroup v2 mount; made if missing.
    pub cgroup_root: PathBuf,
    /// A directory on a bpf file system; made if missing.
    pub pin_dir: PathBuf,
    /// The proxy's listener, on a loopback address.
    pub proxy_v4: SocketAddrV4,
    /// Its IPv6 twin. Without it IPv6 connections are sent to `proxy_v4` as mapped address.
    pub proxy_v6: Option<SocketAddrV6>,
    /// Port of the DNS listener (UDP and TCP) on the same loopback addresses.
    pub dns_port: u16,
    /// Whether the programs log what they report as events (through `tracing`, target `aegis_ebpf`). Needs a
    /// tokio runtime at [`Kernel::attach`].
    pub log: bool,
    pub unenrolled: Unenrolled,
    /// With [`Unenrolled::Pass`]: cgroups below the root (absolute; made if missing) in which whoever is not enrolled is
    /// denied all the same.
    pub closed: Vec<PathBuf>,
    pub limits: AgentLimits,
    /// How long the daemon counts as alive after [`Kernel::attach`] and after each [`Kernel::beat`].
    pub lease: Duration,
    pub on_departure: OnDeparture,
}

/// What becomes of processes below the enforced root that are no agent's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unenrolled {
    #[default]
    Deny,
    /// They are left alone, but for closed cgroups.
    Pass,
}

/// What one agent may use up in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentLimits {
    /// Redirected connections open at a time.
    pub connections: u32,
    pub events_per_second: u32,
}

impl Default for AgentLimits {
    fn default() -> Self {
        Self { connections: 4096, events_per_second: 1000 }
    }
}
