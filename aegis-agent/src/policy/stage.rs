//! The steps of a staged rollout, taken on the store: from shadow to some of the agents, to all of them, or back.

use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use aegis_policy::{Agent, Snapshot};

use super::change::{Prepared, now_live};
use super::error::ChangeError;
use super::rollout::{Percent, Rollout, Step};
use super::store::{State, Store};
use super::tally::Tally;
use super::trial::Trial;
use super::versions::{Candidate, Index, Who};

/// A rollout that is under way.
#[derive(Clone)]
pub(super) struct Staged {
    pub(super) number: u64,
    by: Who,
    candidate: Arc<Snapshot>,
    pub(super) tally: Arc<Tally>,
    pub(super) trial: Arc<Trial>,
}

impl Staged {
    /// As it is written down.
    fn candidate(&self) -> Candidate {
        Candidate { number: self.number, by: self.by, rollout: self.tally.rollout() }
    }
}

impl Store {
    /// Brings the rollout one step further, or to `percent`.
    ///
    /// # Errors
    /// When there is none.
    pub fn promote(&self, percent: Option<Percent>, who: Who, now: SystemTime) -> Result<Prepared<'_>, ChangeError> {
        let state = self.state();
        let staged = state.staged.clone().ok_or(ChangeError::NoRollout)?;
        let step = staged.tally.rollout().next(percent);
        self.step(state, &staged, step, &format!("promoted by {who}"), now)
    }

    /// Gives the rollout up.
    ///
    /// # Errors
    /// When there is none.
    pub fn abort(&self, who: Who, now: SystemTime) -> Result<Prepared<'_>, ChangeError> {
        let state = self.state();
        let staged = state.staged.clone().ok_or(ChangeError::NoRollout)?;
        Ok(self.give_up(state, &staged, "aborted", &format!("aborted by {who}"), now))
    }

    /// The step that is due at `now`, if one is.
    ///
    /// # Errors
    /// When it cannot be taken; it stays due.
    pub fn advance(&self, now: SystemTime) -> Result<Option<Prepared<'_>>, ChangeError> {
        let state = self.state();
        let Some(staged) = state.staged.clone() else { return Ok(None) };
        let Some(step) = staged.tally.rollout().due(now) else { return Ok(None) };
        self.step(state, &staged, step, "by its schedule", now).map(Some)
    }

    /// Tells the rollout which agents there are: the fewer it is tried on, the more of its judgement is one agent's.
    pub fn meets<'a>(&self, agents: impl Iterator<Item = &'a Agent>) {
        let Some(staged) = self.state().staged.clone() else { return };
        let covered = agents.filter(|agent| staged.trial.covers(agent)).count();
        staged.tally.tried_on(u64::try_from(covered).unwrap_or(u64::MAX));
    }

    /// Waits until a step may be due.
    pub async fn stirred(&self) {
        self.due.notified().await;
    }

    /// Writes down what the rollout has counted, so that a restart does not begin anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember(&self) -> Result<(), ChangeError> {
        let mut state = self.state();
        let Some(staged) = &state.staged else { return Ok(()) };
        let index = state.versions.index().with_candidate(Some(staged.candidate()));
        if *state.versions.index() == index { Ok(()) } else { state.versions.save(index) }
    }

    fn step<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        staged: &Staged,
        step: Step,
        how: &str,
        now: SystemTime,
    ) -> Result<Prepared<'a>, ChangeError> {
        let (number, mut index) = (staged.number, state.versions.index().clone());
        let candidate = Arc::clone(&staged.candidate);
        match step {
            Step::Enforce(percent) => {
                let mut rollout = staged.tally.rollout();
                rollout.enforce(percent, now);
                let digest = state.digest(number);
                let next = self.begin(number, staged.by, digest, &self.current(), candidate, rollout)?;
                index.candidate = Some(next.candidate());
                let name = state.named(number);
                let says = format!("policy: the candidate, {name}, decides for {percent} of the agents, {how}");
                let (staged, step) = (Some(next), Some("enforced"));
                Ok(Prepared { store: self, state, index, live: None, staged, step, says, now })
            }
            Step::Complete => {
                let from = index.live;
                index.enthrone(number);
                index.pinned = true;
                index.candidate = None;
                let says = now_live(&index, from, &format!("its rollout is complete, {how}"));
                let (live, step) = (Some(candidate), Some("completed"));
                Ok(Prepared { store: self, state, index, live, staged: None, step, says, now })
            }
            Step::RollBack(why) => Ok(self.give_up(state, staged, "rolled_back", &format!("rolled back: {why}"), now)),
        }
    }

    /// Starts the rollout of a version that is kept.
    pub(super) fn stage<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        mut index: Index,
        staged: Staged,
        now: SystemTime,
    ) -> Prepared<'a> {
        let (by, percent) = (staged.by, staged.tally.rollout().percent);
        let (name, live) = (index.named(staged.number), index.named(index.live));
        let says = format!("policy: {name} is tried in shadow on {percent} of the agents beside {live}, by {by}");
        index.candidate = Some(staged.candidate());
        let (staged, step) = (Some(staged), Some("started"));
        Prepared { store: self, state, index, live: None, staged, step, says, now }
    }

    /// A phase of a candidate, of which no flow knows yet.
    pub(super) fn begin(
        &self,
        number: u64,
        by: Who,
        digest: String,
        live: &Arc<Snapshot>,
        candidate: Arc<Snapshot>,
        rollout: Rollout,
    ) -> Result<Staged, ChangeError> {
        let (phase, percent) = (rollout.phase, rollout.percent);
        let tally = Arc::new(Tally::new(rollout, Arc::clone(&self.due), self.metrics.clone()));
        let (live, shared, counted) = (Arc::clone(live), Arc::clone(&candidate), Arc::clone(&tally));
        let trial = Trial::start(phase, percent, digest, live, shared, counted).map_err(ChangeError::Thread)?;
        Ok(Staged { number, by, candidate, tally, trial: Arc::new(trial) })
    }

    fn give_up<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        staged: &Staged,
        step: &'static str,
        why: &str,
        now: SystemTime,
    ) -> Prepared<'a> {
        let index = state.versions.index().with_candidate(None);
        let (name, live) = (index.named(staged.number), index.named(index.live));
        let says = format!("policy: the rollout of {name} is over, {live} decides for all agents; {why}");
        Prepared { store: self, state, index, live: None, staged: None, step: Some(step), says, now }
    }
}
