//! Metrics of `aegisctl verify`.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use aegis_api::{Verdict, VerificationStatus};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// What was found, and when.
#[derive(Clone, Default)]
pub(super) struct VerifyMetrics {
    vectors: Family<ResultLabel, Gauge<u64, AtomicU64>>,
    last_run: Gauge<u64, AtomicU64>,
    leaked: Counter,
}

impl VerifyMetrics {
    /// A run has been reported: `kept` are the last ones of all agents, `leaked` is what this one adds.
    pub(super) fn verified(&self, kept: &[VerificationStatus], leaked: u64, at: SystemTime) {
        for verdict in Verdict::ALL {
            let sum = kept.iter().map(|run| run.count(verdict)).sum();
            self.vectors.get_or_create(&ResultLabel { result: verdict.name() }).set(sum);
        }
        let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last_run.set(since_epoch.as_secs());
        self.leaked.inc_by(leaked);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "verify_vectors",
            "Ways out by how they ended, in the last run of each agent",
            self.vectors.clone(),
        );
        registry.register_with_unit(
            "verify_last_run_timestamp",
            "When the last run was reported; 0 for never",
            Unit::Seconds,
            self.last_run.clone(),
        );
        registry.register("verify_leaked", "Ways out that leaked, over all runs", self.leaked.clone());
    }
}
