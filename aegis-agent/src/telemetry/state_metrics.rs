//! Metrics of the state store, and of the tokens that are refused by what it says.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Calls of the store, and what came of them.
pub struct StateMetrics {
    reachable: Gauge,
    calls: Counter,
    failed: Counter,
    seconds: Histogram,
    /// Microseconds of all calls that were answered.
    micros: AtomicU64,
    refused: Family<ReasonLabel, Counter>,
    unchecked: Counter,
}

impl Default for StateMetrics {
    fn default() -> Self {
        Self {
            reachable: Gauge::default(),
            calls: Counter::default(),
            failed: Counter::default(),
            // 50 us to 1.6 s.
            seconds: Histogram::new(exponential_buckets(5e-5, 2.0, 16)),
            micros: AtomicU64::new(0),
            refused: Family::default(),
            unchecked: Counter::default(),
        }
    }
}

impl StateMetrics {
    /// The store was asked.
    pub fn call(&self, answered: bool, took: Duration) {
        self.calls.inc();
        self.seconds.observe(took.as_secs_f64());
        if answered {
            self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        } else {
            self.failed.inc();
        }
    }

    /// Whether it can be reached now.
    pub fn reachable(&self, now: bool) {
        self.reachable.set(i64::from(now));
    }

    /// A token that is genuine was refused; `reason` is from a closed set such as `token_theft`.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A request passed although its token could not be checked: its rule fails open.
    pub fn unchecked(&self) {
        self.unchecked.inc();
    }

    /// Calls since the start.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Those that were not answered.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.get()
    }

    /// Over all calls that were answered.
    #[must_use]
    pub fn mean_latency(&self) -> Duration {
        let answered = self.calls().saturating_sub(self.failed());
        Duration::from_micros(self.micros.load(Relaxed).checked_div(answered).unwrap_or(0))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "tokens_refused",
            "Genuine tokens refused: stolen, used already, revoked",
            self.refused.clone(),
        );
        registry.register(
            "tokens_unchecked",
            "Requests that passed by a rule that fails open, their token not checked against the state store",
            self.unchecked.clone(),
        );
        let state = registry.sub_registry_with_prefix("state");
        state.register("reachable", "1 while the state store answers", self.reachable.clone());
        state.register("calls", "Calls of the state store", self.calls.clone());
        state.register("calls_failed", "Calls that were not answered in time", self.failed.clone());
        state.register_with_unit("call", "How long calls took", Unit::Seconds, self.seconds.clone());
    }
}
