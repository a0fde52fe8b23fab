//! What the kernel's half tells: its counts, its events, and what of it is in force.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError};

use super::agents::AgentIndex;
use super::counters::Counters;
use super::error::KernelError;
use super::events::EventStream;
use super::flows::{self, FlowTable};
use super::load::Hook;
use super::tables::TableFill;
use super::usage::AgentUsage;
use super::{Kernel, syscall};

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
    /// Every enrolled agent's connections, as the kernel and the proxy count them.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn usage(&self) -> Result<HashMap<AgentIndex, AgentUsage>, KernelError> {
        let mut usage = self.agents.lock().unwrap_or_else(PoisonError::into_inner).usage.read()?;
        self.flows.complete(&mut usage);
        Ok(usage)
    }

    /// How full the kernel's tables are. Reads them from end to end.
    #[must_use]
    pub fn fill(&self) -> Vec<TableFill> {
        let (flows, dns_clients) = self.flows.lengths();
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let namespaces = self.proxy.lock().unwrap_or_else(PoisonError::into_inner).len();
        let table = |name, used, capacity| TableFill { name, used, capacity };
        vec![
            table("agent_cgroups", agents.cgroups.keys().count(), 16_384),
            table("direct", agents.direct.keys().count(), 16_384),
            table("flows", flows, flows::CAPACITY),
            table("dns_clients", dns_clients, flows::CAPACITY),
            table("usage", agents.usage.len(), 32_768),
            table("namespaces", namespaces, 4096),
        ]
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

    /// The programs that are in force, by number: other ones after each start, and where somebody replaced one.
    #[must_use]
    pub fn programs(&self) -> Vec<u32> {
        self.hooks.iter().map(|hook| syscall::link_info(hook.link.as_fd()).map_or(0, |info| info.program_id)).collect()
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
