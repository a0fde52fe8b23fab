//! Who else is on the control socket: no caller takes the places of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who callers are for the purpose of counting.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Caller {
    Administrator,
    Agent(String),
    /// In no agent's cgroup, and no administrator.
    User(u32),
    /// In the enforced subtree, or out of it again: nobody's agent, whatever its uid.
    Nobody,
}

/// Connections that may be open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Of administrators, all together.
    pub(super) administrators: usize,
    /// Of everybody else, all together.
    pub(super) others: usize,
    /// Of one of those.
    pub(super) each: usize,
}

/// The connections that are open.
pub(super) struct Crowd {
    administrators: Arc<Semaphore>,
    others: Arc<Semaphore>,
    each: usize,
    /// By caller; those that have none are not in here.
    open: Arc<Mutex<HashMap<Caller, usize>>>,
}

/// One connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    caller: Caller,
    open: Arc<Mutex<HashMap<Caller, usize>>>,
}

impl Crowd {
    pub(super) fn new(places: Places) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        let (administrators, others) = (semaphore(places.administrators), semaphore(places.others));
        Self { administrators, others, each: places.each, open: Arc::default() }
    }

    /// A place for one more connection of `caller`, where there is one.
    pub(super) fn enter(&self, caller: Caller) -> Option<Place> {
        let administrates = caller == Caller::Administrator;
        let permits = if administrates { &self.administrators } else { &self.others };
        let permit = Arc::clone(permits).try_acquire_owned().ok()?;
        let mut open = locked(&self.open);
        let count = open.get(&caller).copied().unwrap_or_default();
        if !administrates && count >= self.each {
            return None;
        }
        open.insert(caller.clone(), count.saturating_add(1));
        Some(Place { _permit: permit, caller, open: Arc::clone(&self.open) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = locked(&self.open);
        match open.get_mut(&self.caller) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = open.remove(&self.caller),
        }
    }
}

fn locked(open: &Mutex<HashMap<Caller, usize>>) -> MutexGuard<'_, HashMap<Caller, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_takes_its_own_places_only() {
        let crowd = Crowd::new(Places { administrators: 2, others: 5, each: 3 });
        let agent = |name: &str| Caller::Agent(name.to_owned());
        let mut held: Vec<Place> = (0..3).map(|_| crowd.enter(agent("a")).unwrap()).collect();
        assert!(crowd.enter(agent("a")).is_none(), "its share");
        held.push(crowd.enter(agent("b")).unwrap());
        held.push(crowd.enter(Caller::User(7)).unwrap());
        assert!(crowd.enter(Caller::Nobody).is_none(), "all of them");
        let administrators = [crowd.enter(Caller::Administrator).unwrap(), crowd.enter(Caller::Administrator).unwrap()];
        assert!(crowd.enter(Caller::Administrator).is_none());
        drop(administrators);
        held.remove(0);
        assert!(crowd.enter(agent("a")).is_some(), "given back");
        drop(held);
        assert!(locked(&crowd.open).is_empty(), "who has none takes no memory");
    }
}
