//! What is measured over each way.

/// One kind of load.
pub struct Work {
    pub name: &'static str,
    pub table: Table,
    pub connections: usize,
    pub arguments: &'static [&'static str],
}

/// Where its figures are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Requests a second and processor time.
    Rates,
    /// Megabytes a second of bodies of 1 MB.
    Bodies,
    /// What the way adds to the time of one exchange.
    Added,
    /// What scanning adds, of every second request: only over Aegis.
    Scanning,
}

const fn work(table: Table, name: &'static str, connections: usize, arguments: &'static [&'static str]) -> Work {
    Work { name, table, connections, arguments }
}

use Table::{Added, Bodies, Rates, Scanning};

pub const WORKS: &[Work] = &[
    work(Rates, "GET 1 KB, 1 connection", 1, &[]),
    work(Rates, "GET 1 KB, 32 connections", 32, &[]),
    work(Rates, "GET 1 KB, 256 connections", 256, &[]),
    work(Rates, "POST 4 KB, no DLP, 32 connections", 32, &["--body", "4096", "--path", "/plain"]),
    work(Rates, "POST 4 KB, DLP, 32 connections", 32, &["--body", "4096", "--path", "/scanned"]),
    work(Rates, "POST 4 KB, DLP, 256 connections", 256, &["--body", "4096", "--path", "/scanned"]),
    work(Rates, "POST 4 KB, body rule + DLP, 32 connections", 32, &["--body", "4096", "--path", "/amount"]),
    work(Rates, "new TLS connection a request, 8 at once", 8, &["--kind", "connections"]),
    work(Bodies, "clean JSON, no DLP", 4, &["--body", "1048576", "--path", "/plain"]),
    work(Bodies, "clean JSON, DLP", 4, &["--body", "1048576", "--path", "/scanned"]),
    work(
        Bodies,
        "JSON with a match in every 300 bytes, redacted",
        4,
        &["--body", "1048576", "--path", "/scanned", "--content", "dirty"],
    ),
    work(
        Bodies,
        "clean JSON in gzip (1 MB before), no DLP",
        4,
        &["--body", "1048576", "--path", "/plain", "--content", "gzip"],
    ),
    work(
        Bodies,
        "clean JSON in gzip (1 MB before), DLP",
        4,
        &["--body", "1048576", "--path", "/scanned", "--content", "gzip"],
    ),
    work(Bodies, "answer of clean JSON, unread", 4, &["--path", "/megabyte"]),
    work(Bodies, "answer of clean JSON, DLP", 4, &["--path", "/scanned/megabyte"]),
    work(Added, "GET 1 KB", 1, &[]),
    work(Added, "SSE, first event, unread", 1, &["--kind", "events", "--path", "/events"]),
    work(Added, "SSE, first event, DLP", 1, &["--kind", "events", "--path", "/scanned/events"]),
    work(Added, "WebSocket message and its echo, unread", 1, &["--kind", "socket", "--path", "/socket"]),
    work(Added, "WebSocket message and its echo, DLP", 1, &["--kind", "socket", "--path", "/scanned/socket"]),
    work(Added, "gRPC unary, unread", 1, &["--kind", "calls", "--path", "/bench.Echo/Plain"]),
    work(Added, "gRPC unary, DLP", 1, &["--kind", "calls", "--path", "/bench.Echo/Scanned"]),
    work(Scanning, "POST 4 KB JSON", 1, &["--body", "4096", "--path", "/plain", "--against", "/scanned"]),
    work(Scanning, "POST 10 KB JSON", 1, &["--body", "10240", "--path", "/plain", "--against", "/scanned"]),
];

/// The policy that decides on all of it. What a rule does not say of `dlp` it has from its policy, so none is said there: "no DLP" and
/// "unread" are to be that.
pub const POLICY: &str = r#"
version: bench-3
policies:
  - name: bench
    agents: ["*"]
    rules:
      - {name: plain, hosts: [api.allowed.test], ports: [9443], methods: [POST], paths: [/plain, /bench.Echo/Plain], private: true, decision: allow}
      - {name: scanned, hosts: [api.allowed.test], ports: [9443], methods: [POST], paths: [/scanned, /bench.Echo/Scanned], private: true, decision: sanitize, dlp: {redact: [pii], deny: [secrets]}}
      - {name: amount, hosts: [api.allowed.test], ports: [9443], methods: [POST], paths: [/amount], body: [{path: amount, op: "<=", value: 5000}], private: true, decision: allow, dlp: {deny: [secrets]}}
      - {name: unread, hosts: [api.allowed.test], ports: [9443], methods: [GET], paths: [/events, /socket, /megabyte], private: true, decision: allow}
      - {name: both-ways, hosts: [api.allowed.test], ports: [9443], methods: [GET], paths: ["/scanned/**"], private: true, decision: sanitize, dlp: {redact: [pii], deny: [secrets], responses: {redact: [pii], deny: [secrets]}}}
      - {name: get, hosts: [api.allowed.test], ports: [9443], methods: [GET], paths: [/], private: true, decision: allow, dlp: {deny: [secrets]}}
"#;
