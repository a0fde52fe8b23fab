//! What a rule that permits says of the tools and signatures in the traffic that it lets through.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How tools and signatures are handled in what a rule permits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handling {
    /// What becomes of a tool whose definition has changed.
    pub tool_changes: ToolChanges,
    /// The only definitions of tools that are known, by name: SHA-256 in lower-case hex. Without them the first that a server gives is.
    pub tool_pins: Option<Arc<BTreeMap<String, String>>>,
    /// What becomes of a signed request in which something has to be redacted.
    pub signed: OnSigned,
}

/// What becomes of a tool whose definition has changed since it was first seen, or is none of the pinned.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChanges {
    /// It is told.
    #[default]
    Report,
    /// The agent does not get to see the list.
    Deny,
}

/// What becomes of a signed request in which something has to be redacted: with the signature broken it is never sent.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSigned {
    /// It is refused.
    #[default]
    Deny,
    /// It waits for the approval of a human.
    ApprovalNeeded,
}

impl Handling {
    /// In shadow nothing is stopped.
    pub(crate) fn report_only(self) -> Handling {
        Handling { tool_changes: ToolChanges::Report, ..self }
    }
}
