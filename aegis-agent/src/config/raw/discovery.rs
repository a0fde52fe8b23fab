//! `discovery:` as it is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::RawAgent;

#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawDiscovery {
    pub units: Vec<RawUnits>,
    pub containers: Vec<RawContainers>,
}

/// One entry of `discovery.units`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawUnits {
    #[serde(rename = "match")]
    pub pattern: String,
    pub agent: String,
    /// Without a name: `agent` gives it.
    pub spec: RawAgent,
}

/// One entry of `discovery.containers`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawContainers {
    pub labels: BTreeMap<String, String>,
    pub agent: String,
    pub socket: PathBuf,
    /// Without a name: `agent` gives it.
    pub spec: RawAgent,
}

impl Default for RawContainers {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            agent: String::new(),
            socket: "/var/run/docker.sock".into(),
            spec: RawAgent::default(),
        }
    }
}
