//! HTTP with the agent: one service for HTTP/1.1 and HTTP/2, in TLS or plain.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use aegis_policy::Denial;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{self, Session};
use super::record;
use super::response::ToAgent;
use crate::config::Limits;

/// HTTP/2 windows towards agents, in bytes.
const H2_STREAM_WINDOW: u32 = 1 << 20;
const H2_CONNECTION_WINDOW: u32 = 4 << 20;
const H2_SEND_BUFFER: usize = 256 * 1024;
/// Streams reset before they were answered: more is a rapid-reset attack (CVE-2023-44487).
const H2_PENDING_RESETS: usize = 20;
/// hyper's floor for its HTTP/1 read buffer, in bytes.
const H1_MIN_BUFFER: usize = 8192;

/// Serves requests until the agent closes, goes idle, or `drain` asks for an end after the requests under way.
pub async fn http<IO>(session: Session, io: IO)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = session.aegis.config.limits.clone();
    let (h2, drain) = (session.h2, session.drain.clone());
    let session = Arc::new(session);
    let answering = Arc::clone(&session);
    let service = service_fn(move |request: Request<Incoming>| answer(Arc::clone(&answering), request));
    let io = TokioIo::new(io);
    let ended = if h2 {
        let connection = h2_builder(&limits).serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = &mut connection => ended,
            () = drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    } else {
        let connection = h1_builder(&limits).serve_connection(io, service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = &mut connection => ended,
            () = drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = ended {
        broke_off(&session, &error);
    }
    session.upgraded.close();
    session.upgraded.wait().await;
}

/// What the HTTP parser refused never became a request, and so has no record yet.
fn broke_off(session: &Session, error: &hyper::Error) {
    tracing::debug!(agent = session.identity.agent.name, %error, "the agent's connection broke off");
    let h2 = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    let unreadable = error.is_parse() || h2.is_some_and(|cause| !cause.is_io() && !cause.is_remote());
    if unreadable {
        let version = session.aegis.policy.for_agent(&session.identity.agent).version().to_owned();
        let refusal = Denial::protocol(format!("the agent's HTTP cannot be read: {error}"), version).into();
        let target = &session.target;
        record::connection_refused(
            &session.aegis,
            &session.identity,
            target.destination,
            target.sni.as_deref(),
            &refusal,
        );
    }
}

async fn answer(session: Arc<Session>, request: Request<Incoming>) -> Result<Response<ToAgent>, Infallible> {
    Ok(exchange::answer(&session, request).await)
}

fn h1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Covers the wait for the next request on a kept connection too.
        .header_read_timeout(limits.idle_timeout)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(H1_MIN_BUFFER));
    builder
}

fn h2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        // WebSockets over HTTP/2 (RFC 8441).
        .enable_connect_protocol()
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(H2_PENDING_RESETS)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        // A dead peer is found by its missing PING answer.
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.handshake_timeout);
    builder
}
