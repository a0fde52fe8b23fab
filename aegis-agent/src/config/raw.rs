//! The configuration as it is written: names, types and defaults, nothing checked beyond that.
//!
//! Numbers are as wide as YAML allows on purpose: that a port is at most 65535 is said by the second
//! stage, in words, together with every other problem of the file.

mod discovery;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod decisions;
mod masks;
mod policies;
mod state;
mod tokens;

pub use decisions::RawDecisions;
pub use masks::RawMasks;
pub use policies::{RawBundle, RawBundleKey, RawPolicies};
pub use state::{RawRedis, RawState};
pub use tokens::{RawTokens, RawTrusted};

pub use discovery::{RawContainers, RawDiscovery, RawUnits};

/// The whole file.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    pub instance: String,
    pub listen: RawListen,
    pub control: RawControl,
    pub state_dir: PathBuf,
    pub cgroup_root: PathBuf,
    pub bpf: RawBpf,
    pub enrolment: RawEnrolment,
    pub policies: RawPolicies,
    pub agents: Vec<RawAgent>,
    pub discovery: RawDiscovery,
    pub audit: RawAudit,
    pub decisions: RawDecisions,
    pub dns: RawDns,
    pub upstream: RawUpstream,
    pub tls: RawTls,
    pub telemetry: RawTelemetry,
    pub limits: RawLimits,
    pub verify: RawVerify,
    pub state: RawState,
    pub tokens: RawTokens,
    pub masks: RawMasks,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            instance: "default".into(),
            listen: RawListen::default(),
            control: RawControl::default(),
            state_dir: "/var/lib/aegis".into(),
            cgroup_root: "aegis".into(),
            bpf: RawBpf::default(),
            enrolment: RawEnrolment::default(),
            policies: RawPolicies::default(),
            agents: Vec::new(),
            discovery: RawDiscovery::default(),
            audit: RawAudit::default(),
            decisions: RawDecisions::default(),
            dns: RawDns::default(),
            upstream: RawUpstream::default(),
            tls: RawTls::default(),
            telemetry: RawTelemetry::default(),
            limits: RawLimits::default(),
            verify: RawVerify::default(),
            state: RawState::default(),
            tokens: RawTokens::default(),
            masks: RawMasks::default(),
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawListen {
    pub proxy_port: u64,
    pub dns_port: u64,
    pub http: String,
}

