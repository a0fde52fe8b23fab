//! Prometheus metrics (OpenMetrics text). Labels come from closed sets only: no agent, host or path, which an agent could multiply.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aegis_api::VerificationStatus;
use aegis_audit::{Decision, Draft, Mode};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::audit_metrics::AuditMetrics;
use super::closed_labels::{
    DecisionLabels, DirectionLabel, FindingLabels, KindLabel, LimitLabel, VerdictLabel, action, detector,
};
use super::decision_metrics::DecisionMetrics;
use super::kernel_metrics::KernelMetrics;
use super::live_metrics::LiveMetrics;
use super::rollout_metrics::RolloutMetrics;
use super::source_metrics::SourceMetrics;
use super::state_metrics::StateMetrics;
use super::tool_metrics::ToolMetrics;
use super::verify_metrics::VerifyMetrics;
use super::{AuditHealth, DecisionLogHealth};
use crate::kernel::{Counters, TableFill};

/// All metrics of the daemon. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<All>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

struct All {
    registry: Registry,
    decisions: Family<DecisionLabels, Counter>,
    findings: Family<FindingLabels, Counter>,
    bytes_out: Counter,
    bytes_in: Counter,
    flows: Counter,
    flows_active: Gauge,
    namespaces_served: Gauge,
    handshakes_failed: Counter,
    decision_seconds: Histogram,
    request_seconds: Histogram,
    unrecordable: Counter,
    kernel_events: Family<KindLabel, Counter>,
    kernel: KernelMetrics,
    live: LiveMetrics,
    dns: Family<VerdictLabel, Counter>,
    dns_limited: Family<LimitLabel, Counter>,
    spans_dropped: Counter,
    spans_failed: Counter,
    verify: VerifyMetrics,
    rollout: RolloutMetrics,
    tools: ToolMetrics,
    source: SourceMetrics,
    audit: AuditMetrics,
    decision_log: DecisionMetrics,
    state: StateMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let bytes = Family::<DirectionLabel, Counter>::default();
        let mut all = All {
            registry: Registry::with_prefix("aegis"),
            decisions: Family::default(),
            findings: Family::default(),
            bytes_out: bytes.get_or_create_owned(&DirectionLabel { direction: "out" }),
            bytes_in: bytes.get_or_create_owned(&DirectionLabel { direction: "in" }),
            flows: Counter::default(),
            flows_active: Gauge::default(),
            namespaces_served: Gauge::default(),
            handshakes_failed: Counter::default(),
            // 5 us to 80 ms: the decision alone.
            decision_seconds: Histogram::new(exponential_buckets(5e-6, 2.0, 15)),
            // 0.5 ms to 9 minutes: with the origin's time.
            request_seconds: Histogram::new(exponential_buckets(5e-4, 2.0, 21)),
            unrecordable: Counter::default(),
            kernel_events: Family::default(),
            kernel: KernelMetrics::default(),
            live: LiveMetrics::default(),
            dns: Family::default(),
            dns_limited: Family::default(),
            spans_dropped: Counter::default(),
            spans_failed: Counter::default(),
            verify: VerifyMetrics::default(),
            rollout: RolloutMetrics::default(),
            tools: ToolMetrics::default(),
            source: SourceMetrics::default(),
            audit: AuditMetrics::default(),
            decision_log: DecisionMetrics::default(),
            state: StateMetrics::default(),
        };
        all.register(bytes);
        Self(Arc::new(all))
    }

    /// A decision's record is complete: counts it, its findings, its bytes and the time that the request took.
    pub fn decision(&self, draft: &Draft) {
        let all = &self.0;
        let labels = DecisionLabels { decision: draft.decision.name(), mode: draft.mode.name() };
        all.decisions.get_or_create(&labels).inc();
        all.bytes_out.inc_by(draft.bytes_out);
        all.bytes_in.inc_by(draft.bytes_in);
        for found in &draft.findings {
            let labels = FindingLabels { detector: detector(&found.detector), action: action(&found.action) };
            all.findings.get_or_create(&labels).inc_by(found.count);
        }
        if let Some(call) = &draft.call {
            all.tools.ended(call);
        }
        if let Ok(took) = draft.ts.elapsed() {
            all.request_seconds.observe(took.as_secs_f64());
        }
    }

    /// How long a decision alone took.
    pub fn decided_in(&self, took: Duration) {
        self.0.decision_seconds.observe(took.as_secs_f64());
    }

    /// A request was refused because its record could not be written.
    pub fn unrecordable(&self) {
        self.0.unrecordable.inc();
    }

    /// An intercepted connection began.
    pub fn flow_opened(&self) {
        self.0.flows.inc();
        self.0.flows_active.inc();
    }

    /// An intercepted connection ended.
    pub fn flow_closed(&self) {
        self.0.flows_active.dec();
    }

    /// In how many network namespaces of agents Aegis listens now.
    pub fn namespaces_served(&self, now: usize) {
        self.0.namespaces_served.set(i64::try_from(now).unwrap_or(i64::MAX));
    }

    /// A TLS handshake with an agent failed: often an agent that does not trust the CA.
    pub fn handshake_failed(&self) {
        self.0.handshakes_failed.inc();
    }

    /// The kernel reported something; `kind` is the event's label.
    pub fn kernel_event(&self, kind: &'static str) {
        self.0.kernel_events.get_or_create(&KindLabel { kind }).inc();
    }

    /// Brings the kernel's own counts up to date.
    pub fn kernel(&self, counters: &Counters, unaccounted: u64, fill: &[TableFill]) {
        self.0.kernel.refresh(counters, unaccounted, fill);
    }

    /// What was ended while it was under way.
    #[must_use]
    pub fn live(&self) -> &LiveMetrics {
        &self.0.live
    }

    /// What agents and models call.
    #[must_use]
    pub fn tools(&self) -> &ToolMetrics {
        &self.0.tools
    }

    /// Policy versions and rollouts.
    #[must_use]
    pub fn rollout(&self) -> &RolloutMetrics {
        &self.0.rollout
    }

    /// The place that policies come from.
    #[must_use]
    pub fn source(&self) -> &SourceMetrics {
        &self.0.source
    }

    /// The state store, and the tokens that are refused by what it says.
    #[must_use]
    pub fn state(&self) -> &StateMetrics {
        &self.0.state
    }

    /// A DNS query was answered; `verdict` is from a closed set such as `resolved`, `refused`, `failed`.
    pub fn dns_query(&self, verdict: &'static str) {
        self.0.dns.get_or_create(&VerdictLabel { verdict }).inc();
    }

    /// A name was not resolved because it is beyond a limit of `dns.limits`; `limit` is that limit's key.
    pub fn dns_limited(&self, limit: &'static str) {
        self.0.dns_limited.get_or_create(&LimitLabel { limit }).inc();
    }

    /// A span was thrown away because the collector does not keep up.
    pub(super) fn span_dropped(&self) {
        self.0.spans_dropped.inc();
    }

    /// Spans were lost because the collector did not take them.
    pub(super) fn spans_failed(&self, spans: u64) {
        self.0.spans_failed.inc_by(spans);
    }

    /// `aegisctl verify` reported a run: `kept` are the last ones of all agents, `leaked` is what this one adds.
    pub fn verified(&self, kept: &[VerificationStatus], leaked: u64, at: SystemTime) {
        self.0.verify.verified(kept, leaked, at);
    }

    /// Brings the audit log's metrics up to date.
    pub fn audit(&self, health: &AuditHealth) {
        self.0.audit.refresh(health);
    }

    /// Brings the decision log's metrics up to date.
    pub fn decision_log(&self, health: &DecisionLogHealth) {
        self.0.decision_log.refresh(health);
    }

    /// Intercepted connections since the start.
    #[must_use]
    pub fn flows_total(&self) -> u64 {
        self.0.flows.get()
    }

    /// Decisions since the start by kind, both modes together.
    #[must_use]
    pub fn decisions(&self) -> BTreeMap<String, u64> {
        [Decision::Allow, Decision::Deny, Decision::Sanitize, Decision::ApprovalNeeded]
            .into_iter()
            .map(|decision| {
                (
                    decision.name().to_owned(),
                    self.decided(decision, Mode::Enforce) + self.decided(decision, Mode::Shadow),
                )
            })
            .collect()
    }

    fn decided(&self, decision: Decision, mode: Mode) -> u64 {
        let labels = DecisionLabels { decision: decision.name(), mode: mode.name() };
        self.0.decisions.get(&labels).map_or(0, |counter| counter.get())
    }

    /// The metrics as OpenMetrics text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail; were it to, a scrape with what there is beats none.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

