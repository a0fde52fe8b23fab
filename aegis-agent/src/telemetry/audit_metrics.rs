//! Metrics of the audit log.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::AuditHealth;

/// What the audit log tells of itself, brought up to date when the metrics are read.
#[derive(Default)]
pub(super) struct AuditMetrics {
    healthy: Gauge,
    last_seq: Gauge<u64, AtomicU64>,
    queued: Gauge<u64, AtomicU64>,
    open: Gauge<u64, AtomicU64>,
    free: Gauge<u64, AtomicU64>,
    refused: Counter,
    abandoned: Counter,
}

impl AuditMetrics {
    pub(super) fn refresh(&self, health: &AuditHealth) {
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.healthy.set(i64::from(health.healthy));
        self.last_seq.set(health.last_seq);
        self.queued.set(wide(health.queued));
        self.open.set(wide(health.open));
        self.free.set(health.bytes_free.unwrap_or(0));
        self.refused.inner().store(health.refused, Relaxed);
        self.abandoned.inner().store(health.abandoned, Relaxed);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("healthy", "1 while records can be written", self.healthy.clone());
        registry.register("last_seq", "Number of the last record written", self.last_seq.clone());
        registry.register("queued", "Records that wait for the disk", self.queued.clone());
        registry.register("open", "Places reserved by requests under way", self.open.clone());
        registry.register_with_unit("free", "Free on the log's file system", Unit::Bytes, self.free.clone());
        registry.register("refused", "Requests that got no place in the log", self.refused.clone());
        registry.register("abandoned", "Places dropped without a decision's record", self.abandoned.clone());
    }
}
