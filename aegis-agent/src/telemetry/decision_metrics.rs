//! Metrics of the decision log.

use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::DecisionLogHealth;

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// What the decision log tells of itself, brought up to date when the metrics are read.
#[derive(Default)]
pub(super) struct DecisionMetrics {
    written: Counter,
    dropped: Family<ReasonLabel, Counter>,
}

impl DecisionMetrics {
    pub(super) fn refresh(&self, health: &DecisionLogHealth) {
        self.written.inner().store(health.written, Relaxed);
        for (reason, events) in [("queue_full", health.dropped_full), ("not_written", health.dropped_unwritten)] {
            self.dropped.get_or_create(&ReasonLabel { reason }).inner().store(events, Relaxed);
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("events", "Events of decisions that were written", self.written.clone());
        registry.register("events_dropped", "Events of decisions that were dropped", self.dropped.clone());
    }
}
