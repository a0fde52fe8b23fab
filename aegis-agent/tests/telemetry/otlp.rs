//! Spans as a real OTLP server gets them, and what happens without one.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use aegis_agent::config::{LogFormat, Telemetry};
use aegis_agent::telemetry::{Metrics, Spans};
use aegis_audit::{Decision, Draft};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn collector() -> (String, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::unbounded_channel();
    let service = TraceServiceServer::new(Collector(sender));
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
    (endpoint, received)
}

fn config(endpoint: Option<String>) -> Telemetry {
    Telemetry { otlp_endpoint: endpoint, log: "info".into(), log_format: LogFormat::Text }
}

fn denied() -> Draft {
    Draft {
        decision_id: "0193".into(),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        parent_span_id: Some([0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]),
        agent_id: "finance-agent".into(),
        tool: Some("stripe-payments".into()),
        method: Some("POST".into()),
        scheme: Some("https".into()),
        host: Some("api.stripe.com".into()),
        port: Some(443),
        path: Some("/v1/charges?expand=balance".into()),
        decision: Decision::Deny,
        reason: "the amount is over the limit".into(),
        policy_version: "v2026-11-23".into(),
        approval_id: Some("apr_1".into()),
        duration_ms: 0.25,
        status: Some(403),
        ..Draft::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_one_span_a_decision_in_the_record_s_trace() {
    let (endpoint, mut received) = collector().await;
    let spans = Spans::new(&config(Some(endpoint)), &Metrics::new()).unwrap();
    let start = SystemTime::now() - Duration::from_millis(40);
    spans.decision(&denied(), start);
    spans.shutdown().await;
    let request = tokio::time::timeout(Duration::from_secs(5), received.recv()).await.unwrap().unwrap();
    assert!(received.try_recv().is_err(), "one export");
    let resource = &request.resource_spans[0];
    let service = resource
        .resource
        .as_ref()
        .unwrap()
        .attributes
        .iter()
        .find(|attribute| attribute.key == "service.name")
        .unwrap();
    assert_eq!(service.value.as_ref().unwrap().value, Some(Value::StringValue("aegis-agent".into())));
    let scope = &resource.scope_spans[0];
    assert_eq!((scope.scope.as_ref().unwrap().name.as_str(), scope.spans.len()), ("aegis", 1));

    let span = &scope.spans[0];
    assert_eq!(hex(&span.trace_id), denied().trace_id);
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    assert!(span.span_id.len() == 8 && span.span_id.iter().any(|byte| *byte != 0));
    assert_eq!(span.name, "aegis.decision deny");
    let took = Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano);
    assert!(took >= Duration::from_millis(40) && took < Duration::from_secs(5), "{took:?}");
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "the amount is over the limit"));

    let fields: HashMap<&str, Value> =
        span.attributes.iter().map(|field| (field.key.as_str(), field.value.clone().unwrap().value.unwrap())).collect();
    for (key, value) in [
        ("agent.id", "finance-agent"),
        ("gen_ai.agent.id", "finance-agent"),
        ("tool.name", "stripe-payments"),
        ("gen_ai.tool.name", "stripe-payments"),
        ("policy.version", "v2026-11-23"),
        ("decision", "deny"),
        ("reason", "the amount is over the limit"),
        ("approval_id", "apr_1"),
        ("aegis.decision_id", "0193"),
        ("http.request.method", "POST"),
        ("url.scheme", "https"),
        ("url.path", "/v1/charges"),
        ("url.query", "expand=balance"),
        ("server.address", "api.stripe.com"),
    ] {
        assert_eq!(fields.get(key), Some(&Value::StringValue(value.into())), "{key}");
    }
    assert_eq!(fields.get("duration_ms"), Some(&Value::DoubleValue(0.25)));
    assert_eq!(fields.get("server.port"), Some(&Value::IntValue(443)));
    assert_eq!(fields.get("http.response.status_code"), Some(&Value::IntValue(403)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_nothing_waits_and_losses_are_counted() {
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics = Metrics::new();
    let spans = Spans::new(&config(Some(format!("http://{}", silent.local_addr().unwrap()))), &metrics).unwrap();
    let start = Instant::now();
    for _ in 0..6_000 {
        spans.decision(&denied(), SystemTime::now());
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let text = metrics.encode();
    let dropped = text.lines().find_map(|line| line.strip_prefix("aegis_spans_dropped_total ")).unwrap();
    assert!(dropped.parse::<u64>().unwrap() >= 1_000, "{dropped} dropped");
}

#[tokio::test]
async fn no_endpoint_no_spans() {
    let spans = Spans::new(&config(None), &Metrics::new()).unwrap();
    spans.decision(&denied(), SystemTime::now());
    spans.shutdown().await;
    assert!(Spans::new(&config(Some("not a url".into())), &Metrics::new()).is_err());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
