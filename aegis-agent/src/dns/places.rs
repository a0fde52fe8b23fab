//! How many queries are handled at a time, in all and for one agent, so that one that floods does not
//! silence the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::kernel::AgentIndex;

/// The share of all places that one agent may have.
const SHARE: usize = 4;

/// Places for queries under way. Queries that nobody can be held to count as one agent's.
pub(super) struct Places {
    all: usize,
    each: usize,
    taken: Mutex<HashMap<Option<AgentIndex>, usize>>,
}

/// One place; free again when dropped.
pub(super) struct Place {
    places: Arc<Places>,
    agent: Option<AgentIndex>,
}

impl Places {
    pub(super) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self { all, each: all.div_ceil(SHARE), taken: Mutex::default() })
    }

    /// `None` where the agent, or everybody together, has as many as may be.
    pub(super) fn take(self: &Arc<Self>, agent: Option<AgentIndex>) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&agent).copied().unwrap_or(0);
        if own >= self.each || taken.values().sum::<usize>() >= self.all {
            return None;
        }
        taken.insert(agent, own + 1);
        Some(Place { places: Arc::clone(self), agent })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.agent) {
            *own -= 1;
            // Only agents with queries under way are in here: few, whatever the number of agents.
            if *own == 0 {
                taken.remove(&self.agent);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_cannot_take_all_places() {
        let places = Places::new(8);
        let agent = AgentIndex::new;
        let held: Vec<Place> = std::iter::from_fn(|| places.take(agent(1))).collect();
        assert_eq!(held.len(), 2);
        let others: Vec<Place> = (2..=9).filter_map(|n| places.take(agent(n))).collect();
        assert_eq!(others.len(), 6, "eight in all");
        drop(held);
        assert!(places.take(agent(9)).is_some());
        drop(others);
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
