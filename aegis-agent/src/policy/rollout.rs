//! A staged rollout as a state machine: how far a candidate has come, on what counts it is judged, and what is due. It knows
//! no clock, no file and no policy: times, decisions and steps come in from outside.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aegis_policy::Agent;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Parts that the agents are divided into: a percentage has two digits behind the point.
const BUCKETS: u64 = 10_000;

/// Of a lot, one agent gives at most one of so many parts, where there are so many agents.
const PARTS: u64 = 4;
/// In lots of so many agents no single one decides.
const CROWD: usize = 3;
/// How long a lot waits for agents that say nothing, once there were decisions enough in all.
const LOT_LASTS: Duration = Duration::from_secs(60);

/// Some percent, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(f64);

impl Percent {
    pub const ALL: Self = Self(100.0);
}

impl TryFrom<f64> for Percent {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        if (0.0..=100.0).contains(&number) { Ok(Self(number)) } else { Err(format!("{number} is no percentage")) }
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> f64 {
        percent.0
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// What whoever started it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// How many of the agents the candidate is tried on.
    pub percent: Percent,
    /// How long each phase lasts before the next begins by itself; none: promoted by hand only.
    pub auto_promote_after: Option<Duration>,
    /// How far the candidate's deny rate may lie from the live one's on the same decisions, in percentage points.
    pub max_deny_delta: Percent,
    /// Decisions after which the rates are compared, again and again; so many are needed for a promotion by itself.
    pub min_decisions: u64,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The candidate is asked beside the live policy and decides nothing.
    Shadow,
    /// The candidate decides for its agents, and the live policy is asked beside it.
    Enforced,
}

impl Phase {
    /// The word in status, records and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Enforced => "enforced",
        }
    }
}

/// Decisions that both policies were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub compared: u64,
    /// Refused by the policy that is live for everybody else.
    pub live_denied: u64,
    pub candidate_denied: u64,
}

impl Counts {
    fn add(&mut self, live_denied: bool, candidate_denied: bool) {
        self.compared = self.compared.saturating_add(1);
        self.live_denied = self.live_denied.saturating_add(u64::from(live_denied));
        self.candidate_denied = self.candidate_denied.saturating_add(u64::from(candidate_denied));
    }

    fn less(&self, other: &Self) -> Self {
        Self {
            compared: self.compared.saturating_sub(other.compared),
            live_denied: self.live_denied.saturating_sub(other.live_denied),
            candidate_denied: self.candidate_denied.saturating_sub(other.candidate_denied),
        }
    }

    /// The candidate's deny rate less the live one's, in percentage points.
    #[must_use]
    pub fn delta(&self) -> f64 {
        if self.compared == 0 {
            return 0.0;
        }
        (self.candidate_denied as f64 - self.live_denied as f64) * 100.0 / self.compared as f64
    }
}

/// What is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The candidate begins to decide for so many of the agents.
    Enforce(Percent),
    /// The candidate becomes the live policy of all.
    Complete,
    /// The candidate goes; why.
    RollBack(String),
}

/// A rollout that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    pub plan: Plan,
    pub phase: Phase,
    /// How many of the agents, in this phase.
    pub percent: Percent,
    /// When the phase began.
    pub since: SystemTime,
    /// In this phase.
    pub counts: Counts,
    /// Since the rates were last compared, as far as they count.
    lot: Counts,
    /// Each agent's part of the lot.
    #[serde(default)]
    shares: BTreeMap<String, Counts>,
    /// Decisions since then, whether they count or not.
    #[serde(default)]
    offered: u64,
    /// When the lot was begun.
    #[serde(default)]
    lot_since: Option<SystemTime>,
    /// Lots that were judged in this phase.
    #[serde(default)]
    judged: u64,
    /// How many agents it is tried on: told from outside.
    #[serde(skip, default = "alone")]
    agents: u64,
    /// Why the last comparison failed, where it did.
    failed: Option<String>,
}

impl Rollout {
    /// Begins in shadow.
    #[must_use]
    pub fn begin(plan: Plan, now: SystemTime) -> Self {
        Self {
            plan,
            phase: Phase::Shadow,
            percent: plan.percent,
            since: now,
            counts: Counts::default(),
            lot: Counts::default(),
            shares: BTreeMap::new(),
            offered: 0,
            lot_since: None,
            judged: 0,
            agents: alone(),
            failed: None,
        }
    }

