//! What each agent has used so far: requests let through and body bytes sent, over the last minute, hour and day.
//!
//! Counted in memory on this host, and from nothing when the daemon starts. A request counts from before it is decided, so that
//! requests side by side see each other, and is taken back where it is refused; bytes count when their exchange ends. What
//! requests cost is not known here: it stays 0.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aegis_policy::{Usage, Usd, Used};

/// Agents counted one by one. Those beyond it share a counter, and so count each other's use as theirs.
const MAX_AGENTS: usize = 65_536;

/// The counters of all agents.
#[derive(Debug)]
pub struct Usages {
    begun: Instant,
    agents: RwLock<HashMap<String, Arc<Counters>>>,
    crowd: Arc<Counters>,
}

/// The counters of one agent.
#[derive(Debug)]
pub struct Counters {
    begun: Instant,
    requests: Windows,
    bytes_out: Windows,
}

/// A request that is counted, until it is dropped without having been let through.
#[derive(Debug)]
pub struct Counted {
    counters: Arc<Counters>,
    at: Duration,
    before: [u64; 3],
    passes: bool,
}

/// The same count over three windows. One slot more than fills the window: the oldest is counted until all of it has passed.
#[derive(Debug)]
struct Windows {
    minute: Ring<61>,
    hour: Ring<61>,
    day: Ring<97>,
}

/// A window of `SLOTS` slots; each holds the number of its own time span beside its count, so that it needs no clearing.
#[derive(Debug)]
struct Ring<const SLOTS: usize> {
    span: Duration,
    slots: [AtomicU64; SLOTS],
}

/// The upper bits of a slot: the number of its time span. A second's numbers come again after half a year.
const NUMBER_BITS: u32 = 24;
const COUNT_BITS: u32 = u64::BITS - NUMBER_BITS;
const MOST: u64 = (1 << COUNT_BITS) - 1;

impl Default for Usages {
    fn default() -> Self {
        let begun = Instant::now();
        Self { begun, agents: RwLock::default(), crowd: Arc::new(Counters::new(begun)) }
    }
}

impl Usages {
    /// The counters of `agent`, as the kernel names it: its sub-agents draw on the same.
    #[must_use]
    pub fn of(&self, agent: &str) -> Arc<Counters> {
        if let Some(found) = self.agents.read().unwrap_or_else(PoisonError::into_inner).get(agent) {
            return Arc::clone(found);
        }
        let mut agents = self.agents.write().unwrap_or_else(PoisonError::into_inner);
        if agents.len() >= MAX_AGENTS {
            let now = Instant::now();
            agents.retain(|_, counters| Arc::strong_count(counters) > 1 || counters.used(now));
        }
        if agents.len() >= MAX_AGENTS {
            return Arc::clone(&self.crowd);
        }
        Arc::clone(agents.entry(agent.to_owned()).or_insert_with(|| Arc::new(Counters::new(self.begun))))
    }
}

impl Counters {
    fn new(begun: Instant) -> Self {
        Self { begun, requests: Windows::new(), bytes_out: Windows::new() }
    }

    /// Counts a request.
    #[must_use]
    pub fn count(self: &Arc<Self>, now: Instant) -> Counted {
        let at = self.at(now);
        Counted { counters: Arc::clone(self), at, before: self.requests.add(at, 1), passes: false }
    }

    /// Counts body bytes that went out.
    pub fn sent(&self, now: Instant, bytes: u64) {
        if bytes > 0 {
            self.bytes_out.add(self.at(now), bytes);
        }
    }

    /// Whether anything was used in the last day.
    fn used(&self, now: Instant) -> bool {
        let at = self.at(now);
        [&self.requests, &self.bytes_out].into_iter().any(|windows| windows.day.sum(at, 0) > 0)
    }

    fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begun)
    }
}

impl Counted {
    /// What the agent used before this request.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let [minute, hour, day] = self.counters.requests.sums(self.at, 1);
        let [minute_before, hour_before, day_before] = self.before;
        let [bytes_minute, bytes_hour, bytes_day] = self.counters.bytes_out.sums(self.at, 0);
        let used = |requests, bytes_out| Used { requests, bytes_out, cost_usd: Usd::default() };
        Usage {
            minute: used(minute.saturating_add(minute_before), bytes_minute),
            hour: used(hour.saturating_add(hour_before), bytes_hour),
            day: used(day.saturating_add(day_before), bytes_day),
        }
    }

    /// The request is let through: it stays counted.
    pub fn keep(mut self) {
        self.passes = true;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.passes {
            self.counters.requests.take_back(self.at);
        }
    }
}

impl Windows {
    fn new() -> Self {
        let (minute, quarter) = (Duration::from_secs(60), Duration::from_secs(15 * 60));
        Self { minute: Ring::new(Duration::from_secs(1)), hour: Ring::new(minute), day: Ring::new(quarter) }
    }

    /// Says what stood in the slots of this moment before.
    fn add(&self, at: Duration, count: u64) -> [u64; 3] {
        [self.minute.add(at, count), self.hour.add(at, count), self.day.add(at, count)]
    }

    fn take_back(&self, at: Duration) {
        self.minute.take_back(at);
        self.hour.take_back(at);
        self.day.take_back(at);
    }

    fn sums(&self, at: Duration, youngest: u64) -> [u64; 3] {
        [self.minute.sum(at, youngest), self.hour.sum(at, youngest), self.day.sum(at, youngest)]
    }
}

impl<const SLOTS: usize> Ring<SLOTS> {
    fn new(span: Duration) -> Self {
        Self { span, slots: [const { AtomicU64::new(0) }; SLOTS] }
    }

    /// The number of the time span, and its slot.
    fn slot(&self, at: Duration) -> (u64, Option<&AtomicU64>) {
        let number = at.as_secs() / self.span.as_secs().max(1);
        let place = usize::try_from(number % SLOTS as u64).ok();
        (number & ((1 << NUMBER_BITS) - 1), place.and_then(|place| self.slots.get(place)))
    }

    /// Says what the slot counted before.
    fn add(&self, at: Duration, count: u64) -> u64 {
        let (number, Some(slot)) = self.slot(at) else { return MOST };
        let counted = |held: u64| if held >> COUNT_BITS == number { held & MOST } else { 0 };
        let added = |held: u64| number << COUNT_BITS | counted(held).saturating_add(count).min(MOST);
        counted(slot.update(Ordering::Relaxed, Ordering::Relaxed, added))
    }

    fn take_back(&self, at: Duration) {
        let (number, Some(slot)) = self.slot(at) else { return };
        let less = |held: u64| (held >> COUNT_BITS == number && held & MOST > 0).then(|| held - 1);
        // A slot that counts another span by now has nothing of it any more.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// The count of all slots whose span is at least `youngest` spans old and not yet out of the window.
    fn sum(&self, at: Duration, youngest: u64) -> u64 {
        let (number, _) = self.slot(at);
        let age = |held: u64| number.wrapping_sub(held >> COUNT_BITS) & ((1 << NUMBER_BITS) - 1);
        let counted = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
        counted.filter(|held| (youngest..SLOTS as u64).contains(&age(*held))).map(|held| held & MOST).sum()
    }
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
