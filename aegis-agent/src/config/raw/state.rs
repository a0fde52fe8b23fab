//! `state:` as it is written.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where it is kept which tokens were used and which are revoked.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawState {
    pub redis: RawRedis,
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawRedis {
    pub url: Option<String>,
    pub username: Option<String>,
    pub password_file: Option<PathBuf>,
    pub prefix: String,
    pub timeout_ms: u64,
    pub roots: Vec<PathBuf>,
}

impl Default for RawRedis {
    fn default() -> Self {
        Self {
            url: None,
            username: None,
            password_file: None,
            prefix: "aegis".into(),
            timeout_ms: 100,
            roots: Vec::new(),
        }
    }
}
