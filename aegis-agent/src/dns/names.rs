//! How many names each agent asks for in a minute. Time is passed in; memory is bounded for every agent, and goes with it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::limits::{Asked, Excess, measured};
use crate::config::DnsLimits;
use crate::kernel::AgentIndex;

/// What an agent asked for within the last one to two of these is no new name.
const MEMORY: Duration = Duration::from_secs(60);
/// Names kept of an agent for each [`MEMORY`], as hashes.
const REMEMBERED: usize = 4096;

/// The limits on names that agents choose, and what each agent has used of them.
#[derive(Debug)]
pub struct Names {
    limits: DnsLimits,
    /// Secret: nobody finds a new name with the hash of an old one.
    hasher: RandomState,
    agents: Mutex<HashMap<AgentIndex, Usage>>,
}

impl Names {
    #[must_use]
    pub fn new(limits: DnsLimits) -> Self {
        Self { limits, hasher: RandomState::new(), agents: Mutex::default() }
    }

    /// Whether `agent` may have the name resolved now; counts it if so.
    ///
    /// # Errors
    /// The limit that the name is beyond.
    pub fn admit(&self, agent: AgentIndex, asked: &Asked<'_>, now: Instant) -> Result<(), Excess> {
        if asked.chosen.is_empty() {
            return Ok(());
        }
        let cost = measured(&self.limits, asked)?;
        let hash = self.hasher.hash_one(asked.name);
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if !agents.contains_key(&agent) {
            // Whoever has been quiet for so long is as one who never asked.
            agents.retain(|_, usage| !usage.is_over(now));
        }
        let usage = agents.entry(agent).or_insert_with(|| Usage::new(&self.limits, now));
        usage.admit(&self.limits, hash, cost, asked.leaves, now)
    }

    /// The agent is removed: nothing is kept of it.
    pub fn forget(&self, agent: AgentIndex) {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).remove(&agent);
    }
}

#[derive(Debug)]
struct Usage {
    queries: Bucket,
    names: Bucket,
    /// Names since the last turn, and those of the time before.
    recent: HashSet<u64>,
    older: HashSet<u64>,
    turned: Instant,
    last: Instant,
}

impl Usage {
    fn new(limits: &DnsLimits, now: Instant) -> Self {
        Self {
            queries: Bucket::full(limits.queries_per_minute, now),
            names: Bucket::full(limits.names_per_minute, now),
            recent: HashSet::new(),
            older: HashSet::new(),
            turned: now,
            last: now,
        }
    }

    fn admit(&mut self, limits: &DnsLimits, hash: u64, cost: u32, leaves: bool, now: Instant) -> Result<(), Excess> {
        self.last = self.last.max(now);
        self.turn(now);
        if leaves && !self.queries.take(1, limits.queries_per_minute, now) {
            return Err(Excess::Queries { limit: limits.queries_per_minute });
        }
        let known = self.recent.contains(&hash) || self.older.contains(&hash);
        if !known && !self.names.take(cost, limits.names_per_minute, now) {
            return Err(Excess::Names { limit: limits.names_per_minute });
        }
        if self.recent.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(hash);
        Ok(())
    }

    fn turn(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.turned);
        if since < MEMORY {
            return;
        }
        self.older = std::mem::take(&mut self.recent);
        if since >= MEMORY * 2 {
            self.older.clear();
        }
        self.turned = now;
    }

    /// Both buckets are full again, and every name is forgotten.
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= MEMORY * 2
    }
}

/// Tokens that come back evenly, a minute's worth at most.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(per_minute: u32, now: Instant) -> Self {
        Self { left: f64::from(per_minute), at: now }
    }

    fn take(&mut self, cost: u32, per_minute: u32, now: Instant) -> bool {
        let all = f64::from(per_minute);
        // What costs more than there ever is takes all there is.
        let cost = f64::from(cost.min(per_minute));
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = all.min(self.left + since * all / 60.0);
        self.at = self.at.max(now);
        let enough = self.left >= cost;
        if enough {
            self.left -= cost;
        }
        enough
    }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