impl All {
    fn register(&mut self, bytes: Family<DirectionLabel, Counter>) {
        let registry = &mut self.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        registry.register("decisions", "Decisions, one for each audit record", self.decisions.clone());
        registry.register("findings", "Sensitive data found, by detector and what was done", self.findings.clone());
        registry.register("bytes", "Body bytes by direction, seen from the agent", bytes);
        registry.register("flows", "Connections that were intercepted", self.flows.clone());
        registry.register("flows_active", "Connections that are open", self.flows_active.clone());
        registry.register(
            "namespaces_served",
            "Network namespaces of agents in which Aegis listens, without the daemon's own",
            self.namespaces_served.clone(),
        );
        registry.register(
            "handshakes_failed",
            "TLS handshakes with agents that failed",
            self.handshakes_failed.clone(),
        );
        registry.register_with_unit(
            "decision",
            "Time of a decision alone",
            Unit::Seconds,
            self.decision_seconds.clone(),
        );
        registry.register_with_unit(
            "request",
            "Time of a request from its first byte to its last",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register(
            "unrecordable",
            "Requests refused because their record could not be written",
            self.unrecordable.clone(),
        );
        registry.register("kernel_events", "Events from the kernel", self.kernel_events.clone());
        self.kernel.register(registry.sub_registry_with_prefix("kernel"));
        self.live.register(registry);
        registry.register("dns_queries", "DNS queries of agents", self.dns.clone());
        registry.register("dns_limited", "Names not resolved, by the limit they are beyond", self.dns_limited.clone());
        registry.register(
            "spans_dropped",
            "Spans thrown away: the collector does not keep up",
            self.spans_dropped.clone(),
        );
        registry.register("spans_failed", "Spans that the collector did not take", self.spans_failed.clone());
        self.verify.register(registry);
        self.rollout.register(registry);
        self.tools.register(registry);
        self.source.register(registry);
        self.audit.register(registry.sub_registry_with_prefix("audit"));
        self.decision_log.register(registry.sub_registry_with_prefix("decision_log"));
        self.state.register(registry);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use aegis_audit::FindingEntry;

    #[test]
    fn a_decision_counts_once_everywhere() {
        let metrics = Metrics::new();
        let found = |detector: &str| FindingEntry {
            detector: detector.into(),
            action: "redact".into(),
            place: "url".into(),
            count: 2,
            ..FindingEntry::default()
        };
        metrics.decision(&Draft {
            decision: Decision::Sanitize,
            findings: vec![found("ssn"), found("invented-by-an-attacker")],
            bytes_out: 7,
            ..Draft::default()
        });
        metrics.flow_opened();
        metrics.dns_limited("entropy_bits");
        let text = metrics.encode();
        for line in [
            "aegis_decisions_total{decision=\"sanitize\",mode=\"enforce\"} 1",
            "aegis_findings_total{detector=\"ssn\",action=\"redact\"} 2",
            "aegis_findings_total{detector=\"other\",action=\"redact\"} 2",
            "aegis_bytes_total{direction=\"out\"} 7",
            "aegis_flows_total 1",
            "aegis_dns_limited_total{limit=\"entropy_bits\"} 1",
            "aegis_flows_active 1",
            "aegis_decision_seconds_count 0",
            "aegis_request_seconds_count 1",
            "aegis_kernel_events_dropped_total 0",
            "aegis_audit_last_seq 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains("aegis_build_info{version=\""), "{text}");
        assert_eq!(metrics.decisions().get("sanitize"), Some(&1));
        assert_eq!(metrics.decisions().len(), 4);
    }
}