impl Default for RawListen {
    fn default() -> Self {
        Self { proxy_port: 15001, dns_port: 15053, http: "127.0.0.1:15090".into() }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawControl {
    pub socket: PathBuf,
    pub group: Option<String>,
}

impl Default for RawControl {
    fn default() -> Self {
        Self { socket: "/run/aegis/control.sock".into(), group: None }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawBpf {
    pub pin_dir: PathBuf,
    pub log: bool,
    pub heartbeat_timeout_ms: u64,
}

impl Default for RawBpf {
    fn default() -> Self {
        Self { pin_dir: "/sys/fs/bpf/aegis".into(), log: false, heartbeat_timeout_ms: 3000 }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawEnrolment {
    pub unenrolled: String,
    pub closed: Vec<PathBuf>,
    pub on_departure: String,
}

impl Default for RawEnrolment {
    fn default() -> Self {
        Self { unenrolled: "deny".into(), closed: Vec::new(), on_departure: "kill".into() }
    }
}

/// One entry of `agents`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawAgent {
    pub name: String,
    pub org: String,
    pub tenant: String,
    pub parent: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub scopes: Vec<String>,
    pub policies: Vec<String>,
    pub budget_profile: Option<String>,
    pub token: String,
    pub mode: String,
    pub on_agent_down: String,
    pub listen: String,
    pub direct: Vec<RawDirect>,
    pub network_namespace: Option<PathBuf>,
    pub dial: String,
}

impl Default for RawAgent {
    fn default() -> Self {
        Self {
            name: String::new(),
            org: "default".into(),
            tenant: "default".into(),
            parent: None,
            labels: BTreeMap::new(),
            scopes: Vec::new(),
            policies: Vec::new(),
            budget_profile: None,
            token: "ambient".into(),
            mode: "enforce".into(),
            on_agent_down: "closed".into(),
            listen: "loopback".into(),
            direct: Vec::new(),
            network_namespace: None,
            dial: "host".into(),
        }
    }
}

/// One entry of `agents[].direct`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawDirect {
    pub cidr: String,
    pub port: Option<u64>,
    pub protocol: String,
}

impl Default for RawDirect {
    fn default() -> Self {
        Self { cidr: String::new(), port: None, protocol: "tcp".into() }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawAudit {
    pub path: Option<PathBuf>,
    pub queue: u64,
    pub fsync: String,
    pub checkpoint_every: u64,
}

impl Default for RawAudit {
    fn default() -> Self {
        Self { path: None, queue: 4096, fsync: "batch".into(), checkpoint_every: 1000 }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawDns {
    pub upstreams: Vec<String>,
    pub timeout_ms: u64,
    pub attempts: u64,
    pub cache_entries: u64,
    pub max_ttl_s: u64,
    pub concurrent_queries: u64,
    pub limits: RawDnsLimits,
}

impl Default for RawDns {
    fn default() -> Self {
        Self {
            upstreams: Vec::new(),
            timeout_ms: 2000,
            attempts: 2,
            cache_entries: 10_000,
            max_ttl_s: 300,
            concurrent_queries: 1024,
            limits: RawDnsLimits::default(),
        }
    }
}

/// What of agents' names a wildcard stands for.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawDnsLimits {
    pub label_bytes: u64,
    pub name_bytes: u64,
    pub entropy_bits: u64,
    pub names_per_minute: u64,
    pub queries_per_minute: u64,
}

impl Default for RawDnsLimits {
    fn default() -> Self {
        Self { label_bytes: 63, name_bytes: 160, entropy_bits: 239, names_per_minute: 240, queries_per_minute: 600 }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawUpstream {
    pub extra_roots: Vec<PathBuf>,
    pub system_roots: bool,
    pub connect_timeout_ms: u64,
    pub pool_idle_s: u64,
    pub pool_per_host: u64,
}

impl Default for RawUpstream {
    fn default() -> Self {
        Self {
            extra_roots: Vec::new(),
            system_roots: true,
            connect_timeout_ms: 5000,
            pool_idle_s: 30,
            pool_per_host: 512,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawTls {
    pub leaf_ttl_h: u64,
    pub leaf_cache: u64,
    pub ca_ttl_d: u64,
}

impl Default for RawTls {
    fn default() -> Self {
        Self { leaf_ttl_h: 24, leaf_cache: 4096, ca_ttl_d: 825 }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawTelemetry {
    pub otlp_endpoint: Option<String>,
    pub log: String,
    pub log_format: String,
}

impl Default for RawTelemetry {
    fn default() -> Self {
        Self { otlp_endpoint: None, log: "info".into(), log_format: "text".into() }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawLimits {
    pub connections: u64,
    pub connections_per_agent: u64,
    pub requests_per_agent: u64,
    pub handshake_timeout_ms: u64,
    pub idle_timeout_s: u64,
    pub request_timeout_s: u64,
    pub header_bytes: u64,
    pub headers: u64,
    pub h2_streams: u64,
    pub inspect_body_bytes: u64,
    pub buffer_body_bytes: u64,
    pub websocket_message_bytes: u64,
    pub namespaces: u64,
    pub namespaces_per_agent: u64,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_agent: 2000,
            requests_per_agent: 4000,
            handshake_timeout_ms: 5000,
            idle_timeout_s: 60,
            request_timeout_s: 600,
            header_bytes: 65_536,
            headers: 128,
            h2_streams: 128,
            inspect_body_bytes: 1_048_576,
            buffer_body_bytes: 65_536,
            websocket_message_bytes: 16_777_216,
            namespaces: 1024,
            namespaces_per_agent: 64,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawVerify {
    pub gate_readiness: bool,
    pub max_age_h: u64,
}

impl Default for RawVerify {
    fn default() -> Self {
        Self { gate_readiness: false, max_age_h: 24 }
    }
}
