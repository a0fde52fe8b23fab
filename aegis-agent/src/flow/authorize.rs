//! Step 4: what becomes of a connection, before a single byte of it goes anywhere.

use std::net::SocketAddr;
use std::time::Duration;

use aegis_policy::{Agent, Connect, ConnectPlan, Denial, DenialKind, Mode, Permit, Snapshot, Sniffed};
use tokio::net::TcpStream;

use super::beside;
use super::inspect::Target;
use super::refusal::Refusal;
use super::sniff::{self, Opening, Replay, TlsOpening};
use crate::policy::Choice;

/// An authorized connection.
#[allow(clippy::large_enum_variant, reason = "one lives for a moment, on the way from one step to the next")]
pub enum Authorized {
    /// Terminate TLS with the agent, then decide each request.
    Tls { opening: Box<TlsOpening>, target: Target },
    /// Plain HTTP: decide each request.
    Http { stream: Replay, h2: bool, target: Target },
    /// Bytes that no one looks into, to the one place that the permit names.
    Relay { permit: Permit, stream: Replay, sni: Option<String>, protocol: Sniffed },
}

/// A relayed connection, as it was authorized.
#[derive(Debug)]
pub struct Relayed {
    pub sni: Option<String>,
    /// Where the agent dialled.
    pub destination: SocketAddr,
    pub protocol: Sniffed,
    /// Where its permit leads.
    pub host: String,
    pub port: u16,
    pub private_ok: bool,
}

/// Asks a policy about a connection that another one let pass unread.
///
/// # Errors
/// The denial: by policy, or because it must not pass unread, or not to there, any more.
pub fn again(snapshot: &Snapshot, agent: &Agent, relayed: &Relayed) -> Result<(), Box<Denial>> {
    let Relayed { sni, destination, protocol, .. } = relayed;
    let plan = plan(snapshot, agent, &Connect { host: sni.as_deref(), destination: *destination, protocol: *protocol });
    let leads_there = |permit: &Permit| {
        (permit.host(), permit.port()) == (relayed.host.as_str(), relayed.port)
            && (permit.private_ok() || !relayed.private_ok)
    };
    match plan {
        ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) if leads_there(&permit) => Ok(()),
        ConnectPlan::Deny(denial) => Err(denial.into()),
        _ => {
            let why = "no rule lets it pass unread";
            Err(Denial::new(DenialKind::Policy, why, snapshot.version()).into())
        }
    }
}

/// What a policy says of a connection that somebody has looked into.
pub(super) fn plan(snapshot: &Snapshot, agent: &Agent, connect: &Connect<'_>) -> ConnectPlan {
    match unsniffed(snapshot, agent, connect.destination) {
        Some(permit) => ConnectPlan::Tcp(permit),
        None => snapshot.connect(agent, connect),
    }
}

/// Server-first protocols say nothing until they are answered: a `tcp` rule for the address holds without sniffing.
pub(super) fn unsniffed(snapshot: &Snapshot, agent: &Agent, destination: SocketAddr) -> Option<Permit> {
    match snapshot.connect(agent, &Connect { host: None, destination, protocol: Sniffed::Other }) {
        // In shadow everything passes, and that must not stop us from looking into what can be looked into.
        ConnectPlan::Tcp(permit) if permit.mode() == Mode::Enforce => Some(permit),
        _ => None,
    }
}

/// Sniffs the opening and asks the policy about the connection.
///
/// # Errors
/// A refusal: by policy, or because the opening is broken.
pub async fn connection(
    snapshot: &Choice,
    agent: &Agent,
    destination: SocketAddr,
    stream: TcpStream,
    limit: Duration,
) -> Result<Authorized, Refusal> {
    if let Some(permit) = unsniffed(snapshot, agent, destination) {
        beside::relayed(snapshot, agent, destination, &permit);
        let stream = Replay::new(bytes::Bytes::new(), stream);
        return Ok(Authorized::Relay { permit, stream, sni: None, protocol: Sniffed::Other });
    }
    let opening = sniff::open(stream, limit).await;
    match opening.map_err(|error| Refusal::from(Denial::protocol(error.to_string(), snapshot.version())))? {
        Opening::Tls(opening) => tls(snapshot, agent, destination, opening),
        Opening::Http { h2, stream } => http(snapshot, agent, destination, stream, h2),
        Opening::Other(stream) => other(snapshot, agent, destination, stream),
    }
}

/// The policy's word on a connection; where a rollout wants to know it, the other policy is asked too.
fn decided(policy: &Choice, agent: &Agent, connect: &Connect<'_>) -> ConnectPlan {
    let plan = policy.connect(agent, connect);
    beside::connection(policy, agent, connect, &plan);
    plan
}

fn tls(
    snapshot: &Choice,
    agent: &Agent,
    destination: SocketAddr,
    opening: Box<TlsOpening>,
) -> Result<Authorized, Refusal> {
    let connect = Connect { host: opening.sni.as_deref(), destination, protocol: Sniffed::Tls };
    match decided(snapshot, agent, &connect) {
        ConnectPlan::Inspect => {
            let target = Target { scheme: "https", sni: opening.sni.clone(), destination };
            Ok(Authorized::Tls { opening, target })
        }
        ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => {
            let TlsOpening { raw, stream, sni, .. } = *opening;
            Ok(Authorized::Relay { permit, stream: Replay::new(raw, stream), sni, protocol: Sniffed::Tls })
        }
        ConnectPlan::Deny(denial) => Err(denial.into()),
    }
}

fn http(
    snapshot: &Choice,
    agent: &Agent,
    destination: SocketAddr,
    stream: Replay,
    h2: bool,
) -> Result<Authorized, Refusal> {
    match decided(snapshot, agent, &Connect { host: None, destination, protocol: Sniffed::Http }) {
        ConnectPlan::Inspect => {
            Ok(Authorized::Http { stream, h2, target: Target { scheme: "http", sni: None, destination } })
        }
        ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => {
            Ok(Authorized::Relay { permit, stream, sni: None, protocol: Sniffed::Http })
        }
        ConnectPlan::Deny(denial) => Err(denial.into()),
    }
}

fn other(snapshot: &Choice, agent: &Agent, destination: SocketAddr, stream: Replay) -> Result<Authorized, Refusal> {
    match decided(snapshot, agent, &Connect { host: None, destination, protocol: Sniffed::Other }) {
        ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => {
            Ok(Authorized::Relay { permit, stream, sni: None, protocol: Sniffed::Other })
        }
        ConnectPlan::Deny(denial) => Err(denial.into()),
        // Only HTTP and TLS can be inspected.
        ConnectPlan::Inspect => {
            Err(Denial::protocol("the connection is neither HTTP nor TLS", snapshot.version()).into())
        }
    }
}
