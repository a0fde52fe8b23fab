//! The agents of this host: those of the configuration and those registered while it runs.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::enrolled::{Enrolled, Source};
use super::roster::{Living, Roster};
use crate::config::{AgentSpec, Config, is_name};
use crate::kernel::AgentIndex;
use crate::state::secret::private_dir;

/// The most agents one host has: the size of the kernel's table.
pub const MAX_AGENTS: usize = 4096;

/// The most labels, scopes or direct destinations of one agent.
const MAX_ENTRIES: usize = 256;
/// The longest free text of an agent, in bytes.
const MAX_TEXT: usize = 256;

/// Why the registry said no.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("`{name}` is not a name; allowed: 1 to 63 of a-z, 0-9 and `-`, the first not `-`")]
    BadName { name: String },
    #[error("the agent {name} cannot be registered: {why}")]
    BadSpec { name: String, why: String },
    #[error("the agent {name} is registered already with other settings; change it: aegisctl agents update {name}")]
    Exists { name: String },
    #[error("the agent {name} comes from the configuration file; change it there and restart")]
    FromConfig { name: String },
    #[error(
        "the agent {name} is a unit or container that runs now; change `discovery` in the configuration, or stop it"
    )]
    Discovered { name: String },
    #[error("the name {name} is taken by the agent in {}", .cgroup.display())]
    Taken { name: String, cgroup: PathBuf },
    #[error("there is no agent {name}; `aegisctl agents list` shows those there are")]
    Unknown { name: String },
    #[error("there are {MAX_AGENTS} agents already, the most a host can have; remove one first")]
    Full,
    #[error("every agent index has been used; start with a new state_dir")]
    IndexesUsedUp,
    #[error("{path} cannot be used: {why}; correct it, or move it away to start without registered agents")]
    Unreadable { path: PathBuf, why: String },
    #[error("{path} cannot be written: {why}")]
    Unwritable { path: PathBuf, why: String },
    #[error(
        "too many cgroups of agents that were removed are still there; end what runs in them and remove them, such as {}",
        .cgroup.display()
    )]
    Left { cgroup: PathBuf },
    #[error("{0}")]
    Cgroup(String),
}

/// Looked up for every connection, without a lock; changed rarely, under one.
pub struct Registry {
    view: ArcSwap<View>,
    roster: Mutex<Roster>,
    path: PathBuf,
    cgroup_root: PathBuf,
    departed: Vec<Departed>,
}

/// An agent that was there before this start and is not now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departed {
    pub name: String,
    /// The index that it had.
    pub index: AgentIndex,
    pub cgroup: PathBuf,
}

#[derive(Clone, Default)]
struct View {
    by_index: HashMap<AgentIndex, Arc<Enrolled>>,
    by_name: BTreeMap<String, Arc<Enrolled>>,
    by_cgroup: HashMap<PathBuf, Arc<Enrolled>>,
}

impl View {
    fn add(&mut self, agent: Arc<Enrolled>) {
        self.by_index.insert(agent.index, Arc::clone(&agent));
        self.by_cgroup.insert(agent.cgroup.clone(), Arc::clone(&agent));
        self.by_name.insert(agent.agent.name.clone(), agent);
    }

    /// With one agent more, or with it in the place of what it was.
    fn with(&self, agent: &Arc<Enrolled>) -> Self {
        let mut view = self.clone();
        view.add(Arc::clone(agent));
        view
    }

    fn without(&self, agent: &Enrolled) -> Self {
        let mut view = self.clone();
        view.by_index.remove(&agent.index);
        view.by_cgroup.remove(&agent.cgroup);
        view.by_name.remove(&agent.agent.name);
        view
    }
}

