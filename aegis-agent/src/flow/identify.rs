//! Step 3: who it is, by the kernel's word; and whether the token that is shown, if any, is this agent's own.

use std::sync::Arc;
use std::time::SystemTime;

use aegis_policy::{Agent, Denial};

use super::intercept::Origin;
use super::refusal::Refusal;
use crate::config::TokenMode;
use crate::identity::{Enrolled, Issuer, Registry, Shown, TokenRefused};
use crate::kernel::AgentIndex;

/// The process behind a socket, for the record.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: u32,
    /// The path of its executable, or its command name where the process is gone already.
    pub exe: String,
}

/// An agent, as attributed by the kernel.
#[derive(Debug, Clone)]
pub struct Identity {
    pub enrolled: Arc<Enrolled>,
    /// Shared: every request on the connection takes a copy of its identity.
    pub process: Arc<Process>,
    /// The agent with what its token adds (scopes, the sub-agent that acts); the enrolled one where no token was shown.
    pub agent: Arc<Agent>,
    /// The token that was shown; none where the kernel's word is enough.
    pub token: Option<Arc<Shown>>,
}

pub(super) const HOW_TO_GET_ONE: &str =
    "Get one from POST /v1/token on the control socket and send it as `Aegis-Token: <jwt>`.";

/// The agent of a connection.
///
/// # Errors
/// A refusal where the kernel's index names no agent any more.
pub fn connection(registry: &Registry, origin: &Origin, version: &str) -> Result<Identity, Refusal> {
    let enrolled = registered(registry, origin.record.agent, version)?;
    let process = Arc::new(process(origin.record.pid, &origin.record.comm));
    let agent = Arc::clone(&enrolled.agent);
    Ok(Identity { enrolled, process, agent, token: None })
}

impl Identity {
    /// The same identity as it stands in the registry now.
    ///
    /// # Errors
    /// A refusal where the agent has been removed.
    pub fn refreshed(&self, registry: &Registry, version: &str) -> Result<Self, Refusal> {
        let enrolled = registered(registry, self.enrolled.index, version)?;
        let agent = Arc::clone(&enrolled.agent);
        Ok(Self { enrolled, agent, process: Arc::clone(&self.process), token: None })
    }

    /// Who acts, and the agent above: a sub-agent and who made its token, or the agent and its parent. As records name them.
    #[must_use]
    pub fn acting(&self) -> (&str, Option<&str>) {
        match self.agent.actor.as_deref().and_then(|path| Some((path, path.rsplit_once('/')?.0))) {
            Some((path, above)) => (path, Some(above)),
            None => (&self.agent.name, self.agent.parent.as_deref()),
        }
    }

    /// Whether the kernel's word alone is enough. A connection that is relayed unread can show no token at all.
    ///
    /// # Errors
    /// [`NoToken::Missing`] where the agent must show one.
    pub fn without_token(&self) -> Result<(), NoToken> {
        match self.enrolled.token {
            TokenMode::Ambient => Ok(()),
            TokenMode::Required => Err(NoToken::Missing),
        }
    }

    /// The identity of one request: as the connection's, with the token that the request shows checked.
    ///
    /// # Errors
    /// Where the token does not hold, is another agent's, or is missing where it is required.
    pub fn with_token(&self, token: Option<&str>, issuer: &Issuer, now: SystemTime) -> Result<Self, NoToken> {
        let Some(token) = token else {
            self.without_token()?;
            return Ok(self.clone());
        };
        let shown = issuer.check(token, &self.enrolled, now).map_err(NoToken::Refused)?;
        let agent = shown.agent(&self.agent);
        Ok(Self { agent, token: Some(shown), ..self.clone() })
    }
}

/// Why a request has no token that holds.
#[derive(Debug)]
pub enum NoToken {
    Missing,
    Refused(TokenRefused),
}

impl NoToken {
    /// 401, and how to get a token where one would help.
    #[must_use]
    pub fn refusal(&self, version: &str) -> Refusal {
        let (denial, renewable) = match self {
            Self::Missing => (Denial::token("this agent must show a token, and there is none", version), true),
            Self::Refused(why) => (Denial::token(format!("{}: {why}", why.kind()), version), why.is_renewable()),
        };
        if renewable { denial.next(HOW_TO_GET_ONE).into() } else { denial.into() }
    }
}

fn registered(registry: &Registry, index: AgentIndex, version: &str) -> Result<Arc<Enrolled>, Refusal> {
    registry
        .by_index(index)
        .ok_or_else(|| Denial::attribution("the agent of this connection is not registered any more", version).into())
}

fn process(pid: u32, comm: &str) -> Process {
    let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
    Process { pid, exe: exe.map_or_else(|_| comm.to_owned(), |path| path.to_string_lossy().into_owned()) }
}
