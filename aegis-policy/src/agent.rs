//! Who asks: an agent as the kernel's attribution and the registry name it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What becomes of a refusal: it holds, or it is only written down.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decisions hold.
    #[default]
    Enforce,
    /// Decisions are recorded as they would have been, and the traffic passes.
    Shadow,
}

impl Mode {
    /// The word used in YAML, records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
        }
    }
}

/// An enrolled agent, as policies see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Unique on a host; a DNS label.
    pub name: String,
    /// The organisation that owns the agent; empty where there is none.
    #[serde(default)]
    pub org: String,
    /// The tenant inside the organisation; empty where there is none.
    #[serde(default)]
    pub tenant: String,
    /// The agent that started this one.
    #[serde(default)]
    pub parent: Option<String>,
    /// Free key/value pairs for policies to select by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Scopes granted to the agent's token.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Names of the only policies that apply to the agent; empty where all that select it do.
    #[serde(default)]
    pub policies: Vec<String>,
    /// The budget profile that it draws on.
    #[serde(default)]
    pub budget_profile: Option<String>,
    /// The sub-agent that acts for it (`agent/child`), as its delegated token says; the kernel knows only the agent.
    #[serde(default)]
    pub actor: Option<String>,
    /// `Shadow` turns every refusal for this agent into a recorded permit.
    #[serde(default)]
    pub mode: Mode,
}
