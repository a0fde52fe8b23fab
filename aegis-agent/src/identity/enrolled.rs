//! One agent of this host, as everything else sees it.

use std::path::PathBuf;
use std::sync::Arc;

use aegis_policy::{Agent, Mode};

use crate::config::{AgentMode, AgentSpec, DirectSpec, Listening, OnAgentDown, TokenMode, Transport};
use crate::kernel::{AgentIndex, AgentRules, DirectRule, Inbound, OnDown, Protocol};

/// Where an agent was described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the configuration file: fixed while the daemon runs.
    Config,
    /// Over the control API: kept in `state_dir/agents.json`.
    Registered,
    /// By `discovery` in the configuration: there as long as its cgroup.
    Discovered,
}

/// An enrolled agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// Its number in the kernel's maps.
    pub index: AgentIndex,
    pub agent: Arc<Agent>,
    pub token: TokenMode,
    /// Absolute; `cgroup_root/NAME` but for what was discovered.
    pub cgroup: PathBuf,
    /// Of a discovered one: the kernel's id of that very cgroup, so that one made later in its place is not it.
    pub cgroup_id: Option<u64>,
    /// What the kernel decides by itself.
    pub rules: AgentRules,
    pub source: Source,
    /// As it was described.
    pub spec: AgentSpec,
}

impl Enrolled {
    pub(super) fn new(index: AgentIndex, spec: AgentSpec, source: Source, cgroup: PathBuf) -> Self {
        let agent = Agent {
            name: spec.name.clone(),
            org: spec.org.clone(),
            tenant: spec.tenant.clone(),
            parent: spec.parent.clone(),
            labels: spec.labels.clone(),
            scopes: spec.scopes.clone(),
            policies: spec.policies.clone(),
            budget_profile: spec.budget_profile.clone(),
            mode: match spec.mode {
                AgentMode::Enforce => Mode::Enforce,
                AgentMode::Shadow => Mode::Shadow,
            },
            ..Agent::default()
        };
        Self {
            index,
            agent: Arc::new(agent),
            token: spec.token,
            cgroup,
            cgroup_id: None,
            rules: rules(&spec),
            source,
            spec,
        }
    }
}

impl Enrolled {
    /// One that discovery saw.
    pub(super) fn found(index: AgentIndex, spec: AgentSpec, cgroup: PathBuf, id: u64) -> Self {
        Self { cgroup_id: Some(id), ..Self::new(index, spec, Source::Discovered, cgroup) }
    }
}

fn rules(spec: &AgentSpec) -> AgentRules {
    AgentRules {
        direct: spec.direct.iter().map(direct_rule).collect(),
        on_down: match spec.on_agent_down {
            OnAgentDown::Closed => OnDown::Closed,
            OnAgentDown::Open => OnDown::Open,
        },
        listen: match spec.listen {
            Listening::None => Inbound::None,
            Listening::Loopback => Inbound::Loopback,
            Listening::Allow => Inbound::Allow,
        },
    }
}

fn direct_rule(spec: &DirectSpec) -> DirectRule {
    let protocol = match spec.protocol {
        Transport::Tcp => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
    };
    DirectRule { cidr: spec.cidr, port: spec.port, protocol }
}
