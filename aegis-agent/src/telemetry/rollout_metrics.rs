//! Metrics of policy versions and staged rollouts.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::policy::Answer;

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct PolicyLabel {
    policy: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct RolloutMetrics {
    version: Gauge<u64, AtomicU64>,
    percent: Family<PhaseLabel, Gauge<f64, AtomicU64>>,
    decisions: Family<ResultLabel, Counter>,
    denied: Family<PolicyLabel, Counter>,
    steps: Family<StepLabel, Counter>,
}

impl RolloutMetrics {
    /// Both policies have answered.
    pub fn compared(&self, live: &Answer, candidate: &Answer) {
        let alike = (live.decision, live.mode) == (candidate.decision, candidate.mode);
        let result = match (alike, live.rule == candidate.rule) {
            (true, true) => "same",
            (true, false) => "other_rule",
            (false, _) => "other_decision",
        };
        self.decisions.get_or_create(&ResultLabel { result }).inc();
        for (policy, answer) in [("live", live), ("candidate", candidate)] {
            if answer.refuses() {
                self.denied.get_or_create(&PolicyLabel { policy }).inc();
            }
        }
    }

    /// A decision could not be compared; `result` is from a closed set.
    pub fn uncompared(&self, result: &'static str) {
        self.decisions.get_or_create(&ResultLabel { result }).inc();
    }

    /// How far a rollout has come; none while there is none.
    pub fn stands(&self, live: u64, rollout: Option<(&'static str, f64)>) {
        self.version.set(live);
        for phase in ["shadow", "enforced"] {
            let percent = rollout.filter(|(now, _)| *now == phase).map_or(0.0, |(_, percent)| percent);
            self.percent.get_or_create(&PhaseLabel { phase }).set(percent);
        }
    }

    /// A rollout has taken a step; `step` is from a closed set.
    pub fn stepped(&self, step: &'static str) {
        self.steps.get_or_create(&StepLabel { step }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("policy_version", "Number of the live policy version", self.version.clone());
        registry.register(
            "policy_rollout_percent",
            "How many of the agents a candidate is tried on, in percent, by phase; 0 without a rollout",
            self.percent.clone(),
        );
        registry.register(
            "policy_rollout_decisions",
            "Decisions of agents in a rollout, by what the other policy said of them",
            self.decisions.clone(),
        );
        registry.register(
            "policy_rollout_denied",
            "Compared decisions that the live policy and the candidate refuse",
            self.denied.clone(),
        );
        registry.register(
            "policy_rollout_steps",
            "Steps of rollouts: started, enforced, completed, rolled back, aborted",
            self.steps.clone(),
        );
    }
}
