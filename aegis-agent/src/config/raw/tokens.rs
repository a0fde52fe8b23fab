//! `tokens:` as it is written.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How tokens are made, and whose are taken.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawTokens {
    pub issuer: Option<String>,
    pub audience: String,
    pub algorithm: String,
    pub default_ttl_s: u64,
    pub max_ttl_s: u64,
    pub leeway_s: u64,
    pub rotate_every_h: u64,
    pub key_file: Option<PathBuf>,
    pub key_credential: Option<String>,
    pub trusted: Vec<RawTrusted>,
}

impl Default for RawTokens {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: "aegis".into(),
            algorithm: "EdDSA".into(),
            default_ttl_s: 900,
            max_ttl_s: 86_400,
            leeway_s: 30,
            rotate_every_h: 168,
            key_file: None,
            key_credential: None,
            trusted: Vec::new(),
        }
    }
}

/// One entry of `tokens.trusted`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawTrusted {
    pub issuer: String,
    pub audience: String,
    pub jwks_url: Option<String>,
    pub jwks_file: Option<PathBuf>,
    pub agent_claim: String,
}

impl Default for RawTrusted {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            jwks_url: None,
            jwks_file: None,
            agent_claim: "sub".into(),
        }
    }
}
