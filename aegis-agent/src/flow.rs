//! The way of one connection: attribute, intercept, identify, authorize, then for each request inspect, decide,
//! forward, record. Each step takes what the step before gave, so none can be left out.

mod answer;
pub mod authorize;
pub mod beside;
pub mod body;
#[cfg(test)]
mod corpus;
pub mod decide;
pub mod ending;
mod events;
#[cfg(test)]
#[path = "flow/events_corpus_tests.rs"]
mod events_corpus;
pub mod exchange;
mod farewell;
mod fields;
pub mod forward;
mod framing;
mod granted;
pub mod identify;
mod idle;
pub mod inspect;
pub mod intercept;
mod joins;
mod look;
mod name;
pub mod question;
pub mod record;
pub mod refusal;
mod relay;
pub mod response;
mod serve;
mod sniff;
pub mod standing;
mod stop;
mod tally;
pub mod theft;
mod token;
pub mod tools;
mod trailers;
pub mod usage;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;

use aegis_policy::Denial;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use self::authorize::{Authorized, Relayed};
use self::exchange::Session;
use self::inspect::Target;
use self::question::Question;
use self::record::Recorder;
use self::sniff::TlsOpening;
use self::standing::{Ongoing, Subject};
use crate::daemon::Aegis;
use crate::daemon::admission;
use crate::upstream::Way;

/// Takes one accepted connection to its end.
pub async fn connection(aegis: Arc<Aegis>, stream: TcpStream, peer: SocketAddr, drain: CancellationToken) {
    let live = aegis.policy.current();
    let version = live.version();

    // attribute (in the kernel) and intercept
    let origin = match intercept::origin(&*aegis.flows, &stream, peer) {
        Ok(origin) => origin,
        Err(why) => return record::unattributed(&aegis, peer, &why.to_string(), version),
    };
    // identify
    let identity = match identify::connection(&aegis.registry, &origin, version) {
        Ok(identity) => identity,
        Err(refusal) => return record::unattributed(&aegis, peer, &refusal.denial.reason, version),
    };
    // One policy for all of the connection, by whose it is.
    let snapshot = aegis.policy.for_agent(&identity.agent);
    let version = snapshot.version();
    let (destination, namespace) = (origin.record.original, origin.record.netns_cookie);
    let _admitted = match admission::Connection::admit(&aegis, identity.enrolled.index) {
        Ok(admitted) => admitted,
        Err(why) => return record::connection_refused(&aegis, &identity, destination, None, &why.refusal(version)),
    };
    // Whatever becomes of it is written down.
    aegis.audit.room().await;
    // authorize
    let limit = aegis.config.limits.handshake_timeout;
    let authorized = authorize::connection(&snapshot, &identity.agent, origin.record.original, stream, limit).await;
    // inspect, decide, forward and record, once for a relayed connection and once a request for all others
    match authorized {
        Ok(Authorized::Tls { opening, target }) => match handshake(&aegis, *opening, &target).await {
            Ok(stream) => {
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                serve::http(Session::new(aegis, identity, target, namespace, h2, drain), stream).await;
            }
            Err(why) => {
                aegis.metrics.handshake_failed();
                tracing::info!(agent = identity.agent.name, why, "TLS with the agent failed");
                let refusal = Denial::protocol(why, version).into();
                record::connection_refused(&aegis, &identity, destination, target.sni.as_deref(), &refusal);
            }
        },
        Ok(Authorized::Http { stream, h2, target }) => {
            serve::http(Session::new(aegis, identity, target, namespace, h2, drain), stream).await;
        }
        Ok(Authorized::Relay { permit, stream, sni, protocol }) => {
            let within = || name::within_limits(&aegis, &identity, &snapshot, &permit);
            if let Err(refusal) = identity.without_token().map_err(|why| why.refusal(version)).and_then(|()| within()) {
                return record::connection_refused(&aegis, &identity, destination, sni.as_deref(), &refusal);
            }
            let Ok(mut recorder) = Recorder::open(&aegis, &identity, &snapshot) else {
                return aegis.metrics.unrecordable();
            };
            recorder.asks(Question::connection(&identity.agent, sni.as_deref(), destination, Some(protocol)));
            recorder.relay(&permit, sni.as_deref(), origin.record.original);
            let (host, port, private_ok) = (permit.host().to_owned(), permit.port(), permit.private_ok());
            let relayed = Relayed { sni, destination, protocol, host, port, private_ok };
            let ongoing = Ongoing::begin(&aegis, &identity, &snapshot, Subject::Relay(relayed));
            let way = Way::of(identity.enrolled.spec.dial, namespace, &aegis.namespaces);
            relay::run(&aegis, &ongoing, way, permit, stream, recorder, &drain).await;
        }
        Err(refusal) => record::connection_refused(&aegis, &identity, destination, None, &refusal),
    }
}

/// Ends the agent's TLS here. Most often it fails with an agent that does not trust the CA.
async fn handshake(aegis: &Aegis, opening: TlsOpening, target: &Target) -> Result<TlsStream<TcpStream>, String> {
    let config = server_config(aegis, target).map_err(|error| error.to_string())?;
    let accept = StartHandshake::from_parts(opening.accepted, opening.stream).into_stream(config);
    match tokio::time::timeout(aegis.config.limits.handshake_timeout, accept).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("the TLS handshake with the agent failed: {error}")),
        Err(_) => Err("the TLS handshake with the agent took too long".to_owned()),
    }
}

fn server_config(aegis: &Aegis, target: &Target) -> Result<Arc<ServerConfig>, crate::tls::TlsError> {
    match &target.sni {
        Some(_) => Ok(Arc::clone(&aegis.server_tls)),
        None => aegis.ca.server_config_for(&aegis.server_tls, &target.destination.ip().to_string()),
    }
}
