//! What the registry keeps on disk: who was registered, and which index every name has.
//!
//! Indexes live on in the kernel's pinned maps and in open sockets, so a name keeps its index over restarts
//! and an index that was given back is never given out again within a `state_dir`.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::registry::{MAX_AGENTS, RegistryError};
use crate::config::AgentSpec;
use crate::kernel::AgentIndex;
use crate::state::secret::write_atomically;

/// The largest file that can be one of ours: 4096 agents with every field at its limit.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The most cgroups of agents that are none any more.
const MAX_LEFT: usize = 4 * MAX_AGENTS;

/// The kernel's id of a cgroup, `None` where there is none.
fn id_of(cgroup: &Path) -> std::io::Result<Option<u64>> {
    match std::fs::metadata(cgroup) {
        Ok(directory) => Ok(Some(directory.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Roster {
    /// The next index that was never given out; 0 is "no agent" in the kernel.
    next_index: u32,
    indexes: BTreeMap<String, u32>,
    pub(super) registered: Vec<AgentSpec>,
    /// Every name that discovery gave: it keeps its index. Where it lives now, if it does.
    #[serde(default)]
    discovered: BTreeMap<String, Option<Living>>,
    /// Cgroups of agents that somebody named and took away again, by the kernel's id, as long as they are there: what lies
    /// below them the agent may have made.
    #[serde(default)]
    left: BTreeMap<PathBuf, u64>,
}

/// A discovered agent, so that it stays one over a restart of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Living {
    pub(super) cgroup: PathBuf,
    /// The kernel's id of the cgroup: no other one has it.
    pub(super) id: u64,
    pub(super) spec: AgentSpec,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            next_index: 1,
            indexes: BTreeMap::new(),
            registered: Vec::new(),
            discovered: BTreeMap::new(),
            left: BTreeMap::new(),
        }
    }
}

impl Roster {
    /// The roster in `path`, empty where there is none yet.
    pub(super) fn load(path: &Path) -> Result<Self, RegistryError> {
        let unreadable = |why: String| RegistryError::Unreadable { path: path.to_owned(), why };
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(error.to_string())),
            Ok(meta) if meta.len() > MAX_BYTES => {
                return Err(unreadable("it is too large to be a registry".to_owned()));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let roster: Self = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        // A file that somebody edited must not give one index to two agents.
        let mut used: Vec<u32> = roster.indexes.values().copied().collect();
        used.sort_unstable();
        let doubled = used.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        if doubled || used.first() == Some(&0) || used.last().is_some_and(|last| *last >= roster.next_index) {
            return Err(unreadable("its indexes contradict each other".to_owned()));
        }
        Ok(roster)
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), RegistryError> {
        let unwritable = |why: String| RegistryError::Unwritable { path: PathBuf::from(path), why };
        let text = serde_json::to_vec_pretty(self).map_err(|error| unwritable(error.to_string()))?;
        write_atomically(path, &text, 0o600).map_err(|error| unwritable(error.to_string()))
    }

    /// The index of `name`: the one it has, or the next that nobody ever had.
    pub(super) fn index_of(&mut self, name: &str) -> Result<AgentIndex, RegistryError> {
        if let Some(index) = self.indexes.get(name).copied().and_then(AgentIndex::new) {
            return Ok(index);
        }
        let index = AgentIndex::new(self.next_index).ok_or(RegistryError::IndexesUsedUp)?;
        self.next_index = self.next_index.checked_add(1).ok_or(RegistryError::IndexesUsedUp)?;
        self.indexes.insert(name.to_owned(), index.get());
        Ok(index)
    }

    /// The discovered agents that were there when this was saved.
    pub(super) fn living(&self) -> impl Iterator<Item = (&String, &Living)> {
        self.discovered.iter().filter_map(|(name, living)| Some((name, living.as_ref()?)))
    }

    /// Every name that discovery has given, now or before.
    pub(super) fn discovered_names(&self) -> Vec<String> {
        self.discovered.keys().cloned().collect()
    }

    /// Notes where a discovered agent lives; nowhere, when it is gone. Of those that are gone the oldest are forgotten.
    pub(super) fn discover(&mut self, name: &str, living: Option<Living>) {
        self.discovered.insert(name.to_owned(), living);
        let index = |name: &String| self.indexes.get(name).copied().unwrap_or_default();
        let gone = self.discovered.iter().filter(|(_, living)| living.is_none()).map(|(name, _)| name);
        let mut gone: Vec<(u32, String)> = gone.map(|name| (index(name), name.clone())).collect();
        gone.sort_unstable();
        for (_, name) in gone.iter().rev().skip(MAX_AGENTS) {
            self.discovered.remove(name);
            self.indexes.remove(name);
        }
    }

    /// Notes that the agent in `cgroup` is none any more.
    ///
    /// # Errors
    /// When too many such cgroups are still there.
    pub(super) fn leave(&mut self, cgroup: &Path) -> Result<(), RegistryError> {
        self.left.retain(|cgroup, id| !matches!(id_of(cgroup), Ok(now) if now != Some(*id)));
        match id_of(cgroup) {
            Ok(None) => Ok(()),
            Ok(Some(_)) if self.left.len() >= MAX_LEFT => Err(RegistryError::Left { cgroup: cgroup.to_owned() }),
            Ok(Some(id)) => {
                self.left.insert(cgroup.to_owned(), id);
                Ok(())
            }
            Err(error) => Err(RegistryError::Cgroup(format!("{} cannot be looked at: {error}", cgroup.display()))),
        }
    }

    /// Cgroups in which an agent was that somebody named, and is no more.
    pub(super) fn left(&self) -> impl Iterator<Item = &PathBuf> {
        self.left.iter().filter(|(cgroup, id)| !matches!(id_of(cgroup), Ok(now) if now != Some(**id))).map(|(c, _)| c)
    }

    /// Forgets that a name was discovered: somebody named an agent so.
    pub(super) fn name_is_taken(&mut self, name: &str) {
        self.discovered.remove(name);
    }

    /// Takes away the index of every name that `keep` does not want, and says whose those were.
    pub(super) fn release(&mut self, keep: impl Fn(&str) -> bool) -> Vec<(String, AgentIndex)> {
        let (kept, gone) = std::mem::take(&mut self.indexes).into_iter().partition(|(name, _)| keep(name));
        self.indexes = kept;
        let gone: BTreeMap<String, u32> = gone;
        gone.into_iter().filter_map(|(name, index)| Some((name, AgentIndex::new(index)?))).collect()
    }
}
