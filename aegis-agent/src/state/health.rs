//! How the state store stands, for `status`, metrics and readiness.

use std::time::Duration;

/// A moment's view of the store.
#[derive(Clone, Debug, PartialEq)]
pub struct StateHealth {
    /// `embedded` or `redis`.
    pub kind: &'static str,
    /// The file, or the server's host and port.
    pub place: String,
    pub reachable: bool,
    /// Why it is not reachable.
    pub error: Option<String>,
    /// Calls since the start.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Over all calls that were answered.
    pub mean_latency: Duration,
}
