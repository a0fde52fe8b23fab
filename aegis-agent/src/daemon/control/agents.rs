//! Agents over the control API: registered, enrolled in the kernel, described, given tokens.

use std::time::{Duration, SystemTime};

use aegis_api::{
    Agent, AgentSpec, Dial, DirectRule, Listening, Mode, OnAgentDown, Origin, Problem, RunInfo, TokenMode,
    TokenResponse, Transport,
};

use crate::config::{self, AgentMode, DirectSpec};
use crate::daemon::{Aegis, build};
use crate::identity::{Enrolled, IssuerError, RegistryError, Source};
use crate::sockets;

/// How long a token lives when nobody says.
const DEFAULT_TTL: Duration = Duration::from_secs(15 * 60);

pub fn register(aegis: &Aegis, spec: AgentSpec) -> Result<Agent, Problem> {
    // Both are the same JSON; reading it again checks what the API's type leaves as text (address ranges).
    let value = serde_json::to_value(spec).map_err(|error| Problem::internal(error.to_string()))?;
    let spec: config::AgentSpec =
        serde_json::from_value(value).map_err(|error| Problem::bad_request(error.to_string()))?;
    let enrolled = aegis.registry.register(spec).map_err(refused)?;
    if let Err(error) = aegis.kernel.enroll(enrolled.index, &enrolled.cgroup, &enrolled.rules) {
        // An agent that the kernel does not know would be denied everything: it is not registered at all.
        let undone = aegis.registry.remove(&enrolled.agent.name);
        return Err(Problem::internal(format!(
            "{error}{}",
            undone.err().map_or_else(String::new, |e| format!("; {e}"))
        )));
    }
    sockets::enrolled(aegis, &enrolled);
    // Before anything runs in it: what it names is served when the answer comes.
    aegis.namespaces.look();
    tracing::info!(agent = enrolled.agent.name, cgroup = %enrolled.cgroup.display(), "agent registered");
    Ok(described(&enrolled))
}

pub fn remove(aegis: &Aegis, name: &str) -> Result<(), Problem> {
    let enrolled = aegis.registry.remove(name).map_err(refused)?;
    aegis.names.forget(enrolled.index);
    aegis.kernel.withdraw(enrolled.index).map_err(|error| Problem::internal(error.to_string()))?;
    let cut = aegis.standing.removed(enrolled.index, &aegis.policy.version_for(Some(&enrolled.agent)));
    aegis.metrics.live().cut_off(cut);
    sockets::removed(aegis, &enrolled);
    aegis.namespaces.wake();
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

pub fn mint(aegis: &Aegis, name: &str, ttl: Option<Duration>) -> Result<TokenResponse, Problem> {
    let enrolled = aegis.registry.by_name(name).ok_or_else(|| unknown(name))?;
    match aegis.issuer.mint(&enrolled, ttl.unwrap_or(DEFAULT_TTL), SystemTime::now()) {
        Ok(minted) => Ok(TokenResponse {
            token: minted.token,
            agent: enrolled.agent.name.clone(),
            expires_at: minted.exp,
            jti: minted.jti,
        }),
        Err(error @ IssuerError::Ttl(_)) => Err(Problem::bad_request(error.to_string())),
        Err(error) => Err(Problem::internal(error.to_string())),
    }
}

pub fn described(enrolled: &Enrolled) -> Agent {
    let agent = &enrolled.agent;
    Agent {
        name: agent.name.clone(),
        org: agent.org.clone(),
        tenant: agent.tenant.clone(),
        parent: agent.parent.clone(),
        labels: agent.labels.clone(),
        scopes: agent.scopes.clone(),
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
        RegistryError::Exists { .. } | RegistryError::FromConfig { .. } => Problem::conflict(error.to_string()),
        RegistryError::Full | RegistryError::IndexesUsedUp => Problem::unprocessable(error.to_string()),
        _ => Problem::internal(error.to_string()),
    }
}
