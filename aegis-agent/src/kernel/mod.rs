//! The kernel's half of Aegis, behind one small facade: the only place that knows aya.
//!
//! The programs are in `aegis-ebpf`. Their links and maps are pinned, so enforcement and
//! enrolments outlive the daemon: while it is away, redirected connections meet a closed port.
//!
//! What cgroup hooks do not see: a socket belongs to the cgroup it was made in, so one that was
//! made outside the enforced root and handed in (inherited, or passed over a unix socket) is not
//! theirs; `AF_PACKET` and `AF_VSOCK` pass no hook of these either. Guards of the whole kernel (BPF LSM,
//! tracing) close that where the kernel has them; `aegisctl run` closes it by itself.

mod agents;
mod btf;
mod cables;
pub mod cgroup;
mod config;
mod counters;
mod departure;
mod error;
mod events;
mod flows;
mod guards;
mod host_link;
mod layout;
mod load;
mod log;
mod lsm;
mod netns;
mod notes;
mod pins;
pub mod preflight;
mod proxy;
mod status;
mod syscall;
mod tables;
mod usage;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aegis_common::map_name;
use aya::{
    Ebpf,
    maps::{Map, MapData, PerCpuArray, RingBuf},
};

pub use agents::{AgentIndex, AgentRules, DirectRule, Inbound, OnDown, Protocol};
pub use cables::cables_into;
pub use config::{AgentLimits, KernelConfig, Unenrolled};
pub use counters::Counters;
pub use departure::OnDeparture;
pub use error::KernelError;
pub use events::{EventKind, EventStream, KernelEvent};
pub use flows::{FlowRecord, FlowTable, MemoryFlows};
pub use guards::GuardStatus;
pub use netns::NetnsCookie;
pub use proxy::Listeners;
pub use status::HookStatus;
pub use tables::TableFill;
pub use usage::AgentUsage;

use agents::Agents;
use cgroup::Cgroup;
use departure::Members;
use flows::KernelFlows;
use guards::Guard;
use host_link::HostLinks;
use layout::Layout;
use load::{Hook, Scope};
use notes::SocketNotes;
use pins::Pins;
use proxy::ProxyState;
use tables::Tables;

