//! Metrics and spans, as a collector outside the daemon receives them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use aegis_tests::{AGENT, Daemon, Lab, Settings};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde_json::json;

/// A collector: a real OTLP server that hands every span on.
struct Collector(Sender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            let _ = self.0.send(span);
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

fn collector(lab: &Lab) -> Receiver<Span> {
    let (sender, spans) = channel();
    let (ready, started) = channel();
    lab.host
        .thread("lab-collector", move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 4317)).await.unwrap();
                ready.send(()).unwrap();
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                let service = TraceServiceServer::new(Collector(sender));
                tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
            });
        })
        .unwrap();
    started.recv_timeout(Duration::from_secs(5)).unwrap();
    spans
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?;
    Some(format!("{:?}", value.value.as_ref()?))
}

#[test]
fn every_decision_is_one_span_with_the_records_trace_id() {
    let lab = Lab::new().unwrap();
    let spans = collector(&lab);
    let telemetry = json!({"telemetry": {"otlp_endpoint": "http://127.0.0.1:4317"}});
    let daemon = Daemon::start(&lab, &Settings::with(telemetry)).unwrap();
    lab.agent(AGENT).curl(&["https://api.allowed.test/forbidden/span"]).unwrap();
    let record = daemon.record(|record| record["path"] == "/forbidden/span").unwrap();
    let span = span_of(&spans, &record);
    for (key, value) in [
        ("agent.id", AGENT),
        ("decision", "deny"),
        ("policy.version", "lab-1"),
        ("tool.name", "forbidden-things"),
        ("server.address", "api.allowed.test"),
    ] {
        assert!(attribute(&span, key).is_some_and(|found| found.contains(value)), "{key}: {span:?}");
    }
    for key in ["reason", "duration_ms", "http.request.method", "gen_ai.agent.id"] {
        assert!(attribute(&span, key).is_some(), "{key}: {span:?}");
    }
}

/// The span of the decision that this record is of.
fn span_of(spans: &Receiver<Span>, record: &serde_json::Value) -> Span {
    let deadline = Instant::now() + Duration::from_secs(20);
    let wanted = record["trace_id"].as_str().unwrap();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let span = spans.recv_timeout(left).expect("no span with the record's trace id");
        if span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == wanted {
            return span;
        }
    }
}

const FINDINGS: &str = r#"version: spans-1
policies:
  - name: spans
    agents: ["*"]
    rules:
      - {name: calls, hosts: [api.allowed.test], paths: ["/mcp"], tools: ["search*"], decision: sanitize, dlp: {redact: [pii], report: [secrets]}}
      - {name: chat, hosts: [api.allowed.test], paths: ["/v1/chat/completions"], decision: allow, dlp: {deny: [ssn]}}
"#;

