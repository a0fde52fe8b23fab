//! Agents over the control API: registered, enrolled in the kernel, described, given tokens.

use aegis_api::{
    Agent, AgentSpec, Dial, DirectRule, Finding, Listening, Mode, OnAgentDown, Origin, Problem, RunInfo, TokenMode,
    Transport,
};

use crate::config::{self, AgentMode, DirectSpec};
use crate::daemon::{Aegis, build, membership};
use crate::identity::{Enrolled, RegistryError, Source};

pub fn register(aegis: &Aegis, spec: AgentSpec) -> Result<Agent, Problem> {
    let enrolled = aegis.registry.register(checked(spec)?).map_err(refused)?;
    if let Err(error) = membership::enter(aegis, &enrolled) {
        // An agent that the kernel does not know would be denied everything: it is not registered at all.
        let undone = aegis.registry.remove(&enrolled.agent.name);
        return Err(Problem::internal(format!(
            "{error}{}",
            undone.err().map_or_else(String::new, |e| format!("; {e}"))
        )));
    }
    // Before anything runs in it: what it names is served when the answer comes.
    aegis.namespaces.look();
    tracing::info!(agent = enrolled.agent.name, cgroup = %enrolled.cgroup.display(), "agent registered");
    Ok(described(aegis, &enrolled))
}

/// Changes a registered agent. It is never without enrolment, and what it has under way is asked about again.
pub fn update(aegis: &Aegis, spec: AgentSpec) -> Result<Agent, Problem> {
    let (old, new) = aegis.registry.update(checked(spec)?).map_err(refused)?;
    if let Err(error) = membership::enter(aegis, &new) {
        let undone = aegis.registry.update(old.spec.clone()).and_then(|(_, old)| {
            membership::enter(aegis, &old).map_err(|error| RegistryError::Cgroup(error.to_string()))
        });
        let undone = undone.err().map_or_else(String::new, |error| format!("; {error}"));
        return Err(Problem::internal(format!("{error}; the agent stays as it was{undone}")));
    }
    let cut = aegis.standing.changed(new.index, &aegis.policy);
    aegis.metrics.live().cut_off(cut);
    aegis.namespaces.look();
    tracing::info!(agent = new.agent.name, cut, "agent changed");
    Ok(described(aegis, &new))
}

/// Both are the same JSON; reading it again checks what the API's type leaves as text (address ranges).
fn checked(spec: AgentSpec) -> Result<config::AgentSpec, Problem> {
    let value = serde_json::to_value(spec).map_err(|error| Problem::internal(error.to_string()))?;
    serde_json::from_value(value).map_err(|error| Problem::bad_request(error.to_string()))
}

pub fn remove(aegis: &Aegis, name: &str) -> Result<(), Problem> {
    let enrolled = aegis.registry.remove(name).map_err(refused)?;
    let cut = membership::leave(aegis, &enrolled).map_err(|error| Problem::internal(error.to_string()))?;
    tracing::info!(agent = name, cut, "agent removed; its cgroup stays denied");
    Ok(())
}

pub fn run_info(aegis: &Aegis, name: &str) -> Result<RunInfo, Problem> {
    let enrolled = aegis.registry.by_name(name).ok_or_else(|| unknown(name))?;
    let ca_pem = std::fs::read_to_string(aegis.ca.certificate_path())
        .map_err(|error| Problem::internal(format!("the CA certificate cannot be read: {error}")))?;
    Ok(RunInfo {
        agent: enrolled.agent.name.clone(),
        instance: aegis.config.instance.clone(),
        cgroup: enrolled.cgroup.display().to_string(),
        ca_certificate: aegis.ca.certificate_path().display().to_string(),
        ca_pem,
        proxy: build::addresses(&aegis.config)
            .into_iter()
            .filter(|(name, _)| *name == "proxy")
            .map(|(_, address)| address.to_string())
            .collect(),
        token: token_mode(enrolled.token),
    })
}

/// The policies that the agent names and that its policy in force does not have.
pub fn unknown_policies(aegis: &Aegis, agent: &aegis_policy::Agent) -> Vec<String> {
    if agent.policies.is_empty() {
        return Vec::new();
    }
    let snapshot = aegis.policy.for_agent(agent);
    agent.policies.iter().filter(|name| !snapshot.has_policy(name)).cloned().collect()
}

