//! Dials what a permit names: resolves the name itself, refuses private addresses, verifies TLS.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::attempts;
use super::pool::PoolKey;
use super::slots::{Slot, Slots};
use super::stream::Upstream;
use super::way::{Open, Way, Ways};
use crate::dns::Resolver;

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the name cannot be resolved: {0}")]
    Resolve(String),
    #[error(
        "{host} resolves only to private addresses or to this host's own, and the rule does not say `private: true`"
    )]
    Private { host: String },
    #[error("{host} was to be dialled from the agent's network namespace, which is not served any more")]
    Namespace { host: String },
    #[error("the addresses of this host cannot be read, so none can be told from an outside one: {0}")]
    OwnAddresses(io::Error),
    #[error("too many connections are being opened: no turn for {host}:{port} within {limit:?}")]
    Busy { host: String, port: u16, limit: Duration },
    #[error("no connection to {host}:{port}: {source}")]
    Connect { host: String, port: u16, source: io::Error },
    #[error("no connection to {host}:{port} within {limit:?}")]
    Timeout { host: String, port: u16, limit: Duration },
    #[error("TLS with {host}: {source}")]
    Tls { host: String, source: io::Error },
    #[error("{0} names no host that can be dialled")]
    Target(String),
}

/// Makes connections to origins. Cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    resolver: Arc<Resolver>,
    ways: Ways,
    slots: Slots,
    /// Offers h2 and http/1.1.
    tls_h2: TlsConnector,
    /// Offers http/1.1 only.
    tls_h1: TlsConnector,
    connect_timeout: Duration,
    /// From the permit: whether private addresses may be dialled.
    private_ok: bool,
    h2: bool,
    way: Way,
}

impl Dialer {
    /// A dialer that verifies origins as `tls` says. Private addresses are refused until a permit allows them.
    #[must_use]
    pub fn new(resolver: Arc<Resolver>, tls: ClientConfig, connect_timeout: Duration, ways: Ways) -> Self {
        let mut h1 = tls.clone();
        h1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (tls_h2, tls_h1) = (TlsConnector::from(Arc::new(tls)), TlsConnector::from(Arc::new(h1)));
        let slots = Slots::new();
        Self { resolver, ways, slots, tls_h2, tls_h1, connect_timeout, private_ok: false, h2: false, way: Way::Host }
    }

    /// The same dialer for one pool: from where it dials, what its permits say of private addresses, whether it offers
    /// HTTP/2, and the `quota` of dials at once that it shares with its agent's other pools.
    #[must_use]
    pub fn for_pool(&self, key: PoolKey, quota: Arc<Semaphore>) -> Self {
        let PoolKey { private_ok, h2, way, .. } = key;
        Self { private_ok, h2, way, slots: self.slots.within(quota), ..self.clone() }
    }

    /// A TCP connection to `host`, the name resolved here and now.
    ///
    /// # Errors
    /// When there is no turn, the name does not resolve, resolves to private addresses only, or none of the addresses
    /// answers: all of it within the connect timeout.
    pub async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        self.dial(host, port).await.map(|(stream, _)| stream)
    }

    /// A connection to the origin of a URI on which HTTP/2 was agreed on; `None` where it was not.
    ///
    /// # Errors
    /// As [`Dialer::tcp`], and when the origin's certificate does not hold.
    pub async fn h2(mut self, uri: Uri) -> Result<Option<Upstream>, DialError> {
        self.h2 = true;
        self.connect(uri).await.map(|stream| Some(stream).filter(Upstream::is_h2))
    }

    /// The slot counts the dial for as long as it is held.
    async fn dial(&self, host: &str, port: u16) -> Result<(TcpStream, Slot), DialError> {
        let limit = self.connect_timeout;
        let deadline = Instant::now() + limit;
        let busy = || DialError::Busy { host: host.to_owned(), port, limit };
        let slot = timeout_at(deadline, self.slots.take()).await.ok().flatten().ok_or_else(busy)?;
        let late = || DialError::Timeout { host: host.to_owned(), port, limit };
        let gone = || DialError::Namespace { host: host.to_owned() };
        let way = self.ways.open(self.way).ok_or_else(gone)?;
        let addresses = timeout_at(deadline, self.addresses(&way, host)).await.map_err(|_| late())??;
        let connect = |address| way.connect(SocketAddr::new(address, port));
        match attempts::first_that_answers(addresses, deadline, connect).await {
            Ok(stream) => {
                // Without it, delayed ACKs stall small requests for 40 ms.
                let _ = stream.set_nodelay(true);
                Ok((stream, slot))
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(late()),
            Err(source) => Err(DialError::Connect { host: host.to_owned(), port, source }),
        }
    }

    async fn addresses(&self, way: &Open, host: &str) -> Result<Vec<IpAddr>, DialError> {
        let found: Vec<IpAddr> = match host.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => {
                let resolved =
                    self.resolver.resolve(host).await.map_err(|error| DialError::Resolve(error.to_string()))?;
                resolved.to_vec()
            }
        };
        if self.private_ok {
            return Ok(found);
        }
        let reachable = self.ways.outside(way, found).await.map_err(DialError::OwnAddresses)?;
        if reachable.is_empty() {
            return Err(DialError::Private { host: host.to_owned() });
        }
        Ok(reachable)
    }

    async fn connect(&self, uri: Uri) -> Result<Upstream, DialError> {
        let host = uri.host().ok_or_else(|| DialError::Target(uri.to_string()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        // Held until TLS stands: an origin that accepts and then says nothing is a dial under way, too.
        let (stream, _slot) = self.dial(&host, port).await?;
        if !https {
            return Ok(Upstream::Plain(TokioIo::new(stream)));
        }
        let name = ServerName::try_from(host.clone()).map_err(|_| DialError::Target(host.clone()))?;
        let tls = if self.h2 { &self.tls_h2 } else { &self.tls_h1 };
        let limit = self.connect_timeout;
        match timeout(limit, tls.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Upstream::Tls(Box::new(TokioIo::new(stream)))),
            Ok(Err(source)) => Err(DialError::Tls { host, source }),
            Err(_) => Err(DialError::Timeout { host, port, limit }),
        }
    }
}

/// A dialer as a pool's client has it, which clones it for every request.
#[derive(Clone)]
pub struct Connector(Arc<Dialer>);

impl Connector {
    #[must_use]
    pub fn new(dialer: Dialer) -> Self {
        Self(Arc::new(dialer))
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Upstream;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Upstream, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = Arc::clone(&self.0);
        Box::pin(async move { dialer.connect(uri).await })
    }
}