    /// How many agents it is tried on now.
    pub fn tried_on(&mut self, agents: u64) {
        self.agents = agents.max(alone());
    }

    /// One decision of `agent`, as both answered it; says whether something is due now. Each lot of `min_decisions` is judged
    /// by itself: what goes wrong late would be lost in the sum of a long phase. Both answers are of the same traffic, so the
    /// difference of their rates is no chance of who asked what; but who asks most is an agent's own choice, so beyond its
    /// part an agent's decisions don't count.
    pub fn observe(&mut self, agent: &str, at: SystemTime, live_denied: bool, candidate_denied: bool) -> bool {
        self.counts.add(live_denied, candidate_denied);
        let enough = self.plan.min_decisions.max(1);
        let most = enough.div_ceil(self.agents.clamp(alone(), PARTS));
        let since = *self.lot_since.get_or_insert(at);
        self.offered = self.offered.saturating_add(1);
        let share = self.shares.entry(agent.to_owned()).or_default();
        if share.compared < most {
            share.add(live_denied, candidate_denied);
            self.lot.add(live_denied, candidate_denied);
        }
        let waited = at.duration_since(since).is_ok_and(|passed| passed >= LOT_LASTS);
        if self.lot.compared >= enough || (waited && self.offered >= enough) {
            self.judge();
        }
        self.failed.is_some()
    }

    fn judge(&mut self) {
        let (lot, shares) = (std::mem::take(&mut self.lot), std::mem::take(&mut self.shares));
        (self.offered, self.lot_since) = (0, None);
        self.judged = self.judged.saturating_add(1);
        let (delta, bound) = (lot.delta(), f64::from(self.plan.max_deny_delta));
        // Far fewer denials are as far from what was expected as far more.
        let beyond = |counts: &Counts| counts.delta().abs() > bound;
        // Among several, one that gets itself refused, or lets itself be let through, does not decide for the others.
        let one_alone = shares.len() >= CROWD && shares.values().any(|share| !beyond(&lot.less(share)));
        if beyond(&lot) && !one_alone && self.failed.is_none() {
            self.failed = Some(format!(
                "of {} decisions it denies {} and the live policy {}: {delta:+.2} points, beyond {bound}",
                lot.compared, lot.candidate_denied, lot.live_denied
            ));
        }
    }

    /// What is due at `now`, if anything.
    #[must_use]
    pub fn due(&self, now: SystemTime) -> Option<Step> {
        if let Some(why) = &self.failed {
            return Some(Step::RollBack(why.clone()));
        }
        let after = self.plan.auto_promote_after?;
        // A clock that was set back delays, it does not hasten.
        let over = now.duration_since(self.since).is_ok_and(|passed| passed >= after);
        (over && self.judged > 0).then(|| self.next(None))
    }

    /// The step that a promotion means now; to `percent`, where it is given.
    #[must_use]
    pub fn next(&self, percent: Option<Percent>) -> Step {
        let percent = percent.unwrap_or(match self.phase {
            Phase::Shadow => self.percent,
            Phase::Enforced => Percent::ALL,
        });
        if percent >= Percent::ALL && self.phase == Phase::Enforced { Step::Complete } else { Step::Enforce(percent) }
    }

    /// The candidate decides from now on, for `percent` of the agents; counted anew.
    pub fn enforce(&mut self, percent: Percent, now: SystemTime) {
        *self = Self { phase: Phase::Enforced, percent, agents: self.agents, ..Self::begin(self.plan, now) };
    }
}

/// As many as there are at least.
fn alone() -> u64 {
    1
}

/// Whether `agent` is among `percent` of all for the candidate of this digest: always the same ones, more when it grows, and
/// others for another candidate. Sub-agents follow their agent, whose name the kernel's attribution gives them.
#[must_use]
pub fn selected(agent: &Agent, digest: &str, percent: Percent) -> bool {
    let mut hash = Sha256::new();
    hash.update(digest.as_bytes());
    hash.update([0]);
    hash.update(agent.name.as_bytes());
    let head = hash.finalize().first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head));
    ((head % BUCKETS) as f64) < f64::from(percent) * (BUCKETS as f64 / 100.0)
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
