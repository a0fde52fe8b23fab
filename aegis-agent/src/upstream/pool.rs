//! Connections to origins, kept for re-use. Each agent has its own pool, so that no agent's request ever
//! travels on a connection that was opened under another agent's permit.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::dialer::{Connector, DialError, Dialer};
use super::slots::agent_quota;
use super::way::Way;
use crate::config::{self, Limits};
use crate::flow::body::ToOrigin;
use crate::kernel::{AgentIndex, NetnsCookie};
use crate::telemetry::Noted;

/// An HTTP client that speaks HTTP/1.1 or HTTP/2 as the origin's ALPN says, with a pool of its own.
pub type UpstreamClient = Client<Connector, ToOrigin>;

/// More pools than this at once and the least used is closed; its agent's next request opens a new one.
const MAX_POOLS: u64 = 8192;
/// HTTP/2 windows towards origins, in bytes: a stream's is a 16th of its connection's, so that fifteen responses which
/// nobody reads still leave the others room; and small enough that a stalled agent costs little.
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 4 << 20;
const H2_SEND_BUFFER: usize = 256 * 1024;
/// What of an HTTP/1 upload may wait for an origin that reads slowly, and what is read of its answers at once, in bytes. The head of
/// an answer may be as long as a request's, and always this long.
const H1_BUFFER: usize = 64 * 1024;
/// How often an HTTP/2 origin is asked whether it is still there, and how long its answer may take: a connection that a
/// middlebox has forgotten would swallow every request put on it.
const H2_PING_EVERY: Duration = Duration::from_secs(20);
const H2_PONG_WITHIN: Duration = Duration::from_secs(10);
/// How long an origin may take to say what it can, which it has to say first of all, and how often that is asked.
const SETTINGS_WITHIN: Duration = Duration::from_secs(2);
const SETTINGS_EVERY: Duration = Duration::from_millis(5);

/// Whose connections may be used for a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolKey {
    pub agent: AgentIndex,
    /// From where it is dialled.
    pub way: Way,
    /// From the permit: a connection to a private address serves no permit that does not allow one.
    pub private_ok: bool,
    /// Whether HTTP/2 is offered to the origin: it is when the agent speaks it.
    pub h2: bool,
}

/// Why there is no connection for a WebSocket over HTTP/2.
#[derive(Debug, thiserror::Error)]
pub enum ExtendedError {
    #[error("no connection")]
    Dial(#[from] DialError),
    #[error("HTTP/2")]
    Http(#[from] hyper::Error),
    #[error("it speaks no HTTP/1.1, and takes no WebSocket over HTTP/2 (RFC 8441)")]
    Unable,
}

pub struct Pools {
    dialer: Dialer,
    idle: Duration,
    per_host: usize,
    header_bytes: usize,
    clients: moka::sync::Cache<PoolKey, UpstreamClient>,
    /// Dials at once of each agent, over all its pools.
    quotas: moka::sync::Cache<AgentIndex, Arc<Semaphore>>,
}

impl Pools {
    #[must_use]
    pub fn new(dialer: Dialer, upstream: &config::Upstream, limits: &Limits) -> Self {
        Self {
            dialer,
            idle: upstream.pool_idle,
            per_host: upstream.pool_per_host,
            header_bytes: limits.header_bytes,
            clients: moka::sync::Cache::builder().max_capacity(MAX_POOLS).build(),
            quotas: moka::sync::Cache::builder().max_capacity(MAX_POOLS).build(),
        }
    }

    /// The client for `key`, with the connections that it has open, for a request that is noted.
    #[must_use]
    pub fn client(&self, key: PoolKey, _: &Noted) -> UpstreamClient {
        self.clients.get_with(key, || self.build(key))
    }

    /// A dialer for an agent's bytes that are not HTTP; its dials count with those of the agent's pools. For a
    /// connection that is noted.
    #[must_use]
    pub fn dialer(&self, agent: AgentIndex, way: Way, private_ok: bool, _: &Noted) -> Dialer {
        let key = PoolKey { agent, way, private_ok, h2: false };
        self.dialer.for_pool(key, self.quotas.get_with(agent, agent_quota))
    }

    /// A connection of its own to the origin of `uri`, which takes WebSockets over HTTP/2 (RFC 8441). For a request that is
    /// noted.
    ///
    /// # Errors
    /// It cannot be dialled, or the origin does not take them.
    pub async fn extended(
        &self,
        key: PoolKey,
        uri: &Uri,
        noted: &Noted,
    ) -> Result<SendRequest<ToOrigin>, ExtendedError> {
        let dialer = self.dialer(key.agent, key.way, key.private_ok, noted);
        let stream = dialer.h2(uri.clone()).await?.ok_or(ExtendedError::Unable)?;
        let (origin, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(H2_STREAM_WINDOW)
            .initial_connection_window_size(H2_CONNECTION_WINDOW)
            .keep_alive_interval(H2_PING_EVERY)
            .keep_alive_timeout(H2_PONG_WITHIN)
            .max_send_buf_size(H2_SEND_BUFFER)
            .max_header_list_size(u32::try_from(self.header_bytes).unwrap_or(u32::MAX))
            .handshake(stream)
            .await?;
        let deadline = Instant::now() + SETTINGS_WITHIN;
        while !connection.is_extended_connect_protocol_enabled() {
            if Instant::now() >= deadline {
                return Err(ExtendedError::Unable);
            }
            tokio::time::sleep(SETTINGS_EVERY).await;
        }
        // It ends with its one stream, or by a ping that nobody answers.
        tokio::spawn(connection);
        Ok(origin)
    }

    /// Lets go of the connections that were made from within `namespace`: they keep it, when everybody else has left.
    pub fn leave(&self, namespace: NetnsCookie) {
        let gone = self.clients.iter().map(|(key, _)| *key).filter(|key| key.way == Way::Within(namespace));
        for key in gone {
            self.clients.invalidate(&key);
        }
    }

    fn build(&self, key: PoolKey) -> UpstreamClient {
        let quota = self.quotas.get_with(key.agent, agent_quota);
        Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(self.idle)
            .pool_max_idle_per_host(self.per_host)
            // Host is written from the URI, which the permit named: never copied from what the agent sent.
            .set_host(true)
            .http1_max_buf_size(self.header_bytes.max(H1_BUFFER))
            .http2_initial_stream_window_size(H2_STREAM_WINDOW)
            .http2_initial_connection_window_size(H2_CONNECTION_WINDOW)
            .http2_keep_alive_interval(H2_PING_EVERY)
            .http2_keep_alive_timeout(H2_PONG_WITHIN)
            .http2_keep_alive_while_idle(true)
            .http2_max_send_buf_size(H2_SEND_BUFFER)
            .http2_max_header_list_size(u32::try_from(self.header_bytes).unwrap_or(u32::MAX))
            .build(Connector::new(self.dialer.for_pool(key, quota)))
    }
}
