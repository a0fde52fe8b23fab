//! How many connections are open, in all and per agent: no agent can take another's share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aegis_policy::{Denial, DenialKind};

use super::Aegis;
use crate::flow::refusal::Refusal;
use crate::kernel::AgentIndex;

/// Counts of open connections.
#[derive(Debug, Default)]
pub struct Admissions {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    agents: HashMap<AgentIndex, usize>,
}

impl Admissions {
    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Connections of one agent open now.
    #[must_use]
    pub fn open_of(&self, agent: AgentIndex) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).agents.get(&agent).copied().unwrap_or(0)
    }
}

/// A place among the open connections; given back when dropped.
pub struct Admission {
    aegis: Arc<Aegis>,
    agent: AgentIndex,
}

/// The limit that was reached.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Full {
    Host(usize),
    Agent(usize),
}

impl Full {
    #[must_use]
    pub fn refusal(self, version: &str) -> Refusal {
        let (whose, limit) = match self {
            Self::Host(limit) => ("this host", limit),
            Self::Agent(limit) => ("this agent", limit),
        };
        Denial::new(DenialKind::Rate, format!("{whose} has {limit} connections open, the most it may have"), version)
            .into()
    }
}

impl Admission {
    /// Takes a place for a connection of `agent`.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn of(aegis: &Arc<Aegis>, agent: AgentIndex) -> Result<Self, Full> {
        let limits = &aegis.config.limits;
        let mut counts = aegis.admissions.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= limits.connections {
            return Err(Full::Host(limits.connections));
        }
        let own = counts.agents.entry(agent).or_default();
        if *own >= limits.connections_per_agent {
            return Err(Full::Agent(limits.connections_per_agent));
        }
        *own += 1;
        counts.all += 1;
        drop(counts);
        aegis.metrics.flow_opened();
        Ok(Self { aegis: Arc::clone(aegis), agent })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut counts = self.aegis.admissions.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(own) = counts.agents.get_mut(&self.agent) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                counts.agents.remove(&self.agent);
            }
        }
        drop(counts);
        self.aegis.metrics.flow_closed();
    }
}