impl Registry {
    /// The agents of `config` and those kept in its `state_dir/agents.json`.
    ///
    /// # Errors
    /// When the file cannot be read, contradicts itself or cannot be written, or there are too many agents.
    pub fn open(config: &Config) -> Result<Self, RegistryError> {
        let cgroup_root = config.cgroup_dir().map_err(RegistryError::Cgroup)?;
        let path = config.state_dir.join("agents.json");
        private_dir(&config.state_dir)
            .map_err(|error| RegistryError::Unwritable { path: config.state_dir.clone(), why: error.to_string() })?;
        let mut roster = Roster::load(&path)?;
        // What the file says of an agent that the configuration describes now is out of date.
        roster.registered.retain(|spec| !config.agents.iter().any(|agent| agent.name == spec.name));
        let restored = restore(&mut roster, config, &cgroup_root)?;
        let described = (config.agents.iter().map(|spec| (spec, Source::Config)))
            .chain(roster.registered.iter().map(|spec| (spec, Source::Registered)));
        let described: Vec<(AgentSpec, Source)> = described.map(|(spec, source)| (spec.clone(), source)).collect();
        if described.len() + restored.living.len() > MAX_AGENTS {
            return Err(RegistryError::Full);
        }
        let Restored { living, mut departed } = restored;
        let known: Vec<String> = roster.discovered_names();
        let left = roster
            .release(|name| described.iter().any(|(spec, _)| spec.name == name) || known.iter().any(|n| n == name));
        for (name, index) in left {
            let cgroup = cgroup_root.join(&name);
            roster.leave(&cgroup)?;
            departed.push(Departed { name, index, cgroup });
        }
        let mut view = View::default();
        living.into_iter().for_each(|agent| view.add(agent));
        for (spec, source) in described {
            check(&spec)?;
            let index = roster.index_of(&spec.name)?;
            let cgroup = cgroup_root.join(&spec.name);
            view.add(Arc::new(Enrolled::new(index, spec, source, cgroup)));
        }
        roster.save(&path)?;
        Ok(Self { view: ArcSwap::from_pointee(view), roster: Mutex::new(roster), path, cgroup_root, departed })
    }

    /// Agents that were there before this start and are not now: to be withdrawn from the kernel.
    #[must_use]
    pub fn departed(&self) -> &[Departed] {
        &self.departed
    }

    #[must_use]
    pub fn by_index(&self, index: AgentIndex) -> Option<Arc<Enrolled>> {
        self.view.load().by_index.get(&index).cloned()
    }

    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Arc<Enrolled>> {
        self.view.load().by_name.get(name).cloned()
    }

    /// The agent whose cgroup is `path` or lies nearest above it. `path` is absolute, below the cgroup2 mount.
    #[must_use]
    pub fn by_cgroup_path(&self, path: &Path) -> Option<Arc<Enrolled>> {
        let view = self.view.load();
        path.ancestors().find_map(|place| view.by_cgroup.get(place)).cloned()
    }

