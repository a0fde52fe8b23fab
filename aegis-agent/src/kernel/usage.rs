//! What the kernel counts of each agent, and how it adds up with what the proxy took.

use std::{collections::HashMap as StdHashMap, path::Path};

use aegis_common::{Usage, UsageKey};
use aya::maps::{HashMap, Map, MapData, MapError};

use super::{AgentIndex, KernelError};

/// What belongs to no agent.
const NOBODY: u32 = 0;
/// BPF_NOEXIST: what an agent has used so far is not forgotten when it is enrolled again.
const NEW_ONLY: u64 = 1;

/// The map `USAGE`, under one daemon's generation.
pub(super) struct UsageTable {
    map: HashMap<MapData, UsageKey, Usage>,
    generation: u32,
}

/// One agent's connections, as the kernel and the proxy see them since the daemon's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentUsage {
    /// TCP connects decided by the kernel, whatever the verdict.
    pub connects: u64,
    /// Everything refused by the kernel.
    pub denied: u64,
    /// Connections sent to the proxy or the resolver.
    pub redirected: u64,
    /// Of these: ended before they were accepted.
    pub withdrawn: u64,
    /// Of these: not accepted yet.
    pub pending: u64,
    /// Of these: taken by the proxy or the resolver.
    pub taken: u64,
    /// Open now (both ends).
    pub open: u64,
    /// Events that were not reported because the agent had used up its share of the ring.
    pub suppressed: u64,
}

impl AgentUsage {
    /// Redirected connections that nobody can tell of; anything but 0 is an alarm. The counts are read one after the
    /// other: those that moved meanwhile may hide a missing one for a moment, never make one up for long.
    #[must_use]
    pub fn unaccounted(&self) -> u64 {
        self.redirected.saturating_sub(self.withdrawn.saturating_add(self.pending).saturating_add(self.taken))
    }
}

impl UsageTable {
    pub(super) fn new(map: Map, generation: u32) -> Result<Self, KernelError> {
        let map = map.try_into().map_err(KernelError::bpf("open the agents' counts"))?;
        Ok(Self { map, generation })
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Makes the counts of an agent, if there are none.
    pub(super) fn begin(&mut self, agent: u32) -> Result<(), KernelError> {
        match self.map.insert(self.key(agent), Usage::default(), NEW_ONLY) {
            Ok(()) => Ok(()),
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            Err(error) => Err(KernelError::bpf("count an agent")(error)),
        }
    }

    /// Makes the counts of several agents and of what is nobody's.
    pub(super) fn begin_all(&mut self, agents: &[u32]) -> Result<(), KernelError> {
        self.begin(NOBODY)?;
        agents.iter().try_for_each(|agent| self.begin(*agent))
    }

    pub(super) fn end(&mut self, agent: u32) -> Result<(), KernelError> {
        match self.map.remove(&self.key(agent)) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(KernelError::bpf("forget an agent's counts")(error)),
        }
    }

    /// Forgets what was counted for earlier daemons.
    pub(super) fn forget_others(&mut self) -> Result<(), KernelError> {
        let keys: Result<Vec<UsageKey>, _> = self.map.keys().collect();
        for key in keys.map_err(KernelError::bpf("read the agents' counts"))? {
            if key.generation != self.generation {
                self.map.remove(&key).map_err(KernelError::bpf("forget old counts"))?;
            }
        }
        Ok(())
    }

    /// Every agent's counts, without what only the daemon knows.
    pub(super) fn read(&self) -> Result<StdHashMap<AgentIndex, AgentUsage>, KernelError> {
        let mut all = StdHashMap::new();
        for entry in self.map.iter() {
            let (key, usage) = entry.map_err(KernelError::bpf("read the agents' counts"))?;
            if let Some(agent) = AgentIndex::new(key.agent).filter(|_| key.generation == self.generation) {
                let used = AgentUsage {
                    connects: usage.connects,
                    denied: usage.denied,
                    redirected: usage.recorded,
                    withdrawn: usage.withdrawn,
                    open: usage.open,
                    suppressed: usage.suppressed,
                    ..AgentUsage::default()
                };
                all.insert(agent, used);
            }
        }
        Ok(all)
    }

    pub(super) fn len(&self) -> usize {
        self.map.keys().count()
    }

    fn key(&self, agent: u32) -> UsageKey {
        UsageKey { agent, generation: self.generation }
    }
}

/// A generation that no earlier daemon had, by the counts that are pinned.
pub(super) fn next_generation(pinned: &Path) -> Result<u32, KernelError> {
    if !pinned.exists() {
        return Ok(1);
    }
    let wrong = || KernelError::bpf("read the agents' counts");
    let map = Map::from_map_data(MapData::from_pin(pinned).map_err(wrong())?).map_err(wrong())?;
    let map: HashMap<_, UsageKey, Usage> = map.try_into().map_err(wrong())?;
    let generations: Result<Vec<u32>, MapError> = map.keys().map(|key| key.map(|key| key.generation)).collect();
    Ok(generations.map_err(wrong())?.into_iter().max().unwrap_or(0).wrapping_add(1))
}

#[cfg(test)]
mod tests {
    use super::AgentUsage;

    #[test]
    fn what_is_neither_withdrawn_nor_pending_nor_taken_is_missing() {
        let usage = AgentUsage { redirected: 10, withdrawn: 2, pending: 1, taken: 6, ..AgentUsage::default() };
        assert_eq!(usage.unaccounted(), 1);
        // Read while one moved from pending to taken.
        assert_eq!(AgentUsage { taken: 8, ..usage }.unaccounted(), 0);
    }
}
