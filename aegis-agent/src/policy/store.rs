//! The policy in force: swapped whole, and never replaced by a broken one.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aegis_policy::{Agent, Snapshot};
use arc_swap::ArcSwap;

use super::load::{PolicyError, load};

/// The policy that holds for one agent, at one moment.
#[derive(Clone)]
pub struct Choice {
    snapshot: Arc<Snapshot>,
}

impl Deref for Choice {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// Holds the snapshot that every flow takes its copy of.
pub struct Store {
    place: Option<PathBuf>,
    current: ArcSwap<Snapshot>,
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    loaded_at: SystemTime,
    last_error: Option<String>,
}

impl Store {
    /// Loads from `place`: a file, a directory of `.yaml`, `.yml` and `.json` files, or the embedded starter policy.
    ///
    /// # Errors
    /// Every problem of the policy, with its place.
    pub fn open(place: Option<&Path>, now: SystemTime) -> Result<Self, PolicyError> {
        let snapshot = load(place)?;
        Ok(Self {
            place: place.map(Path::to_owned),
            current: ArcSwap::from_pointee(snapshot),
            state: Mutex::new(State { loaded_at: now, last_error: None }),
        })
    }

    /// The live policy, for what belongs to no agent.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The policy that holds for `agent`. A flow takes it once and keeps it.
    #[must_use]
    pub fn for_agent(&self, _agent: &Agent) -> Choice {
        Choice { snapshot: self.current.load_full() }
    }

    /// The policy for whom nobody knows.
    #[must_use]
    pub fn for_nobody(&self) -> Choice {
        Choice { snapshot: self.current.load_full() }
    }

    /// The version of the policy that holds for `agent`, for records.
    #[must_use]
    pub fn version_for(&self, agent: Option<&Agent>) -> String {
        agent.map_or_else(|| self.for_nobody(), |agent| self.for_agent(agent)).version().to_owned()
    }

    /// Loads again. A broken policy leaves the one in force where it is, and shows in [`Self::last_error`].
    ///
    /// # Errors
    /// Every problem of the policy, with its place.
    pub fn reload(&self, now: SystemTime) -> Result<Arc<Snapshot>, PolicyError> {
        // Held over load and store: of two reloads at once, the later one wins.
        let mut state = self.state();
        match load(self.place.as_deref()) {
            Ok(snapshot) => {
                let snapshot = Arc::new(snapshot);
                self.current.store(Arc::clone(&snapshot));
                *state = State { loaded_at: now, last_error: None };
                Ok(snapshot)
            }
            Err(error) => {
                state.last_error = Some(error.in_lines());
                Err(error)
            }
        }
    }

    /// Why the last reload was refused, where it was.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.state().last_error.clone()
    }

    /// When the snapshot in force was loaded.
    #[must_use]
    pub fn loaded_at(&self) -> SystemTime {
        self.state().loaded_at
    }

    /// Where it is loaded from; none is the embedded starter policy.
    #[must_use]
    pub fn place(&self) -> Option<&Path> {
        self.place.as_deref()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str = "version: v1\npolicies:\n  - name: p\n    agents: [a]\n    rules:\n      - name: r\n        hosts: [api.test]\n        decision: allow\n";

    #[test]
    fn a_broken_policy_keeps_the_last_good_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.yaml");
        fs::write(&file, GOOD).unwrap();
        let store = Store::open(Some(dir.path()), SystemTime::UNIX_EPOCH).unwrap();
        let version = store.current().version().to_owned();

        fs::write(&file, "version: v2\npolicies: 7\n").unwrap();
        let error = store.reload(SystemTime::UNIX_EPOCH).err().unwrap().to_string();
        assert!(error.contains("p.yaml"), "{error}");
        assert_eq!(store.current().version(), version);
        assert!(store.last_error().is_some());

        fs::write(&file, GOOD).unwrap();
        store.reload(SystemTime::UNIX_EPOCH).unwrap();
        assert!(store.last_error().is_none());
    }

    #[test]
    fn an_empty_directory_is_an_error_not_an_empty_policy() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Store::open(Some(dir.path()), SystemTime::UNIX_EPOCH).is_err());
    }

    #[test]
    fn the_embedded_policy_compiles() {
        assert!(Store::open(None, SystemTime::UNIX_EPOCH).is_ok());
    }
}
