//! The decision log: what of decisions is kept for later questions.

use std::time::Duration;

use super::problems::Checker;
use super::raw::RawDecisions;

/// Whether and how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    pub enabled: bool,
    /// All files together.
    pub max_bytes: u64,
    /// How long events are kept at most.
    pub keep: Duration,
    /// The share of decisions that are written, 0 to 1.
    pub sample: f64,
}

impl Decisions {
    pub(super) fn check(raw: &RawDecisions, p: &mut Checker) -> Self {
        let hours: u64 = p.number("decisions.keep_h", raw.keep_h, 1..=24 * 366);
        if !(0.0..=1.0).contains(&raw.sample) {
            p.problem("decisions.sample", format!("{} is out of range; allowed: 0 to 1", raw.sample));
        }
        Self {
            enabled: raw.enabled,
            max_bytes: p.number("decisions.max_bytes", raw.max_bytes, 1_048_576..=1 << 40),
            keep: Duration::from_secs(hours * 3600),
            sample: raw.sample,
        }
    }
}
