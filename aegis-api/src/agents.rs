//! Agents: who is enforced, and where its cgroup is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whether the agent must present its token on each request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenMode {
    /// The kernel's attribution is the identity; a token that is presented must still be right.
    #[default]
    Ambient,
    /// A request without a valid token of this agent is answered with 401.
    Required,
}

/// Whether denials are carried out or only recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decisions are carried out.
    #[default]
    Enforce,
    /// Decisions are recorded as they would have been, and everything passes.
    Shadow,
}

/// Who put the agent into the registry.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The configuration file: it can only be removed there.
    Config,
    /// `agents register` at run time: kept over restarts in the daemon's state directory.
    #[default]
    Registered,
    /// Found by `discovery` in the configuration: there as long as its unit or container.
    Discovered,
}

/// What becomes of an agent's connections when the daemon gives no sign of life.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnAgentDown {
    /// They are denied.
    #[default]
    Closed,
    /// They pass, uninspected, and are recorded when the daemon is back.
    Open,
}

/// Who gets an answer from an agent's listening TCP sockets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listening {
    /// Nobody.
    None,
    /// Who connects over loopback.
    #[default]
    Loopback,
    /// Whoever connects; what the agent answers is not inspected.
    Allow,
}

/// Transport protocol of a direct rule.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// From where Aegis dials what the agent may reach.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dial {
    /// The host's network namespace.
    #[default]
    Host,
    /// The network namespace that the agent's connection came from.
    Namespace,
}

/// A destination that the kernel lets pass without the proxy: nothing of it is inspected.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectRule {
    /// An address range such as `10.0.0.0/8` or `2001:db8::/32`.
    pub cidr: String,
    /// The port; none means every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// TCP unless said.
    #[serde(default)]
    pub protocol: Transport,
}

/// What to register (`POST /v1/agents`), or to make of an agent (`PUT /v1/agents/{name}`).
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSpec {
    /// A DNS label: `[a-z0-9][a-z0-9-]{0,62}`; it names the cgroup too.
    pub name: String,
    /// Organisation; none takes the daemon's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// Tenant; none takes the daemon's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The agent that this one works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Free labels, for policies.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Scopes that go into its tokens.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Names of the only policies that apply to it; none: all that select it.
    #[serde(default)]
    pub policies: Vec<String>,
    /// The budget profile that it draws on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_profile: Option<String>,
    /// Token mode.
    #[serde(default)]
    pub token: TokenMode,
    /// Enforce or shadow.
    #[serde(default)]
    pub mode: Mode,
    /// When the daemon gives no sign of life.
    #[serde(default)]
    pub on_agent_down: OnAgentDown,
    /// Who its listening sockets answer.
    #[serde(default)]
    pub listen: Listening,
    /// Destinations that pass without the proxy.
    #[serde(default)]
    pub direct: Vec<DirectRule>,
    /// A network namespace that it will run in, such as `/run/netns/NAME`: served before anything runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_namespace: Option<String>,
    /// From where it is dialled.
    #[serde(default)]
    pub dial: Dial,
}

impl From<&Agent> for AgentSpec {
    /// The description that gives this agent again.
    fn from(agent: &Agent) -> Self {
        Self {
            name: agent.name.clone(),
            org: Some(agent.org.clone()),
            tenant: Some(agent.tenant.clone()),
            parent: agent.parent.clone(),
            labels: agent.labels.clone(),
            scopes: agent.scopes.clone(),
            policies: agent.policies.clone(),
            budget_profile: agent.budget_profile.clone(),
            token: agent.token,
            mode: agent.mode,
            on_agent_down: agent.on_agent_down,
            listen: agent.listen,
            direct: agent.direct.clone(),
            network_namespace: agent.network_namespace.clone(),
            dial: agent.dial,
        }
    }
}

/// An agent that is enrolled (`GET /v1/agents`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Organisation.
    pub org: String,
    /// Tenant.
    pub tenant: String,
    /// The agent that this one works for.
    pub parent: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Scopes of its tokens.
    pub scopes: Vec<String>,
    /// Names of the only policies that apply to it; none: all that select it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Those of them that the policy in force does not have: they give nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_policies: Vec<String>,
    /// The budget profile that it draws on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_profile: Option<String>,
    /// Token mode.
    pub token: TokenMode,
    /// Enforce or shadow.
    pub mode: Mode,
    /// When the daemon gives no sign of life.
    #[serde(default)]
    pub on_agent_down: OnAgentDown,
    /// Who its listening sockets answer.
    #[serde(default)]
    pub listen: Listening,
    /// Absolute path of its cgroup directory; processes in it and below it are this agent.
    pub cgroup: String,
    /// Destinations that pass without the proxy.
    pub direct: Vec<DirectRule>,
    /// The network namespace that it was said to run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_namespace: Option<String>,
    /// From where it is dialled.
    #[serde(default)]
    pub dial: Dial,
    /// Who registered it.
    pub origin: Origin,
}

/// Is this an agent name: a lower-case DNS label (RFC 1123), so that it is safe as a path component?
pub fn valid_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let label = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.len() <= 63 && bytes.first().is_some_and(label) && bytes.iter().all(|b| label(b) || *b == b'-')
}

#[cfg(test)]
mod tests {
    use super::valid_name;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "finance-agent", "0x", &"a".repeat(63)] {
            assert!(valid_name(good), "{good}");
        }
        for bad in ["", "-a", "A", "a/b", "..", "a.b", "a b", "é", &"a".repeat(64)] {
            assert!(!valid_name(bad), "{bad}");
        }
    }
}
