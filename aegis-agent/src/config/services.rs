//! What the daemon offers and uses: audit, DNS, upstream connections, TLS, telemetry, limits.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::host::Listen;
use super::problems::Checker;
use super::raw::{RawAudit, RawDns, RawDnsLimits, RawLimits, RawTelemetry, RawTls, RawUpstream};

/// The audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    pub path: PathBuf,
    /// Records that may wait for the writer; a request that finds it full is not forwarded.
    pub queue: usize,
    pub fsync: Fsync,
    /// A signed checkpoint after this many records.
    pub checkpoint_every: u64,
}

/// When written records are forced to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// After each batch.
    Batch,
    /// When the system sees fit: a power cut loses the last seconds.
    Never,
}

impl Audit {
    pub(super) fn check(raw: &RawAudit, state_dir: &Path, p: &mut Checker) -> Self {
        Self {
            path: match &raw.path {
                Some(path) => p.path("audit.path", path),
                None => state_dir.join("audit/audit.jsonl"),
            },
            queue: p.number("audit.queue", raw.queue, 16..=1_048_576),
            fsync: p.one_of(
                "audit.fsync",
                &raw.fsync,
                &[("batch", Fsync::Batch), ("never", Fsync::Never)],
                Fsync::Batch,
            ),
            checkpoint_every: p.number("audit.checkpoint_every", raw.checkpoint_every, 1..=1_000_000),
        }
    }
}

/// Aegis' own resolver, for agents and for the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Empty: the nameservers of `/etc/resolv.conf`.
    pub upstreams: Vec<SocketAddr>,
    /// For one try at one upstream.
    pub timeout: Duration,
    /// How many tries a question gets, going round the upstreams.
    pub attempts: u32,
    pub cache_entries: u64,
    pub max_ttl: Duration,
    /// Agents' queries handled at one time; more are dropped (UDP) or hung up on (TCP).
    pub concurrent_queries: usize,
    pub limits: DnsLimits,
}

/// What an agent may do with names that no rule of its spells out: those below a wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsLimits {
    /// Of a label that the wildcard stands for.
    pub label_bytes: usize,
    /// Of the whole name.
    pub name_bytes: usize,
    /// Bits that look like data, in all that the wildcard stands for.
    pub entropy_bits: u32,
    /// Names that were not asked for within the last minute or two; what looks like data counts for more of them.
    pub names_per_minute: u32,
    /// Questions that leave the host.
    pub queries_per_minute: u32,
}

impl DnsLimits {
    fn check(raw: &RawDnsLimits, p: &mut Checker) -> Self {
        Self {
            label_bytes: p.number("dns.limits.label_bytes", raw.label_bytes, 1..=63),
            name_bytes: p.number("dns.limits.name_bytes", raw.name_bytes, 1..=253),
            entropy_bits: p.number("dns.limits.entropy_bits", raw.entropy_bits, 0..=10_000),
            names_per_minute: p.number("dns.limits.names_per_minute", raw.names_per_minute, 1..=1_000_000),
            queries_per_minute: p.number("dns.limits.queries_per_minute", raw.queries_per_minute, 1..=10_000_000),
        }
    }
}

impl Dns {
    pub(super) fn check(raw: &RawDns, listen: &Listen, p: &mut Checker) -> Self {
        let upstreams = (raw.upstreams.iter().enumerate())
            .filter_map(|(i, text)| check_upstream(&format!("dns.upstreams[{i}]"), text, listen, p))
            .collect();
        Self {
            upstreams,
            timeout: p.millis("dns.timeout_ms", raw.timeout_ms, 10..=60_000),
            attempts: p.number("dns.attempts", raw.attempts, 1..=10),
            cache_entries: p.number("dns.cache_entries", raw.cache_entries, 0..=10_000_000),
            max_ttl: p.seconds("dns.max_ttl_s", raw.max_ttl_s, 1..=86_400),
            concurrent_queries: p.number("dns.concurrent_queries", raw.concurrent_queries, 1..=65_536),
            limits: DnsLimits::check(&raw.limits, p),
        }
    }
}

/// `address` or `address:port`, port 53 where none is given.
fn check_upstream(path: &str, text: &str, listen: &Listen, p: &mut Checker) -> Option<SocketAddr> {
    let addr = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53))).ok();
    match addr {
        Some(addr) if addr.ip().is_loopback() && addr.port() == listen.dns_port => {
            p.problem(path, format!("{addr} is Aegis' own DNS listener: queries would go in a circle; name another"));
        }
        Some(addr) if addr.port() == 0 || addr.ip().is_unspecified() => {
            p.problem(path, format!("{addr} cannot be asked; give the address of a DNS server"));
        }
        Some(_) => return addr,
        None => p.problem(
            path,
            format!("`{text}` is not an address; give one such as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::1]:53"),
        ),
    }
    None
}

/// Connections to origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// PEM files of CAs that are trusted beside the system's.
    pub extra_roots: Vec<PathBuf>,
    pub system_roots: bool,
    pub connect_timeout: Duration,
    pub pool_idle: Duration,
    pub pool_per_host: usize,
}

