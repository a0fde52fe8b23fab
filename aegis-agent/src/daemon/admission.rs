//! How many connections and requests are open, in all and per agent: no agent can take another's share.

pub mod heavy;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aegis_policy::{Denial, DenialKind};

use super::Aegis;
use crate::flow::refusal::Refusal;
use crate::kernel::AgentIndex;

/// Counts of what is open.
#[derive(Debug, Default)]
pub struct Admissions {
    connections: Mutex<Counts>,
    requests: Mutex<Counts>,
    /// Decisions that take long.
    pub heavy: heavy::Turns,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    agents: HashMap<AgentIndex, usize>,
}

impl Counts {
    fn take(&mut self, agent: AgentIndex, of_all: usize, of_agent: usize, what: &'static str) -> Result<(), Full> {
        if self.all >= of_all {
            return Err(Full { whose: "this host", limit: of_all, what });
        }
        let own = self.agents.entry(agent).or_default();
        if *own >= of_agent {
            return Err(Full { whose: "this agent", limit: of_agent, what });
        }
        *own += 1;
        self.all += 1;
        Ok(())
    }

    fn give_back(&mut self, agent: AgentIndex) {
        self.all = self.all.saturating_sub(1);
        if let Some(own) = self.agents.get_mut(&agent) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.agents.remove(&agent);
            }
        }
    }
}

impl Admissions {
    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        locked(&self.connections).all
    }
}

/// The limit that was reached.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Full {
    whose: &'static str,
    limit: usize,
    what: &'static str,
}

impl Full {
    #[must_use]
    pub fn refusal(self, version: &str) -> Refusal {
        let Self { whose, limit, what } = self;
        Denial::new(DenialKind::Rate, format!("{whose} has {limit} {what} open, the most it may have"), version).into()
    }
}

/// A place among the open connections; given back when dropped.
pub struct Connection {
    aegis: Arc<Aegis>,
    agent: AgentIndex,
}

impl Connection {
    /// Takes a place for a connection of `agent`.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn admit(aegis: &Arc<Aegis>, agent: AgentIndex) -> Result<Self, Full> {
        let limits = &aegis.config.limits;
        let mut counts = locked(&aegis.admissions.connections);
        counts.take(agent, limits.connections, limits.connections_per_agent, "connections")?;
        aegis.metrics.flow_opened();
        Ok(Self { aegis: Arc::clone(aegis), agent })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        locked(&self.aegis.admissions.connections).give_back(self.agent);
        self.aegis.metrics.flow_closed();
    }
}

/// A place among the open requests; given back when dropped. Each holds a place in the audit log, and one agent must not
/// be able to take them all.
pub struct Request {
    aegis: Arc<Aegis>,
    agent: AgentIndex,
}

impl Request {
    /// Takes a place for a request of `agent`.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn admit(aegis: &Arc<Aegis>, agent: AgentIndex) -> Result<Self, Full> {
        let limit = aegis.config.limits.requests_per_agent;
        locked(&aegis.admissions.requests).take(agent, usize::MAX, limit, "requests")?;
        Ok(Self { aegis: Arc::clone(aegis), agent })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        locked(&self.aegis.admissions.requests).give_back(self.agent);
    }
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_agent_takes_anothers_share() {
        let (one, two) = (AgentIndex::new(1).unwrap(), AgentIndex::new(2).unwrap());
        let mut counts = Counts::default();
        for _ in 0..3 {
            counts.take(one, 5, 3, "requests").unwrap();
        }
        assert_eq!(counts.take(one, 5, 3, "requests").unwrap_err().whose, "this agent");
        counts.take(two, 5, 3, "requests").unwrap();
        counts.take(two, 5, 3, "requests").unwrap();
        assert_eq!(counts.take(two, 5, 3, "requests").unwrap_err().whose, "this host");
        counts.give_back(one);
        counts.take(two, 5, 3, "requests").unwrap();
        for _ in 0..2 {
            counts.give_back(one);
        }
        assert!(!counts.agents.contains_key(&one), "nothing is kept of an agent that has nothing open");
    }
}
