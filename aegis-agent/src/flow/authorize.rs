//! Step 4: what becomes of a connection, before a single byte of it goes anywhere.

use std::net::SocketAddr;
use std::time::Duration;

use aegis_policy::{Agent, Connect, ConnectPlan, Denial, Mode, Permit, Snapshot, Sniffed};
use tokio::net::TcpStream;

use super::inspect::Target;
use super::refusal::Refusal;
use super::sniff::{self, Opening, Replay, TlsOpening};

/// An authorized connection.
pub enum Authorized {
    /// Terminate TLS with the agent, then decide each request.
    Tls { opening: Box<TlsOpening>, target: Target },
    /// Plain HTTP: decide each request.
    Http { stream: Replay, h2: bool, target: Target },
    /// Bytes that no one looks into, to the one place that the permit names.
    Relay { permit: Permit, stream: Replay, sni: Option<String> },
}

/// Sniffs the opening and asks the policy about the connection.
///
/// # Errors
/// A refusal: by policy, or because the opening is broken.
pub async fn connection(
    snapshot: &Snapshot,
    agent: &Agent,
    destination: SocketAddr,
    stream: TcpStream,
    limit: Duration,
) -> Result<Authorized, Refusal> {
    // Server-first protocols say nothing until they are answered: a `tcp` rule for the address holds without sniffing.
    let silent = Connect { host: None, destination, protocol: Sniffed::Other };
    if let ConnectPlan::Tcp(permit) = snapshot.connect(agent, &silent)
        // In shadow everything passes, and that must not stop us from looking into what can be looked into.
        && permit.mode() == Mode::Enforce
    {
        let stream = Replay::new(bytes::Bytes::new(), stream);
        return Ok(Authorized::Relay { permit, stream, sni: None });
    }
    let opening = sniff::open(stream, limit).await;
    match opening.map_err(|error| Refusal::from(Denial::protocol(error.to_string(), snapshot.version())))? {
        Opening::Tls(opening) => tls(snapshot, agent, destination, opening),
        Opening::Http { h2, stream } => http(snapshot, agent, destination, stream, h2),
        Opening::Other(stream) => other(snapshot, agent, destination, stream),
    }
}

fn tls(
    snapshot: &Snapshot,
    agent: &Agent,
    destination: SocketAddr,
    opening: Box<TlsOpening>,
) -> Result<Authorized, Refusal> {
    let connect = Connect { host: opening.sni.as_deref(), destination, protocol: Sniffed::Tls };
    match snapshot.connect(agent, &connect) {
        ConnectPlan::Inspect => {
            let target = Target { scheme: "https", sni: opening.sni.clone(), destination };
            Ok(Authorized::Tls { opening, target })
        }
        ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => {
            let TlsOpening { raw, stream, sni, .. } = *opening;
            Ok(Authorized::Relay { permit, stream: Replay::new(raw, stream), sni })
        }
        ConnectPlan::Deny(denial) => Err(denial.into()),
    }
}

fn http(
    snapshot: &Snapshot,
    agent: &Agent,
    destination: SocketAddr,
    stream: Replay,
    h2: bool,
) -> Result<Authorized, Refusal> {
    match snapshot.connect(agent, &Connect { host: None, destination, protocol: Sniffed::Http }) {
        ConnectPlan::Inspect => {
            Ok(Authorized::Http { stream, h2, target: Target { scheme: "http", sni: None, destination } })
        }
        ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => {
            Ok(Authorized::Relay { permit, stream, sni: None })
        }
        ConnectPlan::Deny(denial) => Err(denial.into()),
    }
}

fn other(snapshot: &Snapshot, agent: &Agent, destination: SocketAddr, stream: Replay) -> Result<Authorized, Refusal> {
    match snapshot.connect(agent, &Connect { host: None, destination, protocol: Sniffed::Other }) {
        ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => {
            Ok(Authorized::Relay { permit, stream, sni: None })
        }
        ConnectPlan::Deny(denial) => Err(denial.into()),
        // Only HTTP and TLS can be inspected.
        ConnectPlan::Inspect => {
            Err(Denial::protocol("the connection is neither HTTP nor TLS", snapshot.version()).into())
        }
    }
}
