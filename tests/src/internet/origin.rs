//! HTTPS origins (h1 and h2 by ALPN) on 443 and plain ones on 80, at every address of the internet.

use std::convert::Infallible;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::World;
use super::endpoint::{self, Body};
use super::seen::{self, SeenRequest};
use crate::lab::wiring;

/// What is known of a connection before its first request.
#[derive(Clone)]
struct Connection {
    world: World,
    host: String,
    peer: SocketAddr,
    sni: Option<String>,
    alpn: Option<String>,
    tls: bool,
}

pub(super) async fn start(world: &World, tls: Arc<rustls::ServerConfig>) -> Result<()> {
    let acceptor = TlsAcceptor::from(tls);
    for (port, acceptor) in [(443, Some(acceptor.clone())), (8443, Some(acceptor)), (80, None)] {
        let listener = listen(port).await?;
        tokio::spawn(accept(listener, acceptor, world.clone()));
    }
    Ok(())
}

/// One dual-stack listener serves all addresses: the local address of a connection says which host was meant.
pub(super) async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await.with_context(|| format!("listening on port {port}"))
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, world: World) {
    while let Ok((stream, peer)) = listener.accept().await {
        let (world, acceptor) = (world.clone(), acceptor.clone());
        tokio::spawn(async move {
            let _ = serve(stream, peer, acceptor, world).await;
        });
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, acceptor: Option<TlsAcceptor>, world: World) -> Result<()> {
    stream.set_nodelay(true)?;
    let host = wiring::name_of(stream.local_addr()?.ip()).unwrap_or("unnamed").to_owned();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let mut connection = Connection { world, host, peer, sni: None, alpn: None, tls: false };
    let Some(acceptor) = acceptor else {
        return http1(stream, connection).await;
    };
    let stream = acceptor.accept(stream).await?;
    let session = stream.get_ref().1;
    connection.tls = true;
    connection.sni = session.server_name().map(str::to_owned);
    connection.alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    if connection.alpn.as_deref() == Some("h2") {
        http2(stream, connection).await
    } else {
        http1(stream, connection).await
    }
}

async fn http1(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, connection: Connection) -> Result<()> {
    let service = service_fn(move |request| answer(request, connection.clone()));
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service).await?;
    Ok(())
}

async fn http2(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, connection: Connection) -> Result<()> {
    let service = service_fn(move |request| answer(request, connection.clone()));
    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), service).await?;
    Ok(())
}

async fn answer(request: Request<Incoming>, connection: Connection) -> Result<Response<Body>, Infallible> {
    let seen = SeenRequest {
        host: connection.host.clone(),
        peer: Some(connection.peer),
        sni: connection.sni,
        alpn: connection.alpn,
        tls: connection.tls,
        method: request.method().to_string(),
        authority: authority(&request),
        path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: seen::listed(request.headers()),
        ..SeenRequest::default()
    };
    let recording = connection.world.requests.arrived(seen);
    Ok(endpoint::serve(request, &connection.host, &connection.world.www, recording).await)
}

fn authority(request: &Request<Incoming>) -> String {
    match request.uri().authority() {
        Some(authority) => authority.to_string(),
        None => {
            request.headers().get(HOST).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).unwrap_or_default()
        }
    }
}
