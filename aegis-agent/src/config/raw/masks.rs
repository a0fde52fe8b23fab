//! `masks:` as it is written.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the tokens in the place of values are made with.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawMasks {
    pub key_file: Option<PathBuf>,
    pub key_credential: Option<String>,
}
