//! Dials what a permit names: resolves the name itself, refuses private addresses, verifies TLS.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::reach::is_public;
use crate::dns::Resolver;

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the name cannot be resolved: {0}")]
    Resolve(String),
    #[error("{host} resolves only to private addresses, and the rule does not say `private: true`")]
    Private { host: String },
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
    /// Offers h2 and http/1.1.
    tls_h2: TlsConnector,
    /// Offers http/1.1 only.
    tls_h1: TlsConnector,
    connect_timeout: Duration,
    /// From the permit: whether private addresses may be dialled.
    private_ok: bool,
    h2: bool,
}

impl Dialer {
    /// A dialer that verifies origins as `tls` says. Private addresses are refused until a permit allows them.
    #[must_use]
    pub fn new(resolver: Arc<Resolver>, tls: ClientConfig, connect_timeout: Duration) -> Self {
        let mut h1 = tls.clone();
        h1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (tls_h2, tls_h1) = (TlsConnector::from(Arc::new(tls)), TlsConnector::from(Arc::new(h1)));
        Self { resolver, tls_h2, tls_h1, connect_timeout, private_ok: false, h2: false }
    }

    /// The same dialer for one pool: what its permits say of private addresses, and whether it offers HTTP/2.
    #[must_use]
    pub fn for_pool(&self, private_ok: bool, h2: bool) -> Self {
        Self { private_ok, h2, ..self.clone() }
    }

    /// A TCP connection to `host`, the name resolved here and now.
    ///
    /// # Errors
    /// When the name does not resolve, resolves to private addresses only, or none of the addresses answers.
    pub async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let limit = self.connect_timeout;
        let dial = async {
            let addresses = self.addresses(host).await?;
            first_that_answers(&addresses, host, port).await
        };
        let timeout = || DialError::Timeout { host: host.to_owned(), port, limit };
        tokio::time::timeout(limit, dial).await.map_err(|_| timeout())?
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DialError> {
        let found: Vec<IpAddr> = match host.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => {
                let resolved =
                    self.resolver.resolve(host).await.map_err(|error| DialError::Resolve(error.to_string()))?;
                resolved.to_vec()
            }
        };
        let reachable: Vec<IpAddr> = found.into_iter().filter(|ip| self.private_ok || is_public(*ip)).collect();
        if reachable.is_empty() {
            return Err(DialError::Private { host: host.to_owned() });
        }
        Ok(reachable)
    }

    async fn connect(self, uri: Uri) -> Result<Upstream, DialError> {
        let host = uri.host().ok_or_else(|| DialError::Target(uri.to_string()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let stream = self.tcp(&host, port).await?;
        if !https {
            return Ok(Upstream::Plain(TokioIo::new(stream)));
        }
        let name = ServerName::try_from(host.clone()).map_err(|_| DialError::Target(host.clone()))?;
        let tls = if self.h2 { &self.tls_h2 } else { &self.tls_h1 };
        let handshake = tokio::time::timeout(self.connect_timeout, tls.connect(name, stream)).await;
        let limit = self.connect_timeout;
        match handshake {
            Ok(Ok(stream)) => Ok(Upstream::Tls(Box::new(TokioIo::new(stream)))),
            Ok(Err(source)) => Err(DialError::Tls { host, source }),
            Err(_) => Err(DialError::Timeout { host, port, limit }),
        }
    }
}

/// Tries the addresses in turn: a dead family costs one refused connect, not the request.
async fn first_that_answers(addresses: &[IpAddr], host: &str, port: u16) -> Result<TcpStream, DialError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(stream) => {
                // Without it, delayed ACKs stall small requests for 40 ms.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(DialError::Connect { host: host.to_owned(), port, source: last })
}

impl tower_service::Service<Uri> for Dialer {
    type Response = Upstream;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Upstream, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection to an origin.
pub enum Upstream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Upstream {
    fn connected(&self) -> Connected {
        match self {
            Self::Plain(_) => Connected::new(),
            Self::Tls(stream) => {
                let (_, session) = stream.inner().get_ref();
                let connected = Connected::new();
                if session.alpn_protocol() == Some(b"h2") { connected.negotiated_h2() } else { connected }
            }
        }
    }
}

impl Read for Upstream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl Write for Upstream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
        }
    }
    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