/// What `doctor` says of the agents: policies that there are not, units and containers that were refused.
pub fn findings(aegis: &Aegis) -> Vec<Finding> {
    let unknown = aegis.registry.list().into_iter().filter_map(|enrolled| {
        let (name, unknown) = (&enrolled.agent.name, unknown_policies(aegis, &enrolled.agent));
        (!unknown.is_empty()).then(|| Finding {
            name: format!("policies of {name}"),
            level: aegis_api::Level::Warn,
            detail: format!("no policy in force is named {}: it gives {name} nothing", unknown.join(", ")),
            fix: Some(format!("load that policy, or: aegisctl agents update {name} --policy NAME")),
        })
    });
    let refused = aegis.discovery.all();
    let refused = refused.iter().map(|refused| Finding {
        name: "discovery".to_owned(),
        level: aegis_api::Level::Warn,
        detail: format!("{} is no agent: {}", refused.cgroup.display(), refused.why),
        fix: Some("change the unit, the container's labels or `discovery` in the configuration".to_owned()),
    });
    unknown.chain(refused).collect()
}

pub fn described(aegis: &Aegis, enrolled: &Enrolled) -> Agent {
    let agent = &enrolled.agent;
    Agent {
        name: agent.name.clone(),
        org: agent.org.clone(),
        tenant: agent.tenant.clone(),
        parent: agent.parent.clone(),
        labels: agent.labels.clone(),
        scopes: agent.scopes.clone(),
        policies: agent.policies.clone(),
        unknown_policies: unknown_policies(aegis, agent),
        budget_profile: agent.budget_profile.clone(),
        token: token_mode(enrolled.token),
        mode: match enrolled.spec.mode {
            AgentMode::Enforce => Mode::Enforce,
            AgentMode::Shadow => Mode::Shadow,
        },
        on_agent_down: match enrolled.spec.on_agent_down {
            config::OnAgentDown::Closed => OnAgentDown::Closed,
            config::OnAgentDown::Open => OnAgentDown::Open,
        },
        listen: match enrolled.spec.listen {
            config::Listening::None => Listening::None,
            config::Listening::Loopback => Listening::Loopback,
            config::Listening::Allow => Listening::Allow,
        },
        cgroup: enrolled.cgroup.display().to_string(),
        direct: enrolled.spec.direct.iter().map(direct).collect(),
        network_namespace: enrolled.spec.network_namespace.as_ref().map(|path| path.display().to_string()),
        dial: match enrolled.spec.dial {
            config::Dial::Host => Dial::Host,
            config::Dial::Namespace => Dial::Namespace,
        },
        origin: match enrolled.source {
            Source::Config => Origin::Config,
            Source::Registered => Origin::Registered,
            Source::Discovered => Origin::Discovered,
        },
    }
}

fn direct(spec: &DirectSpec) -> DirectRule {
    DirectRule {
        cidr: spec.cidr.to_string(),
        port: spec.port,
        protocol: match spec.protocol {
            config::Transport::Tcp => Transport::Tcp,
            config::Transport::Udp => Transport::Udp,
        },
    }
}

fn token_mode(mode: config::TokenMode) -> TokenMode {
    match mode {
        config::TokenMode::Ambient => TokenMode::Ambient,
        config::TokenMode::Required => TokenMode::Required,
    }
}

pub fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("no agent is named {name:?}"))
        .next(format!("Register it: aegisctl agents register {name}"))
        .next("See the registered ones: aegisctl agents list")
}

fn refused(error: RegistryError) -> Problem {
    match &error {
        RegistryError::Unknown { name } => unknown(name),
        RegistryError::BadName { .. } | RegistryError::BadSpec { .. } => Problem::bad_request(error.to_string()),
        RegistryError::Exists { .. } | RegistryError::FromConfig { .. } | RegistryError::Discovered { .. } => {
            Problem::conflict(error.to_string())
        }
        RegistryError::Full | RegistryError::IndexesUsedUp => Problem::unprocessable(error.to_string()),
        _ => Problem::internal(error.to_string()),
    }
}