    /// All agents, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Enrolled>> {
        self.view.load().by_name.values().cloned().collect()
    }

    /// Cgroups that are there and in which an agent was that somebody named and removed: what is in them, an agent may have made.
    #[must_use]
    pub fn left(&self) -> Vec<PathBuf> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner).left().cloned().collect()
    }

    /// Adds an agent and keeps it. The same description again gives the same agent.
    ///
    /// # Errors
    /// When the description is wrong, the name is taken, the registry is full or the file cannot be written.
    pub fn register(&self, spec: AgentSpec) -> Result<Arc<Enrolled>, RegistryError> {
        check(&spec)?;
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.view.load();
        match view.by_name.get(&spec.name) {
            Some(agent) if agent.spec == spec => return Ok(Arc::clone(agent)),
            Some(agent) if agent.source == Source::Registered => return Err(RegistryError::Exists { name: spec.name }),
            Some(agent) => return Err(fixed(agent)),
            None if view.by_name.len() >= MAX_AGENTS => return Err(RegistryError::Full),
            None => {}
        }
        let mut next = roster.clone();
        let index = next.index_of(&spec.name)?;
        next.name_is_taken(&spec.name);
        next.registered.push(spec.clone());
        // On disk first: an index that the kernel knows must never be forgotten.
        next.save(&self.path)?;
        *roster = next;
        let cgroup = self.cgroup_root.join(&spec.name);
        let agent = Arc::new(Enrolled::new(index, spec, Source::Registered, cgroup));
        self.view.store(Arc::new(view.with(&agent)));
        Ok(agent)
    }

    /// Adds the agent that discovery sees in `cgroup`, whose id in the kernel is `id`; or describes it anew.
    ///
    /// # Errors
    /// When the description is wrong, the name or the cgroup is another agent's, the registry is full or the file cannot be
    /// written.
    pub fn discover(&self, spec: AgentSpec, cgroup: PathBuf, id: u64) -> Result<Arc<Enrolled>, RegistryError> {
        check(&spec)?;
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.view.load();
        let same = |agent: &&Arc<Enrolled>| agent.cgroup == cgroup && agent.cgroup_id == Some(id);
        let before = view.by_name.get(&spec.name);
        if let Some(other) = before
            .filter(|agent| !same(agent))
            .or_else(|| view.by_cgroup.get(&cgroup))
            .filter(|agent| !same(agent) || agent.agent.name != spec.name)
        {
            return Err(RegistryError::Taken { name: other.agent.name.clone(), cgroup: other.cgroup.clone() });
        }
        if before.is_none() && view.by_name.len() >= MAX_AGENTS {
            return Err(RegistryError::Full);
        }
        let mut next = roster.clone();
        let index = next.index_of(&spec.name)?;
        next.discover(&spec.name, Some(Living { cgroup: cgroup.clone(), id, spec: spec.clone() }));
        next.save(&self.path)?;
        *roster = next;
        let agent = Arc::new(Enrolled::found(index, spec, cgroup, id));
        self.view.store(Arc::new(view.with(&agent)));
        Ok(agent)
    }

    /// Takes a discovered agent away; its name keeps its index.
    ///
    /// # Errors
    /// When the file cannot be written; the agent is away all the same.
    pub fn forget(&self, agent: &Enrolled) -> Result<(), RegistryError> {
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        self.view.store(Arc::new(self.view.load().without(agent)));
        roster.discover(&agent.agent.name, None);
        roster.save(&self.path)
    }

    /// Gives a registered agent another description; it keeps its index and its cgroup. Gives what it was and what it is.
    ///
    /// # Errors
    /// When the description is wrong, there is no such agent, it was not registered, or the file cannot be written.
    pub fn update(&self, spec: AgentSpec) -> Result<(Arc<Enrolled>, Arc<Enrolled>), RegistryError> {
        check(&spec)?;
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.view.load();
        let Some(old) = view.by_name.get(&spec.name) else { return Err(RegistryError::Unknown { name: spec.name }) };
        if old.source != Source::Registered {
            return Err(fixed(old));
        }
        let mut next = roster.clone();
        for kept in next.registered.iter_mut().filter(|kept| kept.name == spec.name) {
            *kept = spec.clone();
        }
        next.save(&self.path)?;
        *roster = next;
        let new = Arc::new(Enrolled::new(old.index, spec, Source::Registered, old.cgroup.clone()));
        self.view.store(Arc::new(view.with(&new)));
        Ok((Arc::clone(old), new))
    }

    /// Takes a registered agent away. Its index is not used again. Gives what was removed, for the kernel
    /// to withdraw.
    ///
    /// # Errors
    /// When there is no such agent, it comes from the configuration, or the file cannot be written.
    pub fn remove(&self, name: &str) -> Result<Arc<Enrolled>, RegistryError> {
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.view.load();
        let name = name.to_owned();
        let Some(agent) = view.by_name.get(&name) else { return Err(RegistryError::Unknown { name }) };
        if agent.source != Source::Registered {
            return Err(fixed(agent));
        }
        let mut next = roster.clone();
        next.registered.retain(|spec| spec.name != name);
        next.release(|known| known != name);
        next.leave(&agent.cgroup)?;
        next.save(&self.path)?;
        *roster = next;
        self.view.store(Arc::new(view.without(agent)));
        Ok(Arc::clone(agent))
    }
}

