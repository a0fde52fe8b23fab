//! The kernel's half of Aegis, behind one small facade: the only place that knows aya.
//!
//! The programs are in `aegis-ebpf`. Their links and maps are pinned, so enforcement and
//! enrolments outlive the daemon: while it is away, redirected connections meet a closed port.
//!
//! What cgroup hooks do not see: a socket belongs to the cgroup it was made in, so one that was
//! made outside the enforced root and handed in (inherited, or passed over a unix socket) is not
//! theirs; `aegisctl run` therefore closes what it would hand down. `AF_PACKET` and `AF_VSOCK`
//! pass no hook of these either; `aegisctl run` closes them by seccomp and capabilities.

mod agents;
pub mod cgroup;
mod counters;
mod error;
mod events;
mod flows;
mod load;
mod log;
mod netns;
mod pins;
pub mod preflight;
mod syscall;

use std::{
    net::{SocketAddrV4, SocketAddrV6},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aegis_common::map_name;
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray, RingBuf},
};

pub use agents::{AgentIndex, DirectRule, Protocol};
pub use counters::Counters;
pub use error::KernelError;
pub use events::{EventKind, EventStream, KernelEvent};
pub use flows::{FlowRecord, FlowTable, MemoryFlows};
pub use netns::NetnsCookie;

use agents::Agents;
use cgroup::Cgroup;
use flows::KernelFlows;
use load::Hook;
use pins::{Found, Pins};

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
}

/// The attached programs and their maps. Dropping it detaches nothing.
pub struct Kernel {
    root: PathBuf,
    pins: Pins,
    hooks: Vec<Hook>,
    agents: Mutex<Agents>,
    flows: Arc<KernelFlows>,
    events: Mutex<Option<RingBuf<MapData>>>,
    counters: PerCpuArray<MapData, u64>,
}

/// Shared by all connections of the daemon.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    const fn movable<T: Send>() {}
    shared::<Kernel>();
    movable::<EventStream>();
};

/// One program and whether it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookStatus {
    pub name: String,
    /// The kernel runs it for the enforced cgroup.
    pub attached: bool,
    /// It stays when the daemon goes.
    pub pinned: bool,
}

impl Kernel {
    /// Checks the machine, then loads, attaches and pins the programs. Where an earlier daemon
    /// left its own, their maps are adopted (enrolments survive) and each program is replaced
    /// atomically. Must be called in the network namespace of the listeners.
    ///
    /// # Errors
    /// One line with the fix: the machine lacks something, the pins are of another version or
    /// for another cgroup, or the kernel refused a program.
    pub fn attach(cfg: &KernelConfig) -> Result<Self, KernelError> {
        preflight::require(cfg)?;
        let root_level = load::root_level(&cfg.cgroup_root)?;
        let root = Cgroup::ensure(&cfg.cgroup_root)?;
        let pins = Pins::new(&cfg.pin_dir);
        pins.make_dirs()?;
        if let Found::Adoptable { root_cgroup_id } = pins.inspect()?
            && root_cgroup_id != root.id
        {
            return Err(KernelError::ForeignRoot { dir: cfg.pin_dir.clone(), cgroup_root: cfg.cgroup_root.clone() });
        }
        let mut object = load::object(cfg, &pins, root_level)?;
        load::write_meta(&mut object, &root)?;
        if cfg.log {
            log::forward(&mut object)?;
        }
        let hooks = load::attach_all(&mut object, &pins, &root)?;
        Self::assemble(cfg, pins, hooks, object)
    }

    fn assemble(cfg: &KernelConfig, pins: Pins, hooks: Vec<Hook>, mut object: Ebpf) -> Result<Self, KernelError> {
        let mut open = |name: &str| load::map(&mut object, name);
        let wrong = || KernelError::bpf("open the programs' maps");
        Ok(Self {
            root: cfg.cgroup_root.clone(),
            pins,
            hooks,
            agents: Mutex::new(Agents {
                cgroups: open(map_name::AGENT_CGROUPS)?.try_into().map_err(wrong())?,
                direct: open(map_name::DIRECT)?.try_into().map_err(wrong())?,
            }),
            flows: Arc::new(KernelFlows::new(open(map_name::FLOWS)?, open(map_name::DNS_CLIENTS)?, cfg)?),
            events: Mutex::new(Some(open(map_name::EVENTS)?.try_into().map_err(wrong())?)),
            counters: open(map_name::COUNTERS)?.try_into().map_err(wrong())?,
        })
    }

    /// Ends enforcement: removes every pin below `pin_dir` (uninstall). Not an error when there
    /// is none.
    ///
    /// # Errors
    /// When a pin cannot be removed.
    pub fn detach(pin_dir: &Path) -> Result<(), KernelError> {
        Pins::new(pin_dir).remove()
    }

    /// Makes every process in `cgroup` and below it act as `agent`, with exactly these direct
    /// destinations. Repeating it is harmless. Returns the cgroup's id.
    ///
    /// # Errors
    /// When the cgroup is not below the enforced root, belongs to another agent, or a map is full.
    pub fn enroll(&self, agent: AgentIndex, cgroup: &Path, direct: &[DirectRule]) -> Result<u64, KernelError> {
        agents::check_below(&self.root, cgroup)?;
        let cgroup = Cgroup::ensure(cgroup)?;
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).enroll(agent, &cgroup, direct)?;
        Ok(cgroup.id)
    }

    /// Takes an agent's cgroups and direct destinations away: its processes are refused from
    /// then on. The cgroup directories stay.
    ///
    /// # Errors
    /// When a map cannot be read or written.
    pub fn withdraw(&self, agent: AgentIndex) -> Result<(), KernelError> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).withdraw(agent)
    }

    /// Who is behind the flows that reach the listeners.
    #[must_use]
    pub fn flows(&self) -> Arc<dyn FlowTable> {
        Arc::clone(&self.flows) as Arc<dyn FlowTable>
    }

    /// The kernel's events; has one reader, so it can be asked for once. Must be called inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`KernelError::EventsTaken`] the second time.
    pub fn events(&self) -> Result<EventStream, KernelError> {
        let ring = self.events.lock().unwrap_or_else(PoisonError::into_inner).take();
        EventStream::new(ring.ok_or(KernelError::EventsTaken)?)
    }

    /// The kernel's own counts.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counters(&self) -> Result<Counters, KernelError> {
        Counters::read(&self.counters)
    }

    /// Every program by name, and whether it is in force now.
    #[must_use]
    pub fn hooks(&self) -> Vec<HookStatus> {
        let status = |hook: &Hook| HookStatus {
            name: hook.name.clone(),
            attached: syscall::link_info(hook.link.as_fd()).is_ok_and(|info| info.cgroup_id != 0),
            pinned: self.pins.link(&hook.name).exists(),
        };
        self.hooks.iter().map(status).collect()
    }
}
