//! The way of one connection: attribute, intercept, identify, authorize, then for each request inspect, decide,
//! forward, record. Each step takes what the step before gave, so none can be left out.

pub mod authorize;
pub mod body;
pub mod decide;
pub mod exchange;
pub mod forward;
pub mod identify;
pub mod inspect;
pub mod intercept;
pub mod record;
pub mod refusal;
mod relay;
mod serve;
mod sniff;

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_util::sync::CancellationToken;

use self::authorize::Authorized;
use self::exchange::Session;
use self::inspect::Target;
use self::record::Recorder;
use self::sniff::TlsOpening;
use crate::daemon::Aegis;
use crate::daemon::admission::Admission;

/// Takes one accepted connection to its end.
pub async fn connection(aegis: Arc<Aegis>, stream: TcpStream, peer: SocketAddr, drain: CancellationToken) {
    let snapshot = aegis.policy.current();
    let version = snapshot.version();

    // attribute (in the kernel) and intercept
    let origin = match intercept::origin(&*aegis.flows, peer) {
        Ok(origin) => origin,
        Err(why) => return record::unattributed(&aegis, peer, &why.to_string(), version),
    };
    // identify
    let identity = match identify::connection(&aegis.registry, &origin, version) {
        Ok(identity) => identity,
        Err(refusal) => return record::unattributed(&aegis, peer, &refusal.denial.reason, version),
    };
    let _admitted = match Admission::of(&aegis, identity.enrolled.index) {
        Ok(admitted) => admitted,
        Err(why) => return record::connection_refused(&aegis, &identity, &origin, &why.refusal(version)),
    };
    // authorize
    let limit = aegis.config.limits.handshake_timeout;
    let authorized = authorize::connection(&snapshot, &identity.agent, origin.record.original, stream, limit).await;
    // inspect, decide, forward and record, once for a relayed connection and once a request for all others
    match authorized {
        Ok(Authorized::Tls { opening, target }) => intercepted(aegis, identity, *opening, target, &drain).await,
        Ok(Authorized::Http { stream, h2, target }) => {
            serve::http(Session { aegis, identity, target, h2 }, stream, &drain).await;
        }
        Ok(Authorized::Relay { permit, stream, sni }) => {
            let Ok(mut recorder) = Recorder::open(&aegis, &identity, &snapshot) else { return };
            recorder.relay(&permit, sni.as_deref(), origin.record.original);
            relay::run(&aegis.pools, permit, stream, aegis.config.limits.idle_timeout, recorder).await;
        }
        Err(refusal) => record::connection_refused(&aegis, &identity, &origin, &refusal),
    }
}

/// Ends the agent's TLS here and serves what is inside.
async fn intercepted(
    aegis: Arc<Aegis>,
    identity: identify::Identity,
    opening: TlsOpening,
    target: Target,
    drain: &CancellationToken,
) {
    let config = match server_config(&aegis, &target) {
        Ok(config) => config,
        Err(error) => return tracing::warn!(%error, "no certificate for the agent"),
    };
    let handshake = StartHandshake::from_parts(opening.accepted, opening.stream).into_stream(config);
    let stream = match tokio::time::timeout(aegis.config.limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => stream,
        // Most often an agent that does not trust the CA: it is told in the log, since there is nobody to answer to.
        Ok(Err(error)) => {
            aegis.metrics.handshake_failed();
            return tracing::info!(agent = identity.agent.name, %error, "TLS handshake with the agent failed");
        }
        Err(_) => {
            aegis.metrics.handshake_failed();
            return tracing::info!(agent = identity.agent.name, "TLS handshake with the agent took too long");
        }
    };
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    serve::http(Session { aegis, identity, target, h2 }, stream, drain).await;
}

fn server_config(aegis: &Aegis, target: &Target) -> Result<Arc<ServerConfig>, crate::tls::TlsError> {
    match &target.sni {
        Some(_) => Ok(Arc::clone(&aegis.server_tls)),
        None => aegis.ca.server_config_for(&aegis.server_tls, &target.destination.ip().to_string()),
    }
}
