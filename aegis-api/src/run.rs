//! What `aegisctl run` needs to know.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/run/{agent}`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Name of the agent.
    pub agent: String,
    /// Name of the daemon's instance; trust bundles are kept apart by it.
    pub instance: String,
    /// Absolute path of the agent's cgroup directory; it exists and is enforced.
    pub cgroup: String,
    /// Absolute path of the CA certificate (PEM).
    pub ca_certificate: String,
    /// The CA certificate itself (PEM), so that the caller needs no access to the state directory.
    pub ca_pem: String,
    /// Addresses (`ip:port`) of the intercepting proxy. Nothing has to be configured: connections are redirected to it.
    pub proxy: Vec<String>,
    /// Token mode of the agent.
    pub token: crate::TokenMode,
}
