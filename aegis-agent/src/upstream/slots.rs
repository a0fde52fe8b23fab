//! How many dials may be under way at once: descriptors and handshakes are the daemon's, origins that hang are not.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Dials at once of the whole daemon.
const IN_ALL: usize = 1024;
/// Dials at once of one agent, so that none can take every slot by naming origins that hang.
const PER_AGENT: usize = 128;

/// A quota of dials for one agent.
#[must_use]
pub fn agent_quota() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(PER_AGENT))
}

/// The daemon's slots, and the quota within them.
#[derive(Clone)]
pub struct Slots {
    all: Arc<Semaphore>,
    quota: Arc<Semaphore>,
}

/// One dial under way; dropping it lets the next one begin.
pub struct Slot {
    _quota: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Slots {
    #[must_use]
    pub fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(IN_ALL)), quota: agent_quota() }
    }

    /// The same slots under another quota.
    #[must_use]
    pub fn within(&self, quota: Arc<Semaphore>) -> Self {
        Self { all: Arc::clone(&self.all), quota }
    }

    /// Waits for a slot, first come first served. `None` cannot be waited for: the slots are closed.
    pub async fn take(&self) -> Option<Slot> {
        // The quota first: who waits for his own must not hold one of everybody's meanwhile.
        let quota = Arc::clone(&self.quota).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Slot { _quota: quota, _all: all })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    // Outside of a runtime: within one, a task that takes many slots at once is made to yield.

    #[test]
    fn an_agent_at_its_quota_leaves_slots_to_the_others() {
        let first = Slots::new();
        let second = first.within(agent_quota());
        let mut held = Vec::new();
        while let Some(slot) = first.take().now_or_never() {
            held.push(slot.unwrap());
        }
        assert_eq!(held.len(), PER_AGENT);
        assert!(second.take().now_or_never().is_some());
        held.pop();
        assert!(first.take().now_or_never().is_some());
    }

    #[test]
    fn the_daemon_has_a_bound_of_its_own() {
        let slots = Slots::new();
        let mut held = Vec::new();
        'agents: loop {
            let agent = slots.within(agent_quota());
            for _ in 0..PER_AGENT {
                let Some(slot) = agent.take().now_or_never() else { break 'agents };
                held.push(slot.unwrap());
            }
        }
        assert_eq!(held.len(), IN_ALL);
    }
}
