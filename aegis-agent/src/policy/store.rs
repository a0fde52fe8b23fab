//! The policy in force: which version is live, on whom a candidate is tried, and every step from one to the next. Swapped
//! whole, and never replaced by a broken one: whatever fails leaves everything as it was.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aegis_dlp::MaskSecret;
use aegis_policy::{Agent, Snapshot, Source};
use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::change::{keep_loaded, now_live};
use super::choice::{Choice, InForce};
use super::error::ChangeError;
use super::load::{Loaded, PolicyError};
use super::stage::Staged;
use super::tally::Found;
use super::versions::{Candidate, Index, Versions, Who, digest};
use crate::telemetry::RolloutMetrics;

/// Holds what every flow takes its [`Choice`] of.
pub struct Store {
    in_force: ArcSwap<InForce>,
    state: Mutex<State>,
    /// Woken when a rollout may have a step to take.
    pub(super) due: Arc<Notify>,
    pub(super) metrics: RolloutMetrics,
    /// What tokens in the place of values are made with.
    masks: MaskSecret,
}

/// What changes are made on, one at a time. No flow waits for it.
pub(super) struct State {
    pub(super) versions: Versions,
    /// When the live version became that.
    pub(super) changed_at: SystemTime,
    /// The candidate that is under way.
    pub(super) staged: Option<Staged>,
}

impl State {
    pub(super) fn digest(&self, number: u64) -> String {
        self.versions.index().get(number).map(|version| version.digest.clone()).unwrap_or_default()
    }

    /// `version 7 (v2)`.
    pub(super) fn named(&self, number: u64) -> String {
        self.versions.index().named(number)
    }
}

impl Store {
    /// Opens the versions in `state_dir`, and decides which is live: a pinned one for as long as the source is what it was
    /// when it was pinned, else what `first` brings. A source that is broken leaves the version that was live.
    ///
    /// # Errors
    /// The source's, where no version was ever live; else when a version that is needed cannot be read.
    pub fn open(
        first: Result<Loaded, PolicyError>,
        state_dir: &Path,
        masks: MaskSecret,
        metrics: RolloutMetrics,
        now: SystemTime,
    ) -> Result<(Self, Option<String>), ChangeError> {
        let mut versions = Versions::open(state_dir)?;
        let (snapshot, mut says) = settle(&mut versions, first, now)?;
        let live = Arc::new(snapshot.with_mask_secret(masks.clone()));
        let state = State { versions, changed_at: now, staged: None };
        let in_force = ArcSwap::from_pointee(InForce { live: Arc::clone(&live), trial: None });
        let store = Self { in_force, state: Mutex::new(state), due: Arc::default(), metrics, masks };
        says.extend(store.resume(&live)?);
        store.publish(&store.state());
        Ok((store, (!says.is_empty()).then(|| says.join("; "))))
    }

    /// Goes on with the rollout that was under way, if it can.
    fn resume(&self, live: &Arc<Snapshot>) -> Result<Option<String>, ChangeError> {
        let mut state = self.state();
        let Some(Candidate { number, by, rollout }) = state.versions.index().candidate.clone() else { return Ok(None) };
        match state.versions.read(number) {
            Ok(bundle) => {
                let (digest, candidate) = (state.digest(number), self.keyed(bundle.snapshot));
                state.staged = Some(self.begin(number, by, digest, live, candidate, rollout)?);
                self.swap(&state, live);
                Ok(None)
            }
            Err(error) => {
                let index = state.versions.index().with_candidate(None);
                state.versions.save(index)?;
                Ok(Some(format!("policy: the rollout of version {number} is given up: {error}")))
            }
        }
    }

    /// A policy as it is put into force: with what its masks need.
    pub(super) fn keyed(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        Arc::new(snapshot.with_mask_secret(self.masks.clone()))
    }

    /// The live policy, for what belongs to no agent.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.in_force.load().live)
    }

    /// The policy that holds for `agent`. A flow takes it once and keeps it.
    #[must_use]
    pub fn for_agent(&self, agent: &Agent) -> Choice {
        self.in_force.load().of(agent)
    }

    /// The policy for whom nobody knows.
    #[must_use]
    pub fn for_nobody(&self) -> Choice {
        Choice::alone(self.current())
    }

    /// The version of the policy that holds for `agent`, for records.
    #[must_use]
    pub fn version_for(&self, agent: Option<&Agent>) -> String {
        agent.map_or_else(|| self.for_nobody(), |agent| self.for_agent(agent)).version().to_owned()
    }

    /// The index, what a rollout has found, and when the live version became that.
    #[must_use]
    pub fn look(&self) -> (Index, Option<Found>, SystemTime) {
        let state = self.state();
        let tally = state.staged.as_ref().map(|staged| Arc::clone(&staged.tally));
        let (index, changed_at) = (state.versions.index().clone(), state.changed_at);
        drop(state);
        (index, tally.map(|tally| tally.found()), changed_at)
    }

    /// The files of a version.
    ///
    /// # Errors
    /// When it is not kept or cannot be read.
    pub fn sources(&self, number: u64) -> Result<Vec<Source>, ChangeError> {
        Ok(self.state().versions.read(number)?.sources)
    }

    /// From here on flows take the state as it is now.
    pub(super) fn swap(&self, state: &State, live: &Arc<Snapshot>) {
        let trial = state.staged.as_ref().map(|staged| Arc::clone(&staged.trial));
        self.in_force.store(Arc::new(InForce { live: Arc::clone(live), trial }));
        self.publish(state);
    }

    fn publish(&self, state: &State) {
        let rollout = state.staged.as_ref().map(|staged| staged.tally.rollout());
        let stands = rollout.map(|rollout| (rollout.phase.name(), f64::from(rollout.percent)));
        self.metrics.stands(state.versions.index().live, stands);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The policy to start with, and what there is to tell about it.
fn settle(
    versions: &mut Versions,
    first: Result<Loaded, PolicyError>,
    now: SystemTime,
) -> Result<(Snapshot, Vec<String>), ChangeError> {
    let mut index = versions.index().clone();
    let (live, pinned) = (index.live, index.pinned);
    let loaded = match first {
        Ok(loaded) => loaded,
        Err(error) if live == 0 => return Err(error.into()),
        Err(error) => {
            let why = error.in_lines();
            let says = format!("policy: {} stays live, the source is refused: {why}", index.named(live));
            return Ok((versions.read(live)?.snapshot, vec![says]));
        }
    };
    let source = digest(&loaded.sources);
    if live != 0 && index.source.as_ref() == Some(&source) {
        let same = index.get(live).is_some_and(|version| version.digest == source);
        return Ok((if same { loaded.snapshot } else { versions.read(live)?.snapshot }, Vec::new()));
    }
    let number = keep_loaded(versions, &mut index, &loaded, Who::default(), now)?;
    // What was compared with another live policy begins anew, if anybody asks for it.
    let ended = index.candidate.take().filter(|_| number != live);
    let mut says = Vec::new();
    if number != live {
        let why = if pinned { "the source had changed, which ends a pin" } else { "from the source" };
        says.push(now_live(&index, live, &format!("at the daemon's start, {why}")));
    }
    says.extend(ended.map(|candidate| format!("the rollout of version {} ends with it", candidate.number)));
    versions.save(index)?;
    Ok((loaded.snapshot, says))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
