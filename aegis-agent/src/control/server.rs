//! Accepting connections, with bounds on their number and their time.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::crowd::{Caller, Crowd, Place, Places};
use super::peer::Peer;
use super::router::{Shared, build};
use super::workload::{Ground, Standing};
use super::{Control, ControlSocket};

/// Open connections. Those of administrators are apart: agents cannot keep them out, nor one agent the others.
const PLACES: Places = Places { administrators: 128, others: 512, each: 64 };

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
    let ground = Ground::new(Arc::clone(&control));
    let server = Server {
        router: build(Shared::new(control, ground.clone(), group, shutdown.clone())),
        group,
        ground,
        crowd: Crowd::new(PLACES),
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
    ground: Ground,
    crowd: Crowd,
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
        let caller = self.caller(&peer);
        let administrates = caller == Caller::Administrator;
        let Some(place) = self.crowd.enter(caller) else {
            return tracing::warn!(uid = peer.uid, pid = peer.pid, "control socket: too many connections");
        };
        let router = self.router.clone().layer(Extension(peer));
        let conversation = converse(stream, router, self.shutdown.clone(), place);
        calls.spawn(async move {
            if administrates {
                conversation.await;
            } else {
                // Cut off without a word: who dawdles this long does not read the answer either.
                let _ = tokio::time::timeout(WORKLOAD_TIMEOUT, conversation).await;
            }
        });
    }

    /// Who it is for the purpose of counting; what it may do is asked with each call. A process of an agent is none of the administrators, be it root.
    fn caller(&self, peer: &Peer) -> Caller {
        match self.ground.standing(peer) {
            Ok(Standing::Free) if peer.may_administrate(self.group) => Caller::Administrator,
            Ok(Standing::Free) => Caller::User(peer.uid),
            Ok(Standing::Agent(name)) => Caller::Agent(name),
            Ok(Standing::Stray | Standing::Departed) | Err(_) => Caller::Nobody,
        }
    }
}

async fn converse(stream: UnixStream, router: Router, shutdown: CancellationToken, _place: Place) {
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
