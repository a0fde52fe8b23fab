//! The agents that the configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::problems::Checker;
use super::raw::{RawAgent, RawDirect};

/// What [`is_name`] wants, for messages.
pub const NAME_RULE: &str = "1 to 63 of a-z, 0-9 and `-`, the first not `-`";

/// Whether `name` can name an agent or an instance: a DNS label in lower case, so that it is safe as a path
/// component, a cgroup name and a metric label.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.len() <= 63
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.is_empty()
        && !name.starts_with('-')
}

/// An agent as an operator describes it; also the form kept in `agents.json` and taken by the control API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSpec {
    /// A name by [`is_name`], unique on the host.
    pub name: String,
    #[serde(default = "default_owner")]
    pub org: String,
    #[serde(default = "default_owner")]
    pub tenant: String,
    /// The agent that started this one, if any.
    #[serde(default)]
    pub parent: Option<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The only policies that apply to it; empty: all that select it.
    #[serde(default)]
    pub policies: Vec<String>,
    #[serde(default)]
    pub budget_profile: Option<String>,
    #[serde(default)]
    pub token: TokenMode,
    #[serde(default)]
    pub mode: AgentMode,
    #[serde(default)]
    pub on_agent_down: OnAgentDown,
    #[serde(default)]
    pub listen: Listening,
    /// Destinations that the kernel lets through untouched.
    #[serde(default)]
    pub direct: Vec<DirectSpec>,
    /// A network namespace (a path such as `/run/netns/NAME`) that is served before anything runs in it.
    #[serde(default)]
    pub network_namespace: Option<PathBuf>,
    #[serde(default)]
    pub dial: Dial,
}

fn default_owner() -> String {
    "default".to_owned()
}

/// Whether an agent has to present a token with each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenMode {
    /// The kernel's attribution is identity enough; a token that is presented is checked all the same.
    #[default]
    Ambient,
    /// No request without a valid token.
    Required,
}

/// Whether denials are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentMode {
    #[default]
    Enforce,
    /// Decided and recorded, never refused.
    Shadow,
}

/// What becomes of the agent's connections when the daemon gives no sign of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnAgentDown {
    /// They are denied.
    #[default]
    Closed,
    /// They pass, uninspected, and are recorded when the daemon is back.
    Open,
}

/// Who gets an answer from the agent's listening TCP sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// From where origins are dialled for an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dial {
    #[default]
    Host,
    /// From the network namespace that the agent's connection came from: its routes, firewall and source address hold.
    Namespace,
}

/// One destination outside the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectSpec {
    pub cidr: IpNet,
    /// `None`: every port.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub protocol: Transport,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    #[default]
    Tcp,
    Udp,
}

pub(super) fn check(raw: &[RawAgent], p: &mut Checker) -> Vec<AgentSpec> {
    let mut seen = BTreeSet::new();
    let mut agents = Vec::with_capacity(raw.len());
    for (i, agent) in raw.iter().enumerate() {
        let at = format!("agents[{i}]");
        if !seen.insert(agent.name.as_str()) && !agent.name.is_empty() {
            p.problem(format!("{at}.name"), format!("`{}` is named twice; names are unique", agent.name));
        }
        if agent.name.is_empty() {
            p.problem(format!("{at}.name"), format!("is missing; allowed: {NAME_RULE}"));
        } else if !is_name(&agent.name) {
            p.problem(format!("{at}.name"), format!("`{}` is not a name; allowed: {NAME_RULE}", agent.name));
        }
        agents.push(check_spec(&at, agent, p));
    }
    agents
}

/// All but the name.
pub(super) fn check_spec(at: &str, raw: &RawAgent, p: &mut Checker) -> AgentSpec {
    for (key, value) in [("org", &raw.org), ("tenant", &raw.tenant)] {
        if value.is_empty() {
            p.problem(format!("{at}.{key}"), "is empty; leave it out for `default`");
        }
    }
    if let Some(parent) = raw.parent.as_deref().filter(|parent| !is_name(parent) || *parent == raw.name) {
        p.problem(format!("{at}.parent"), format!("`{parent}` cannot be the parent; give the name of another agent"));
    }
    AgentSpec {
        name: raw.name.clone(),
        org: raw.org.clone(),
        tenant: raw.tenant.clone(),
        parent: raw.parent.clone(),
        labels: raw.labels.clone(),
        scopes: raw.scopes.clone(),
        policies: raw.policies.clone(),
        budget_profile: raw.budget_profile.clone(),
        token: p.one_of(
            &format!("{at}.token"),
            &raw.token,
            &[("ambient", TokenMode::Ambient), ("required", TokenMode::Required)],
            TokenMode::Required,
        ),
        mode: p.one_of(
            &format!("{at}.mode"),
            &raw.mode,
            &[("enforce", AgentMode::Enforce), ("shadow", AgentMode::Shadow)],
            AgentMode::Enforce,
        ),
        on_agent_down: p.one_of(
            &format!("{at}.on_agent_down"),
            &raw.on_agent_down,
            &[("closed", OnAgentDown::Closed), ("open", OnAgentDown::Open)],
            OnAgentDown::Closed,
        ),
        listen: p.one_of(
            &format!("{at}.listen"),
            &raw.listen,
            &[("none", Listening::None), ("loopback", Listening::Loopback), ("allow", Listening::Allow)],
            Listening::Loopback,
        ),
        network_namespace: raw
            .network_namespace
            .as_deref()
            .map(|path| p.path(&format!("{at}.network_namespace"), path)),
        dial: p.one_of(
            &format!("{at}.dial"),
            &raw.dial,
            &[("host", Dial::Host), ("namespace", Dial::Namespace)],
            Dial::Host,
        ),
        direct: (raw.direct.iter().enumerate())
            .filter_map(|(i, direct)| check_direct(&format!("{at}.direct[{i}]"), direct, p))
            .collect(),
    }
}

fn check_direct(at: &str, raw: &RawDirect, p: &mut Checker) -> Option<DirectSpec> {
    let path = format!("{at}.cidr");
    // A single address is what people write for one host.
    let cidr = raw.cidr.parse::<IpNet>().or_else(|_| raw.cidr.parse::<IpAddr>().map(IpNet::from));
    if cidr.is_err() {
        p.problem(
            &path,
            format!("`{}` is not a network; give one such as 10.0.0.0/8, fd00::/8 or 192.0.2.7", raw.cidr),
        );
    } else if let Some(net) = cidr.as_ref().ok().filter(|net| net.trunc() != **net) {
        p.problem(&path, format!("{net} has host bits set; did you mean {}?", net.trunc()));
    }
    let port = raw.port.map(|port| p.port(&format!("{at}.port"), port));
    let words = [("tcp", Transport::Tcp), ("udp", Transport::Udp)];
    let protocol = p.one_of(&format!("{at}.protocol"), &raw.protocol, &words, Transport::Tcp);
    Some(DirectSpec { cidr: cidr.ok()?, port, protocol })
}