impl Upstream {
    pub(super) fn check(raw: &RawUpstream, p: &mut Checker) -> Self {
        if !raw.system_roots && raw.extra_roots.is_empty() {
            p.problem(
                "upstream.system_roots",
                "with false and no extra_roots no origin can be trusted; give extra_roots",
            );
        }
        Self {
            extra_roots: (raw.extra_roots.iter().enumerate())
                .map(|(i, path)| p.existing(&format!("upstream.extra_roots[{i}]"), path))
                .collect(),
            system_roots: raw.system_roots,
            connect_timeout: p.millis("upstream.connect_timeout_ms", raw.connect_timeout_ms, 10..=600_000),
            pool_idle: p.seconds("upstream.pool_idle_s", raw.pool_idle_s, 0..=3600),
            pool_per_host: p.number("upstream.pool_per_host", raw.pool_per_host, 0..=4096),
        }
    }
}

/// The per-host CA and its leaf certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub leaf_ttl: Duration,
    pub leaf_cache: u64,
    pub ca_ttl: Duration,
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

impl Tls {
    pub(super) fn check(raw: &RawTls, p: &mut Checker) -> Self {
        let leaf_hours: u64 = p.number("tls.leaf_ttl_h", raw.leaf_ttl_h, 1..=24 * 90);
        let ca_days: u64 = p.number("tls.ca_ttl_d", raw.ca_ttl_d, 1..=3650);
        Self {
            leaf_ttl: Duration::from_secs(leaf_hours * HOUR),
            leaf_cache: p.number("tls.leaf_cache", raw.leaf_cache, 16..=1_000_000),
            ca_ttl: Duration::from_secs(ca_days * DAY),
        }
    }
}

/// Logs and traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// An OTLP gRPC endpoint such as `http://127.0.0.1:4317`; `None` switches spans off.
    pub otlp_endpoint: Option<String>,
    /// A `tracing_subscriber::EnvFilter`.
    pub log: String,
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Telemetry {
    pub(super) fn check(raw: &RawTelemetry, p: &mut Checker) -> Self {
        if let Some(endpoint) = &raw.otlp_endpoint {
            let uri = endpoint.parse::<http::Uri>().ok();
            let http = uri.is_some_and(|u| u.host().is_some() && matches!(u.scheme_str(), Some("http" | "https")));
            if !http {
                p.problem(
                    "telemetry.otlp_endpoint",
                    format!("`{endpoint}` is not a URL; give one such as http://127.0.0.1:4317"),
                );
            }
        }
        if let Err(error) = raw.log.parse::<tracing_subscriber::EnvFilter>() {
            p.problem(
                "telemetry.log",
                format!("`{}`: {error}; give `info` or a filter such as `info,aegis_agent=debug`", raw.log),
            );
        }
        Self {
            otlp_endpoint: raw.otlp_endpoint.clone(),
            log: raw.log.clone(),
            log_format: p.one_of(
                "telemetry.log_format",
                &raw.log_format,
                &[("text", LogFormat::Text), ("json", LogFormat::Json)],
                LogFormat::Text,
            ),
        }
    }
}

/// What one agent, one connection, one request may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub connections: usize,
    pub connections_per_agent: usize,
    /// Requests of one agent under way at once; each holds a place in the audit log.
    pub requests_per_agent: usize,
    /// From the first byte of a ClientHello to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// Without a whole request head, or without a byte of a stream.
    pub idle_timeout: Duration,
    pub request_timeout: Duration,
    pub header_bytes: usize,
    pub headers: usize,
    pub h2_streams: u32,
    /// The longest JSON body that a rule's `body` conditions can read.
    pub inspect_body_bytes: usize,
    /// Body bytes held for one direction of one stream.
    pub buffer_body_bytes: usize,
    /// The longest message of a WebSocket that is inspected.
    pub websocket_message_bytes: usize,
    /// Network namespaces served beside the daemon's own: each has a thread and its listeners.
    pub namespaces: usize,
    /// Those of one agent that nobody configured.
    pub namespaces_per_agent: usize,
}

impl Limits {
    pub(super) fn check(raw: &RawLimits, p: &mut Checker) -> Self {
        if raw.connections_per_agent > raw.connections {
            p.problem("limits.connections_per_agent", format!("is more than limits.connections ({})", raw.connections));
        }
        Self {
            connections: p.number("limits.connections", raw.connections, 1..=1_000_000),
            connections_per_agent: p.number("limits.connections_per_agent", raw.connections_per_agent, 1..=1_000_000),
            requests_per_agent: p.number("limits.requests_per_agent", raw.requests_per_agent, 1..=1_000_000),
            handshake_timeout: p.millis("limits.handshake_timeout_ms", raw.handshake_timeout_ms, 10..=600_000),
            idle_timeout: p.seconds("limits.idle_timeout_s", raw.idle_timeout_s, 1..=86_400),
            request_timeout: p.seconds("limits.request_timeout_s", raw.request_timeout_s, 1..=86_400),
            header_bytes: p.number("limits.header_bytes", raw.header_bytes, 8192..=1_048_576),
            headers: p.number("limits.headers", raw.headers, 16..=4096),
            h2_streams: p.number("limits.h2_streams", raw.h2_streams, 1..=10_000),
            inspect_body_bytes: p.number("limits.inspect_body_bytes", raw.inspect_body_bytes, 1024..=67_108_864),
            buffer_body_bytes: p.number("limits.buffer_body_bytes", raw.buffer_body_bytes, 4096..=16_777_216),
            websocket_message_bytes: p.number(
                "limits.websocket_message_bytes",
                raw.websocket_message_bytes,
                1024..=268_435_456,
            ),
            namespaces: p.number("limits.namespaces", raw.namespaces, 0..=4096),
            namespaces_per_agent: p.number("limits.namespaces_per_agent", raw.namespaces_per_agent, 0..=4096),
        }
    }
}
