//! What `aegisctl verify` found and readiness.

use std::time::Duration;

use super::problems::Checker;
use super::raw::RawVerify;

/// Whether the daemon is ready only once it has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    pub gate_readiness: bool,
    /// How long a verification holds.
    pub max_age: Duration,
}

impl Verify {
    pub(super) fn check(raw: &RawVerify, p: &mut Checker) -> Self {
        let hours: u64 = p.number("verify.max_age_h", raw.max_age_h, 1..=24 * 365);
        Self { gate_readiness: raw.gate_readiness, max_age: Duration::from_secs(hours * 3600) }
    }
}
