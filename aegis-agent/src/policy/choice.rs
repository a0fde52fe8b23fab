//! The policy that holds for one agent at one moment, and what is asked beside it.

use std::ops::Deref;
use std::sync::Arc;

use aegis_policy::{Agent, Snapshot};

use super::trial::Trial;

/// Everything that decides at one moment.
pub(super) struct InForce {
    pub(super) live: Arc<Snapshot>,
    pub(super) trial: Option<Arc<Trial>>,
}

impl InForce {
    /// What holds for `agent`.
    pub(super) fn of(&self, agent: &Agent) -> Choice {
        match self.trial.as_ref().filter(|trial| trial.covers(agent)) {
            Some(trial) => {
                let snapshot = Arc::clone(trial.enforced().unwrap_or(&self.live));
                Choice { snapshot, beside: Some(Arc::clone(trial)) }
            }
            None => Choice::alone(Arc::clone(&self.live)),
        }
    }
}

/// The policy that holds for one agent, at one moment. A flow takes it once and keeps it to its end: so no request sees a mix
/// of two policies, whatever changes meanwhile.
#[derive(Clone)]
pub struct Choice {
    snapshot: Arc<Snapshot>,
    beside: Option<Arc<Trial>>,
}

impl Choice {
    pub(super) fn alone(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, beside: None }
    }

    /// The rollout that wants to know what was decided for this agent, where there is one.
    #[must_use]
    pub fn beside(&self) -> Option<&Trial> {
        self.beside.as_deref()
    }
}

impl Deref for Choice {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}
