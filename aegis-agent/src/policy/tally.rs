//! What a phase of a rollout has found: the counts that it is judged on, and which decisions of which agents differ. Bounded:
//! agents choose what they ask, so the list of differences could grow without end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aegis_policy::Agent;
use tokio::sync::Notify;

use super::rollout::Rollout;
use super::trial::{Answer, Wanted};
use crate::telemetry::RolloutMetrics;

/// Different ways to differ that are counted one by one.
const WAYS: usize = 1000;
/// The last differences, each with what was asked.
const RECENT: usize = 200;

/// How an agent's decisions differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    pub agent: String,
    pub live: Side,
    pub candidate: Side,
}

/// One policy's answer, in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Side {
    pub decision: &'static str,
    pub mode: &'static str,
    pub rule: Option<String>,
}

/// One decision that differs.
#[derive(Clone, Debug)]
pub struct Differing {
    pub at: SystemTime,
    pub about: String,
    pub way: Way,
}

/// What was found so far.
#[derive(Clone, Debug)]
pub struct Found {
    pub rollout: Rollout,
    /// Decisions that came out differently.
    pub decisions_changed: u64,
    /// Decisions that came out alike, by another rule.
    pub rules_changed: u64,
    /// How often each way was seen, most often first.
    pub ways: Vec<(Way, u64)>,
    /// Differences of ways that are not counted one by one any more.
    pub other_ways: u64,
    /// The last differences, the last one last.
    pub recent: Vec<Differing>,
    /// Decisions that were not compared because the queue was full.
    pub dropped: u64,
    /// Decisions that the other policy would have needed more for than was at hand.
    pub unanswerable: u64,
}

/// Counts while it is looked at.
pub struct Tally {
    inner: Mutex<Inner>,
    dropped: AtomicU64,
    unanswerable: AtomicU64,
    /// Woken when a step is due.
    due: Arc<Notify>,
    metrics: RolloutMetrics,
}

struct Inner {
    rollout: Rollout,
    decisions_changed: u64,
    rules_changed: u64,
    ways: BTreeMap<Way, u64>,
    other_ways: u64,
    recent: VecDeque<Differing>,
}

impl Tally {
    /// Starts from what `rollout` says.
    #[must_use]
    pub fn new(rollout: Rollout, due: Arc<Notify>, metrics: RolloutMetrics) -> Self {
        let inner = Inner {
            rollout,
            decisions_changed: 0,
            rules_changed: 0,
            ways: BTreeMap::new(),
            other_ways: 0,
            recent: VecDeque::new(),
        };
        let zero = AtomicU64::default;
        Self { inner: Mutex::new(inner), dropped: zero(), unanswerable: zero(), due, metrics }
    }

    /// Both policies have answered.
    pub fn compared(&self, agent: &Agent, wanted: &dyn Wanted, at: SystemTime, live: Answer, candidate: Answer) {
        self.metrics.compared(&live, &candidate);
        let mut inner = self.inner();
        if inner.rollout.observe(&agent.name, at, live.refuses(), candidate.refuses()) {
            self.due.notify_one();
        }
        if live == candidate {
            return;
        }
        let changed = (live.decision, live.mode) != (candidate.decision, candidate.mode);
        *(if changed { &mut inner.decisions_changed } else { &mut inner.rules_changed }) += 1;
        let way = Way { agent: agent.name.clone(), live: live.into(), candidate: candidate.into() };
        inner.count(&way);
        // What only another rule says needs no example.
        if changed {
            inner.remember(Differing { at, about: wanted.describe(), way });
        }
    }

    /// How many agents the candidate is tried on now.
    pub fn tried_on(&self, agents: u64) {
        self.inner().rollout.tried_on(agents);
    }

    /// There was no room for a question.
    pub fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.metrics.uncompared("dropped");
    }

    /// What the other policy needs was not at hand.
    pub fn unanswerable(&self) {
        self.unanswerable.fetch_add(1, Ordering::Relaxed);
        self.metrics.uncompared("unanswerable");
    }

    /// The state that steps are decided on.
    #[must_use]
    pub fn rollout(&self) -> Rollout {
        self.inner().rollout.clone()
    }

    /// All that was found.
    #[must_use]
    pub fn found(&self) -> Found {
        let inner = self.inner();
        let mut ways: Vec<(Way, u64)> = inner.ways.iter().map(|(way, count)| (way.clone(), *count)).collect();
        let found = Found {
            rollout: inner.rollout.clone(),
            decisions_changed: inner.decisions_changed,
            rules_changed: inner.rules_changed,
            ways: Vec::new(),
            other_ways: inner.other_ways,
            recent: inner.recent.iter().cloned().collect(),
            dropped: self.dropped.load(Ordering::Relaxed),
            unanswerable: self.unanswerable.load(Ordering::Relaxed),
        };
        drop(inner);
        ways.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Found { ways, ..found }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn count(&mut self, way: &Way) {
        let room = self.ways.len() < WAYS;
        match self.ways.get_mut(way) {
            Some(count) => *count += 1,
            None if room => drop(self.ways.insert(way.clone(), 1)),
            None => self.other_ways += 1,
        }
    }

    fn remember(&mut self, differing: Differing) {
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(differing);
    }
}

impl From<Answer> for Side {
    fn from(answer: Answer) -> Self {
        Self { decision: answer.decision.name(), mode: answer.mode.name(), rule: answer.rule }
    }
}
