//! One OTLP span a decision (gRPC), in the trace that the record names. Built from the record itself, so that the two cannot differ.
//!
//! The queue is bounded and the hand-over never waits: a span that finds it full is dropped and counted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use aegis_audit::{CallEntry, Decision, Draft, FindingEntry, Mode};
use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor,
};
use uuid::Uuid;

use super::Metrics;
use crate::config::Telemetry;

/// Spans that may wait for the collector.
const QUEUE: usize = 4096;
const BATCH: usize = 512;
/// Findings that a span tells one by one.
const FINDINGS: usize = 64;
const EVERY: Duration = Duration::from_secs(1);

/// How long a collector may take for a batch, and for the last one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.otlp_endpoint {endpoint}: {source}")]
pub struct SpansError {
    endpoint: String,
    source: ExporterBuildError,
}

/// Where decisions go as spans; nowhere when no endpoint is configured. Cheap to clone.
#[derive(Clone)]
pub struct Spans(Option<Arc<Sender>>);

struct Sender {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    waiting: Arc<AtomicUsize>,
    metrics: Metrics,
}

impl Spans {
    /// Starts the exporter when an endpoint is configured. Must be called within a tokio runtime. A collector that cannot be reached is no error:
    /// spans are then lost and counted.
    ///
    /// # Errors
    /// When the endpoint is no URL that can be spoken to.
    pub fn new(config: &Telemetry, metrics: &Metrics) -> Result<Self, SpansError> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(Self(None)) };
        let otlp = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|source| SpansError { endpoint: endpoint.clone(), source })?;
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Counted { to: otlp, waiting: Arc::clone(&waiting), metrics: metrics.clone() };
        let batches = BatchConfigBuilder::default()
            // Twice what we let in: our own count drops first, so no drop goes uncounted.
            .with_max_queue_size(QUEUE * 2)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(EVERY)
            .build();
        let mut processor = BatchSpanProcessor::builder(counted).with_batch_config(batches).build();
        processor.set_resource(&resource());
        let scope = InstrumentationScope::builder("aegis").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self(Some(Arc::new(Sender { processor, scope, waiting, metrics: metrics.clone() }))))
    }

    /// Hands over the span of a decision that began at `start` and ends now. Never waits.
    pub fn decision(&self, draft: &Draft, start: SystemTime) {
        let Some(sender) = &self.0 else { return };
        if sender.waiting.fetch_add(1, Relaxed) >= QUEUE {
            sender.waiting.fetch_sub(1, Relaxed);
            sender.metrics.span_dropped();
            return;
        }
        sender.processor.on_end(span(draft, start, sender.scope.clone()));
    }

    /// Sends what waits and ends; 5 s at most.
    pub async fn shutdown(&self) {
        let Some(sender) = self.0.clone() else { return };
        let ended = tokio::task::spawn_blocking(move || sender.processor.shutdown_with_timeout(PATIENCE)).await;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("spans were lost at the end: {error}"),
            Err(error) => tracing::warn!("spans were lost at the end: {error}"),
        }
    }
}

fn resource() -> Resource {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Resource::builder()
        .with_service_name("aegis-agent")
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("host.name", host),
        ])
        .build()
}

fn span(draft: &Draft, start: SystemTime, scope: InstrumentationScope) -> SpanData {
    let random = Uuid::new_v4();
    // A record whose trace id is none still deserves a span: in a trace of its own.
    let trace_id = TraceId::from_hex(&draft.trace_id).ok().filter(|id| *id != TraceId::INVALID);
    let trace_id = trace_id.unwrap_or_else(|| TraceId::from(Uuid::new_v4().as_u128()));
    // The lower half: never zero, for it holds the UUID's variant (RFC 9562, section 4.1).
    let span_id = SpanId::from(random.as_u64_pair().1);
    let parent = draft.parent_span_id.map_or(SpanId::INVALID, SpanId::from_bytes);
    let end = SystemTime::now().max(start);
    SpanData {
        span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: parent,
        parent_span_is_remote: parent != SpanId::INVALID,
        span_kind: SpanKind::Client,
        name: format!("aegis.decision {}", draft.decision.name()).into(),
        start_time: start,
        end_time: end,
        attributes: attributes(draft),
        dropped_attributes_count: 0,
        events: found(&draft.findings, end),
        links: SpanLinks::default(),
        status: status(draft),
        instrumentation_scope: scope,
    }
}

/// An event for each finding: what it is, where it was and what became of it.
fn found(findings: &[FindingEntry], at: SystemTime) -> SpanEvents {
    let event = |finding: &FindingEntry| {
        let FindingEntry { detector, action, place, confidence, count } = finding;
        let mut all = Vec::with_capacity(5);
        for (key, value) in [
            ("aegis.finding.detector", detector),
            ("aegis.finding.action", action),
            ("aegis.finding.place", place),
            ("aegis.finding.confidence", confidence),
        ] {
            if !value.is_empty() {
                all.push(KeyValue::new(key, value.clone()));
            }
        }
        all.push(KeyValue::new("aegis.finding.count", whole(*count)));
        Event::new("aegis.finding", at, all, 0)
    };
    let mut events = SpanEvents::default();
    events.events.extend(findings.iter().take(FINDINGS).map(event));
    events.dropped_count = u32::try_from(findings.len().saturating_sub(FINDINGS)).unwrap_or(u32::MAX);
    events
}

