//! Metrics of the place that policies come from.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct SourceMetrics {
    refused: Counter,
    failures: Gauge<u64, AtomicU64>,
    good_at: Gauge<u64, AtomicU64>,
    serial: Gauge<u64, AtomicU64>,
}

impl SourceMetrics {
    /// An attempt was refused; `failures` with it since the last good one.
    pub fn refused(&self, failures: u32) {
        self.refused.inc();
        self.failures.set(u64::from(failures));
    }

    /// An attempt was good; `serial` is that of the bundle taken last, `at` when the place itself was asked, if it was.
    pub fn good(&self, serial: Option<u64>, at: Option<SystemTime>) {
        self.failures.set(0);
        if let Some(at) = at {
            self.good_at.set(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        }
        self.serial.set(serial.unwrap_or(0));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "policy_source_refused",
            "Attempts to load the policy that were refused; the one in force stayed",
            self.refused.clone(),
        );
        registry.register("policy_source_failures", "Refused attempts since the last good one", self.failures.clone());
        registry.register(
            "policy_source_good_timestamp_seconds",
            "When the policy's place was last asked and what it had was good",
            self.good_at.clone(),
        );
        registry.register(
            "policy_bundle_serial",
            "The serial of the bundle that was taken last; 0 where policies come from no bundle",
            self.serial.clone(),
        );
    }
}