/// The attached programs and their maps. Dropping it detaches nothing.
pub struct Kernel {
    root: PathBuf,
    pins: Pins,
    hooks: Vec<Hook>,
    guards: Vec<Guard>,
    members: Members,
    socket_notes: SocketNotes,
    host_links: HostLinks,
    lease: Duration,
    agents: Mutex<Agents>,
    proxy: Mutex<ProxyState>,
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
        pins.check(&root)?;
        pins.make_dirs()?;
        let generation = usage::next_generation(&pins.map(map_name::USAGE))?;
        // A kernel whose structures cannot be read goes without the programs that read them.
        let (layout, unreadable) = match Layout::read() {
            Ok(layout) => (layout, None),
            Err(why) => (Layout::default(), Some(why)),
        };
        let mut object = load::object(cfg, &pins, &Scope { root_cgroup_id: root.id, root_level, generation, layout })?;
        load::write_meta(&mut object, &root)?;
        if cfg.log {
            log::forward(&mut object)?;
        }
        // All that the new programs read is there before the first of them runs.
        let tables = Tables::open(cfg, &mut object, generation)?;
        let hooks = load::attach_all(&mut object, &pins, &root)?;
        let guards = guards::attach_all(&mut object, &pins, unreadable.as_deref())?;
        pins.keep_own_maps()?;
        let kernel = Self::assemble(cfg, pins, hooks, guards, object, tables)?;
        kernel.note_members(&kernel.root)?;
        Ok(kernel)
    }

    fn assemble(
        cfg: &KernelConfig,
        pins: Pins,
        hooks: Vec<Hook>,
        guards: Vec<Guard>,
        mut object: Ebpf,
        tables: Tables,
    ) -> Result<Self, KernelError> {
        let mut open = |name: &str| load::map(&mut object, name);
        let wrong = || KernelError::bpf("open the programs' maps");
        let Tables { mut agents, proxy } = tables;
        let dns_entries = MapData::from_pin(pins.map(map_name::DNS_CLIENTS)).map_err(wrong())?;
        let entries = MapData::from_pin(pins.map(map_name::FLOWS)).and_then(Map::from_map_data).map_err(wrong())?;
        let (flows, dns_clients) = (open(map_name::FLOWS)?, open(map_name::DNS_CLIENTS)?);
        let flows = KernelFlows::new(flows, entries, dns_clients, dns_entries, cfg, agents.usage.generation())?;
        agents.usage.forget_others()?;
        // A daemon that is killed again and again must not fill the table.
        flows.purge_older()?;
        let notes = syscall::obj_get(&pins.map(map_name::MEMBERS));
        let members = Members::new(notes.map_err(KernelError::io("open the notes of processes"))?, cfg.on_departure);
        let events = open(map_name::EVENTS)?.try_into().map_err(wrong())?;
        let counters = open(map_name::COUNTERS)?.try_into().map_err(wrong())?;
        Ok(Self {
            root: cfg.cgroup_root.clone(),
            hooks,
            guards,
            members,
            socket_notes: SocketNotes::open(&pins)?,
            host_links: HostLinks::adopt(object, &pins)?,
            pins,
            lease: cfg.lease,
            agents: Mutex::new(agents),
            proxy: Mutex::new(proxy),
            flows: Arc::new(flows),
            events: Mutex::new(Some(events)),
            counters,
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

    /// Makes every process in `cgroup` and below it act as `agent`, under exactly these rules. Repeating it is harmless.
    /// Returns the cgroup's id.
    ///
    /// # Errors
    /// When the cgroup is not below the enforced root, belongs to another agent, or a map is full.
    pub fn enroll(&self, agent: AgentIndex, cgroup: &Path, rules: &AgentRules) -> Result<u64, KernelError> {
        agents::check_below(&self.root, cgroup)?;
        let cgroup = Cgroup::ensure(cgroup)?;
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).enroll(agent, &cgroup, rules)?;
        self.note_members(&cgroup.path)?;
        Ok(cgroup.id)
    }

    /// As [`Kernel::enroll`], for a cgroup that somebody else made: only while it is the one with this `id`.
    ///
    /// # Errors
    /// Also when it is gone, or another one is in its place.
    pub fn enroll_found(
        &self,
        agent: AgentIndex,
        cgroup: &Path,
        id: u64,
        rules: &AgentRules,
    ) -> Result<(), KernelError> {
        agents::check_below(&self.root, cgroup)?;
        let cgroup = Cgroup::found(cgroup, id)?;
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).enroll(agent, &cgroup, rules)?;
        self.note_members(&cgroup.path)
    }

    /// Takes an agent's cgroups and direct destinations away: its processes are refused from
    /// then on. The cgroup directories stay.
    ///
    /// # Errors
    /// When a map cannot be read or written.
    pub fn withdraw(&self, agent: AgentIndex) -> Result<(), KernelError> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).withdraw(agent)?;
        self.flows.forget(agent);
        Ok(())
    }

    /// Tells the programs that the daemon lives, for another lease. Without it they deny what would go to the proxy, or
    /// let it pass for agents that are [`OnDown::Open`].
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn beat(&self) -> Result<(), KernelError> {
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner).renew(self.lease)
    }

    /// Tells the programs that the daemon is gone, from now on.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn retire(&self) -> Result<(), KernelError> {
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner).renew(Duration::ZERO)
    }

    /// From now on agents in this network namespace are sent to the listeners there. The daemon's own is served from
    /// the start.
    ///
    /// # Errors
    /// When the map is full.
    pub fn serve_namespace(&self, namespace: NetnsCookie, listeners: Listeners) -> Result<(), KernelError> {
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner).serve(namespace, listeners)
    }

    /// From now on agents in this network namespace are refused.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn leave_namespace(&self, namespace: NetnsCookie) -> Result<(), KernelError> {
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner).leave(namespace)
    }

    /// Forgets the connections that earlier daemons' programs recorded and that were never accepted. Not at the start: those
    /// of the last one may wait in a listener that was handed over.
    ///
    /// # Errors
    /// When the flow table cannot be written.
    pub fn forget_former(&self) -> Result<(), KernelError> {
        self.flows.purge()
    }

    /// Forgets those who asked the resolver from `namespace` and are gone; gives how many. `alive` gives the cookies of all UDP
    /// sockets of the namespace.
    ///
    /// # Errors
    /// When the sockets cannot be listed or the table cannot be written.
    pub fn forget_dead_dns(
        &self,
        namespace: NetnsCookie,
        alive: impl FnOnce() -> std::io::Result<HashSet<u64>>,
    ) -> Result<usize, KernelError> {
        self.flows.forget_dead(namespace, alive)
    }
}
