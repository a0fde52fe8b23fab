//! Changes of the policy: each is recorded before it is made, and then all that is under way is asked again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aegis_audit::{Decision, Draft};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Aegis;
use crate::policy::{ChangeError, Loaded, Prepared, Store, Who};

/// How often a rollout's schedule is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often what a rollout has counted is written down, in ticks.
const REMEMBER: u32 = 10;

impl Aegis {
    /// Loads the policy from its source because `who` asked for it. Blocks.
    ///
    /// # Errors
    /// Every problem of the policy; the one in force stays.
    pub fn reload_policy(&self, who: Who) -> Result<(), ChangeError> {
        let _turn = self.origin.turn();
        let loaded = self.origin.load(SystemTime::now())?;
        let changed = self.change_policy(|store, now| store.reload(loaded, who, now));
        changed.map(drop).inspect_err(|error| self.origin.not_applied(error))
    }

    /// Takes a policy that was found at the source. Blocks.
    ///
    /// # Errors
    /// When it cannot be kept or recorded; the one in force stays.
    pub fn policy_arrived(&self, loaded: Loaded) -> Result<(), ChangeError> {
        self.change_policy(|store, now| store.arrived(loaded, now)).map(drop)
    }

    /// Makes a change of the policy: recorded first, made, and then everything under way is asked again. Says whether
    /// there was anything to change.
    ///
    /// # Errors
    /// When it cannot be prepared, recorded or made; nothing has changed then.
    pub fn change_policy(
        &self,
        prepare: impl FnOnce(&Store, SystemTime) -> Result<Option<Prepared<'_>>, ChangeError>,
    ) -> Result<bool, ChangeError> {
        let Some(prepared) = prepare(&self.policy, SystemTime::now())? else { return Ok(false) };
        let slot = self.audit.reserve().map_err(|why| ChangeError::Unrecordable(why.to_string()))?;
        let says = prepared.says().to_owned();
        let made = prepared.make();
        slot.commit(record(&self.policy, &says, made.as_ref().err()));
        made?;
        self.tell_rollout();
        let cut = self.standing.reconsider(&self.policy);
        self.metrics.live().cut_off(cut);
        tracing::info!(cut, "{says}");
        Ok(true)
    }

    /// What was decided about the policy before there was anything to record it in.
    pub(super) fn record_policy_at_start(&self, says: &str) {
        tracing::info!("{says}");
        match self.audit.reserve() {
            Ok(slot) => slot.commit(record(&self.policy, says, None)),
            Err(_) => self.metrics.unrecordable(),
        }
    }

    /// Which agents there are, for a rollout that is under way.
    fn tell_rollout(&self) {
        let agents = self.registry.list();
        self.policy.meets(agents.iter().map(|enrolled| &*enrolled.agent));
    }

    fn advance_policy(&self) {
        self.tell_rollout();
        if let Err(error) = self.change_policy(Store::advance) {
            tracing::error!("the rollout's next step is not taken, it is tried again: {error}");
        }
    }
}

/// Takes the steps of a rollout that are due, until `stop`.
pub async fn tend(aegis: Arc<Aegis>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 1_u32.. {
        tokio::select! {
            _ = tick.tick() => {}
            () = aegis.policy.stirred() => {}
            () = stop.cancelled() => break,
        }
        let tended = Arc::clone(&aegis);
        let remember = number % REMEMBER == 0;
        let done = tokio::task::spawn_blocking(move || {
            tended.advance_policy();
            if remember && let Err(error) = tended.policy.remember() {
                tracing::warn!("what the rollout has counted is not written down: {error}");
            }
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "a step of the rollout broke off");
        }
    }
    if let Err(error) = aegis.policy.remember() {
        tracing::warn!("what the rollout has counted is not written down: {error}");
    }
}

/// A record of no decision, by the policy that holds now.
fn record(policy: &Store, says: &str, error: Option<&ChangeError>) -> Draft {
    Draft {
        ts: SystemTime::now(),
        decision_id: Uuid::now_v7().to_string(),
        trace_id: Uuid::new_v4().simple().to_string(),
        decision: Decision::None,
        reason: says.to_owned(),
        policy_version: policy.current().version().to_owned(),
        error: error.map(|error| format!("not done: {error}")),
        ..Draft::default()
    }
}
