//! Accepting connections, with bounds on their number and their time.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::peer::Peer;
use super::router::{Shared, build};
use super::{Control, ControlSocket};

/// Open connections of administrators, and apart from them of everybody else: agents cannot keep administrators out.
const CONNECTIONS: usize = 128;

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection of somebody who is no administrator may last.
const WORKLOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long calls in flight may take to end after `shutdown`.
const GRACE: Duration = Duration::from_secs(3);

/// Serves the control API until `shutdown` is cancelled, then lets calls in flight end (3 s at most).
///
/// `group`: gid whose members administrate beside root ([`super::group_id`]).
pub async fn serve(socket: ControlSocket, control: Arc<dyn Control>, group: Option<u32>, shutdown: CancellationToken) {
    let server = Server {
        router: build(Shared { control, group, shutdown: shutdown.clone() }),
        group,
        administrators: Arc::new(Semaphore::new(CONNECTIONS)),
        others: Arc::new(Semaphore::new(CONNECTIONS)),
        shutdown: shutdown.clone(),
    };
    let calls = TaskTracker::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => server.admit(stream, &calls),
                Err(error) => {
                    // Out of descriptors, usually: a pause lets others give some back.
                    tracing::warn!(%error, "control socket: accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    calls.close();
    if tokio::time::timeout(GRACE, calls.wait()).await.is_err() {
        tracing::warn!("control calls were cut off at shutdown");
    }
}

struct Server {
    router: Router,
    group: Option<u32>,
    administrators: Arc<Semaphore>,
    others: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Server {
    fn admit(&self, stream: UnixStream, calls: &TaskTracker) {
        let peer = match Peer::of(&stream) {
            Ok(peer) => peer,
            Err(error) => {
                return tracing::info!(%error, "control socket: a caller that cannot be identified");
            }
        };
        let administrates = peer.may_administrate(self.group);
        let permits = if administrates { &self.administrators } else { &self.others };
        let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
            return tracing::warn!(uid = peer.uid, pid = peer.pid, "control socket: too many connections");
        };
        let router = self.router.clone().layer(Extension(peer));
        let conversation = converse(stream, router, self.shutdown.clone(), permit);
        calls.spawn(async move {
            if administrates {
                conversation.await;
            } else {
                // Cut off without a word: who dawdles this long does not read the answer either.
                let _ = tokio::time::timeout(WORKLOAD_TIMEOUT, conversation).await;
            }
        });
    }
}

async fn converse(stream: UnixStream, router: Router, shutdown: CancellationToken, _permit: OwnedSemaphorePermit) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // One call a connection: credentials are those of the moment of connecting.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "control connection ended early");
    }
}
