//! What was ended while it was under way: sockets that were destroyed, exchanges and relays that were cut off.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Counts of what was ended.
#[derive(Default)]
pub struct LiveMetrics {
    cut_off: Counter,
    destroyed: Family<ReasonLabel, Counter>,
    failed: Counter,
}

impl LiveMetrics {
    /// Exchanges and relays were cut off: a new policy does not allow them, or their agent was removed.
    pub fn cut_off(&self, flows: usize) {
        self.cut_off.inc_by(u64::try_from(flows).unwrap_or(u64::MAX));
    }

    /// Sockets of agents were destroyed; `reason` is from a closed set such as `unenforced`.
    pub fn destroyed(&self, reason: &'static str, sockets: u64) {
        self.destroyed.get_or_create(&ReasonLabel { reason }).inc_by(sockets);
    }

    /// The agents' sockets could not be looked at.
    pub fn sweep_failed(&self) {
        self.failed.inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "flows_cut_off",
            "Exchanges and relays cut off: not allowed any more by the policy, or of an agent that was removed",
            self.cut_off.clone(),
        );
        registry.register(
            "sockets_destroyed",
            "Live sockets of agents that no verdict stood behind, destroyed",
            self.destroyed.clone(),
        );
        registry.register("socket_sweeps_failed", "Looks at the agents' sockets that failed", self.failed.clone());
    }
}