/// The names of the detectors that found something, each once, and how often all of them did.
fn of_findings(findings: &[FindingEntry]) -> Vec<KeyValue> {
    if findings.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&str> = findings.iter().map(|finding| finding.detector.as_str()).collect();
    let names: Vec<StringValue> = names.into_iter().map(|name| name.to_owned().into()).collect();
    let count = findings.iter().map(|finding| finding.count).fold(0, u64::saturating_add);
    vec![KeyValue::new("aegis.detectors", Value::Array(names.into())), KeyValue::new("aegis.findings", whole(count))]
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A denial that was carried out is an error of the request; that of a shadow rule is not.
fn status(draft: &Draft) -> Status {
    match (&draft.error, draft.decision, draft.mode) {
        (Some(error), _, _) => Status::error(error.clone()),
        (None, Decision::Deny | Decision::ApprovalNeeded, Mode::Enforce) => Status::error(draft.reason.clone()),
        _ => Status::Unset,
    }
}

/// The seed's fields, and today's names of the semantic conventions (HTTP, server, URL, GenAI) for the same.
fn attributes(draft: &Draft) -> Vec<KeyValue> {
    let mut all = Vec::with_capacity(24);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (path, query) = draft.path.as_deref().map_or(("", ""), |path| path.split_once('?').unwrap_or((path, "")));
    for (key, value) in [
        ("agent.id", draft.agent_id.clone()),
        ("gen_ai.agent.id", draft.agent_id.clone()),
        ("aegis.org", draft.org.clone()),
        ("aegis.tenant", draft.tenant.clone()),
        ("aegis.decision_id", draft.decision_id.clone()),
        ("policy.version", draft.policy_version.clone()),
        ("decision", draft.decision.name().to_owned()),
        ("mode", draft.mode.name().to_owned()),
        ("reason", draft.reason.clone()),
        ("tool.name", text(&draft.tool)),
        ("gen_ai.tool.name", text(&draft.tool)),
        ("rule", text(&draft.rule)),
        ("approval_id", text(&draft.approval_id)),
        ("http.request.method", text(&draft.method)),
        ("url.scheme", text(&draft.scheme)),
        ("url.path", path.to_owned()),
        ("url.query", query.to_owned()),
        ("server.address", text(&draft.host)),
    ] {
        if !value.is_empty() {
            all.push(KeyValue::new(key, value));
        }
    }
    all.extend(draft.call.as_ref().map(of_call).unwrap_or_default());
    all.extend(of_findings(&draft.findings));
    all.push(KeyValue::new("duration_ms", draft.duration_ms));
    all.extend(draft.port.map(|port| KeyValue::new("server.port", i64::from(port))));
    all.extend(draft.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
    all
}

/// Names of OpenTelemetry's conventions for generative AI and for MCP.
fn of_call(call: &CallEntry) -> Vec<KeyValue> {
    let mut all = vec![KeyValue::new("aegis.protocol", call.protocol.clone())];
    let mcp = call.protocol == "mcp";
    let operation = match (mcp, call.provider.is_some()) {
        (true, _) => "mcp.method.name",
        (false, true) => "gen_ai.operation.name",
        (false, false) => "rpc.method",
    };
    let tool = mcp && call.operation.as_deref() == Some("tools/call");
    for (key, value) in [
        (operation, call.operation.as_deref()),
        ("gen_ai.operation.name", tool.then_some("execute_tool")),
        ("gen_ai.provider.name", call.provider.as_deref()),
        ("gen_ai.request.model", call.model.as_deref()),
        ("mcp.session.id", call.session.as_deref()),
    ] {
        all.extend(value.map(|value| KeyValue::new(key, value.to_owned())));
    }
    for (key, count) in [
        ("gen_ai.usage.input_tokens", call.input_tokens),
        ("gen_ai.usage.output_tokens", call.output_tokens),
        ("gen_ai.usage.cache_read.input_tokens", call.cached_tokens),
    ] {
        all.extend(count.map(|count| KeyValue::new(key, whole(count))));
    }
    for (key, names) in [("aegis.tool_calls", &call.tool_calls), ("aegis.changed_tools", &call.changed_tools)] {
        if !names.is_empty() {
            let names: Vec<StringValue> = names.iter().cloned().map(StringValue::from).collect();
            all.push(KeyValue::new(key, Value::Array(names.into())));
        }
    }
    all
}

/// Counts what leaves the queue, and what the collector did not take.
#[derive(Debug)]
struct Counted {
    to: opentelemetry_otlp::SpanExporter,
    waiting: Arc<AtomicUsize>,
    metrics: Metrics,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.to.export(batch).await;
        self.waiting.fetch_sub(spans, Relaxed);
        exported.inspect_err(|_| self.metrics.spans_failed(u64::try_from(spans).unwrap_or(u64::MAX)))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.to.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.to.set_resource(resource);
    }
}
