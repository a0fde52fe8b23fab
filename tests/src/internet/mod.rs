//! The internet of the laboratory: origins, a DNS server, UDP sinks, raw TCP, and a packet capture on its cable.

mod background;
mod capture;
mod certificate;
mod dns;
mod endpoint;
mod origin;
mod seen;
mod sockets;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

pub use background::Background;
pub use capture::{Capture, Packet, Protocol};
pub use certificate::OriginAuthority;
pub use dns::{ECH_CONFIG, LARGE, Queries};
pub use seen::{Requests, SeenRequest};
pub use sockets::{Datagram, Datagrams, TcpBytes};

use crate::lab::netns::Namespace;

/// Everything outside, running, with what it saw.
pub struct Internet {
    /// Every request that any origin received.
    pub requests: Requests,
    /// Every name that the DNS server was asked for.
    pub queries: Queries,
    /// Every datagram that a UDP sink received.
    pub datagrams: Datagrams,
    /// What raw TCP listeners received.
    pub tcp: TcpBytes,
    /// Every packet that came from the host's side of the cable.
    pub capture: Capture,
    /// The authority that the origins' certificates come from.
    pub authority: OriginAuthority,
    www: PathBuf,
    stop: CancellationToken,
    thread: Option<JoinHandle<Result<()>>>,
}

/// What the tasks of the internet share.
#[derive(Clone)]
struct World {
    requests: Requests,
    queries: Queries,
    datagrams: Datagrams,
    tcp: TcpBytes,
    www: PathBuf,
}

impl Internet {
    /// Starts all servers in `namespace`; returns when every one of them listens. Static files come from `www/HOST`.
    pub fn start(namespace: &Namespace, www: &Path) -> Result<Internet> {
        let authority = OriginAuthority::generate()?;
        let world = World {
            requests: Requests::default(),
            queries: Queries::default(),
            datagrams: Datagrams::default(),
            tcp: TcpBytes::default(),
            www: www.to_owned(),
        };
        let capture = Capture::start(namespace)?;
        let stop = CancellationToken::new();
        let tls = authority.server_config()?;
        let (ready, started) = mpsc::channel();
        let (shared, token) = (world.clone(), stop.clone());
        let thread = namespace.thread("lab-internet", move || serve(shared, tls, token, ready))?;
        let World { requests, queries, datagrams, tcp, www } = world;
        started
            .recv_timeout(Duration::from_secs(10))
            .context("the laboratory's internet did not start")?
            .context("the laboratory's internet")?;
        Ok(Internet { requests, queries, datagrams, tcp, capture, authority, www, stop, thread: Some(thread) })
    }

    /// The directory whose sub-directories, named as hosts, are served as static files.
    pub fn www(&self) -> &Path {
        &self.www
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    world: World,
    tls: std::sync::Arc<rustls::ServerConfig>,
    stop: CancellationToken,
    ready: mpsc::Sender<Result<()>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error.into()))),
    };
    runtime.block_on(async {
        let started = async {
            origin::start(&world, tls).await?;
            dns::start(&world).await?;
            sockets::start(&world).await
        };
        let _ = ready.send(started.await);
        stop.cancelled().await;
    });
    runtime.shutdown_background();
}