/// Discovered agents of an earlier start.
struct Restored {
    living: Vec<Arc<Enrolled>>,
    departed: Vec<Departed>,
}

/// Takes up the discovered agents whose cgroups are still there, so that a restart does not cut them off. Whether they fit a
/// pattern still is for discovery to say.
fn restore(roster: &mut Roster, config: &Config, root: &Path) -> Result<Restored, RegistryError> {
    let mut restored = Restored { living: Vec::new(), departed: Vec::new() };
    let before: Vec<(String, Living)> = roster.living().map(|(name, living)| (name.clone(), living.clone())).collect();
    let named: Vec<String> = (config.agents.iter().chain(&roster.registered)).map(|spec| spec.name.clone()).collect();
    for (name, living) in before {
        let index = roster.index_of(&name)?;
        let there = std::fs::metadata(&living.cgroup).is_ok_and(|directory| directory.ino() == living.id);
        let below = living.cgroup.starts_with(root) && living.cgroup != root;
        if there && below && name == living.spec.name && check(&living.spec).is_ok() && !named.contains(&name) {
            restored.living.push(Arc::new(Enrolled::found(index, living.spec, living.cgroup, living.id)));
        } else {
            roster.discover(&name, None);
            restored.departed.push(Departed { name, index, cgroup: living.cgroup });
        }
    }
    named.iter().for_each(|name| roster.name_is_taken(name));
    Ok(restored)
}

/// Why what is done to registered agents cannot be done to this one.
fn fixed(agent: &Enrolled) -> RegistryError {
    let name = agent.agent.name.clone();
    match agent.source {
        Source::Discovered => RegistryError::Discovered { name },
        Source::Config | Source::Registered => RegistryError::FromConfig { name },
    }
}

/// The configuration is checked before it comes here, the control API's and the file's descriptions are not.
fn check(spec: &AgentSpec) -> Result<(), RegistryError> {
    if !is_name(&spec.name) {
        return Err(RegistryError::BadName { name: spec.name.clone() });
    }
    let bad = |why: String| Err(RegistryError::BadSpec { name: spec.name.clone(), why });
    if let Some(parent) = spec.parent.as_deref().filter(|parent| !is_name(parent) || *parent == spec.name) {
        return bad(format!("`{parent}` cannot be its parent"));
    }
    let counts = [
        ("labels", spec.labels.len()),
        ("scopes", spec.scopes.len()),
        ("policies", spec.policies.len()),
        ("direct", spec.direct.len()),
    ];
    if let Some((what, n)) = counts.into_iter().find(|(_, n)| *n > MAX_ENTRIES) {
        return bad(format!("{n} {what}; at most {MAX_ENTRIES}"));
    }
    let labels = spec.labels.iter().flat_map(|(key, value)| [key, value]);
    let mut texts =
        labels.chain(&spec.scopes).chain(&spec.policies).chain(&spec.budget_profile).chain([&spec.org, &spec.tenant]);
    if texts.any(|text| text.len() > MAX_TEXT || text.contains(char::is_control)) {
        return bad(format!("a text of it is longer than {MAX_TEXT} bytes or has control characters"));
    }
    if spec.org.is_empty() || spec.tenant.is_empty() {
        return bad("org and tenant must not be empty".to_owned());
    }
    if let Some(direct) = spec.direct.iter().find(|direct| direct.cidr.trunc() != direct.cidr || direct.port == Some(0))
    {
        return bad(format!("the direct destination {} has host bits set or port 0", direct.cidr));
    }
    if let Some(path) = &spec.network_namespace {
        let text = path.to_str().filter(|text| text.len() <= MAX_TEXT && !text.contains(char::is_control));
        if !path.is_absolute() || text.is_none() {
            return bad(format!("network_namespace is no absolute path of at most {MAX_TEXT} bytes"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
