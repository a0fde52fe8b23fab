//! `decisions:` as it is written.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawDecisions {
    pub enabled: bool,
    pub max_bytes: u64,
    pub keep_h: u64,
    pub sample: f64,
}

impl Default for RawDecisions {
    fn default() -> Self {
        Self { enabled: true, max_bytes: 256 << 20, keep_h: 72, sample: 1.0 }
    }
}