#[test]
fn what_was_found_and_what_was_called_is_on_the_span() {
    let lab = Lab::new().unwrap();
    let spans = collector(&lab);
    let config = json!({"telemetry": {"otlp_endpoint": "http://127.0.0.1:4317"}});
    let daemon = Daemon::start(&lab, &Settings { config, policy: Some(FINDINGS.to_owned()) }).unwrap();
    let post = |path: &str, body: &str| {
        let json = ["-H", "content-type: application/json", "-H", "mcp-session-id: s-1", "-d"];
        lab.agent(AGENT).curl(&[&json[..], &[body, &format!("https://api.allowed.test{path}")]].concat()).unwrap()
    };
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_people", "arguments":
        {"ssn": "536-22-8741", "note": "AKIAQ3EGRTZYXNMB2LKJ", "mails": ["jane.doe@corp.example", "joe.doe@corp.example"]}}});
    post("/mcp", &call.to_string());
    let record = daemon.record(|record| record["path"] == "/mcp").unwrap();
    let span = span_of(&spans, &record);
    for (key, value) in [
        ("decision", "sanitize"),
        ("rule", "spans/calls"),
        ("tool.name", "search_people"),
        ("gen_ai.tool.name", "search_people"),
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.agent.id", AGENT),
        ("mcp.method.name", "tools/call"),
        ("mcp.session.id", "s-1"),
        ("aegis.protocol", "mcp"),
        ("aegis.findings", "IntValue(4)"),
    ] {
        assert!(attribute(&span, key).is_some_and(|found| found.contains(value)), "{key}: {span:?}");
    }
    let detectors = attribute(&span, "aegis.detectors").unwrap();
    assert!(["aws_key", "email", "ssn"].iter().all(|name| detectors.contains(name)), "{detectors}");
    let found: Vec<[String; 4]> =
        span.events.iter().filter(|event| event.name == "aegis.finding").map(finding).collect();
    let wanted = |detector: &str, action: &str, place: &str| {
        found.iter().any(|one| one[0].contains(detector) && one[1].contains(action) && one[2].contains(place))
    };
    assert!(wanted("ssn", "redact", "/params/arguments/ssn"), "{found:?}");
    assert!(wanted("aws_key", "report", "/params/arguments/note"), "{found:?}");
    assert!(wanted("email", "redact", "/params/arguments/mails/1"), "{found:?}");
    assert!(found.iter().all(|one| one[3] == "IntValue(1)"), "{found:?}");
    let all = format!("{span:?}");
    assert!(["536-22", "AKIAQ3", "jane.doe"].iter().all(|text| !all.contains(text)), "{all}");

    let chat = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "my ssn is 536-22-8741"}]});
    let refused = post("/v1/chat/completions", &chat.to_string());
    assert_eq!(refused.status, 403, "{refused:?}");
    let record = daemon.record(|record| record["path"] == "/v1/chat/completions").unwrap();
    let span = span_of(&spans, &record);
    for (key, value) in [("decision", "deny"), ("gen_ai.request.model", "gpt-4o"), ("aegis.detectors", "ssn")] {
        assert!(attribute(&span, key).is_some_and(|found| found.contains(value)), "{key}: {span:?}");
    }
    let found: Vec<[String; 4]> = span.events.iter().map(finding).collect();
    assert!(
        found.len() == 1 && found[0][1].contains("deny") && found[0][2].contains("/messages/0/content"),
        "{found:?}"
    );
}

/// Detector, action, place and count of a finding.
fn finding(event: &Event) -> [String; 4] {
    ["detector", "action", "place", "count"].map(|key| {
        let key = format!("aegis.finding.{key}");
        let value = event
            .attributes
            .iter()
            .find(|attribute| attribute.key == key)
            .unwrap_or_else(|| panic!("{key}: {event:?}"));
        format!("{:?}", value.value.as_ref().unwrap().value.as_ref().unwrap())
    })
}

#[test]
fn a_silent_collector_does_not_hold_up_requests() {
    let lab = Lab::new().unwrap();
    // Nobody listens there.
    let telemetry = json!({"telemetry": {"otlp_endpoint": "http://127.0.0.1:4999"}});
    let daemon = Daemon::start(&lab, &Settings::with(telemetry)).unwrap();
    let answer = lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap();
    assert!(answer.status == 200 && answer.outcome.took < Duration::from_secs(5), "{answer:?}");
    drop(daemon);
}

#[test]
fn metrics_count_decisions() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap();
    lab.agent(AGENT).curl(&["https://api.allowed.test/forbidden"]).unwrap();
    let (status, text) = daemon.get("/metrics").unwrap();
    assert_eq!(status, 200);
    for family in [
        "aegis_decisions_total",
        "aegis_flows_total",
        "aegis_decision_seconds",
        "aegis_bytes_total",
        "aegis_dns_queries_total",
    ] {
        assert!(text.contains(&format!("# TYPE {}", family.trim_end_matches("_total"))), "{family} in {text}");
    }
    let decisions: f64 = text
        .lines()
        .filter(|line| line.starts_with("aegis_decisions_total{") && line.contains("\"deny\""))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum();
    assert!(decisions >= 1.0, "{text}");
}

#[test]
fn health_readiness_and_keys_are_served() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    assert_eq!(daemon.get("/healthz").unwrap().0, 200);
    assert_eq!(daemon.get("/readyz").unwrap().0, 200);
    let (status, keys) = daemon.get("/.well-known/jwks.json").unwrap();
    assert_eq!(status, 200);
    let keys: serde_json::Value = serde_json::from_str(&keys).unwrap();
    assert!(!keys["keys"][0]["kid"].as_str().unwrap().is_empty());
    assert_eq!(daemon.get("/nowhere").unwrap().0, 404);
}
