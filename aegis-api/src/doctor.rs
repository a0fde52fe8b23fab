//! What this machine can and cannot do, each finding with its fix.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it must be.
    Ok,
    /// Works, but something is weaker or missing.
    Warn,
    /// Enforcement does not work without it.
    Fail,
}

/// One row of `aegisctl doctor`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, such as `kernel BTF`.
    pub name: String,
    /// How it stands.
    pub level: Level,
    /// What was seen.
    pub detail: String,
    /// What to do about it; none when there is nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// A finding that needs nothing.
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Ok, detail: detail.into(), fix: None }
    }

    /// A weakness, with what to do about it.
    pub fn warn(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Warn, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// A blocker, with what to do about it.
    pub fn fail(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Fail, detail: detail.into(), fix: Some(fix.into()) }
    }
}
