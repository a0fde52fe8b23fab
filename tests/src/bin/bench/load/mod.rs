//! Closed-loop load: each connection sends its next request when the answer to the last one is there.

mod bodies;
mod calls;
mod events;
mod requests;
mod socket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use bodies::{Content, document};

use crate::{pin, tls};

#[derive(Args)]
pub struct Load {
    #[arg(long)]
    connect: SocketAddr,
    #[arg(long)]
    name: String,
    /// Defaults to SSL_CERT_FILE, which `aegisctl run` sets.
    #[arg(long, env = "SSL_CERT_FILE")]
    ca: PathBuf,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    #[arg(long, default_value_t = 1000)]
    milliseconds: u64,
    #[arg(long, default_value = "/")]
    path: String,
    /// Every second request goes to this path; it is counted by itself.
    #[arg(long)]
    against: Option<String>,
    /// Bytes of a body to POST; 0 is a GET.
    #[arg(long, default_value_t = 0)]
    body: usize,
    #[arg(long, value_enum, default_value_t = Content::Json)]
    content: Content,
    #[arg(long, value_enum, default_value_t = Kind::Requests)]
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// Requests on kept connections.
    Requests,
    /// A new TLS connection for every request.
    Connections,
    /// Server-sent events: the time to the first of a stream that goes on.
    Events,
    /// Messages to a WebSocket that gives them back.
    Socket,
    /// Unary gRPC calls.
    Calls,
    /// Open all connections, say so, and hold them until standard input closes.
    Hold,
}

/// What the load saw.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    pub requests: u64,
    pub seconds: f64,
    /// Of the requests to the path.
    pub path: Quantiles,
    /// Of those to the other path.
    pub against: Quantiles,
}

/// Microseconds.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p99: f64,
}

impl Quantiles {
    pub fn of(nanoseconds: &Histogram<u64>) -> Self {
        let at = |quantile| nanoseconds.value_at_quantile(quantile) as f64 / 1e3;
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// What is spoken on a connection.
enum Client {
    Requests(requests::Sender),
    Socket(Box<socket::Socket>),
    Calls(calls::Sender),
}

/// One connection's times, in nanoseconds, by the path that was asked.
struct Times([Histogram<u64>; 2]);

impl Times {
    fn new() -> Result<Self> {
        Ok(Self([Histogram::new(3)?, Histogram::new(3)?]))
    }
}

impl Load {
    pub fn run(self) -> Result<()> {
        pin::here(pin::LOAD_CORE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let load = Arc::new(self);
            if load.kind == Kind::Hold { load.hold().await } else { load.measure().await }
        })
    }

    async fn measure(self: Arc<Self>) -> Result<()> {
        let connector = self.connector()?;
        let body = self.content.bytes(self.body)?;
        let started = Instant::now();
        let end = started + Duration::from_millis(self.milliseconds);
        let mut workers = Vec::new();
        for _ in 0..self.connections {
            workers.push(tokio::spawn(Arc::clone(&self).work(connector.clone(), body.clone(), end)));
        }
        let mut all = Times::new()?;
        for worker in workers {
            let seen = worker.await??;
            for (all, seen) in all.0.iter_mut().zip(&seen.0) {
                all.add(seen)?;
            }
        }
        let [path, against] = &all.0;
        let seen = Seen {
            requests: path.len() + against.len(),
            seconds: started.elapsed().as_secs_f64(),
            path: Quantiles::of(path),
            against: Quantiles::of(against),
        };
        println!("{}", serde_json::to_string(&seen)?);
        Ok(())
    }

    fn connector(&self) -> Result<TlsConnector> {
        let alpn = if self.kind == Kind::Calls { tls::H2 } else { tls::H1 };
        Ok(TlsConnector::from(tls::client(&self.ca, alpn)?))
    }

    async fn work(self: Arc<Self>, connector: TlsConnector, body: Bytes, end: Instant) -> Result<Times> {
        let mut seen = Times::new()?;
        let paths = [Some(&self.path), self.against.as_ref()];
        let mut clients = Vec::new();
        for path in paths.into_iter().flatten() {
            clients.push(self.client(&connector, path).await?);
        }
        while Instant::now() < end {
            let turns = clients.iter_mut().zip(paths.into_iter().flatten()).zip(&mut seen.0);
            for ((client, path), seen) in turns {
                let begin = Instant::now();
                if self.kind == Kind::Connections {
                    *client = self.client(&connector, path).await?;
                }
                let answered = self.turn(client, path, &body).await?;
                seen.record(u64::try_from(answered.duration_since(begin).as_nanos())?)?;
            }
        }
        Ok(seen)
    }

    /// One exchange; gives the moment at which what is measured was there.
    async fn turn(&self, client: &mut Client, path: &str, body: &Bytes) -> Result<Instant> {
        match client {
            Client::Requests(sender) if self.kind == Kind::Events => {
                events::first(sender, &self.authority(), path).await
            }
            Client::Requests(sender) => {
                requests::exchange(sender, &self.authority(), path, self.content, body.clone()).await?;
                Ok(Instant::now())
            }
            Client::Socket(socket) => {
                socket.echo().await?;
                Ok(Instant::now())
            }
            Client::Calls(sender) => {
                calls::unary(sender, &self.authority(), path).await?;
                Ok(Instant::now())
            }
        }
    }

    async fn client(&self, connector: &TlsConnector, path: &str) -> Result<Client> {
        let stream = self.open(connector).await?;
        Ok(match self.kind {
            Kind::Socket => Client::Socket(Box::new(socket::Socket::open(stream, &self.authority(), path).await?)),
            Kind::Calls => Client::Calls(calls::connection(stream).await?),
            _ => Client::Requests(requests::connection(stream).await?),
        })
    }

    async fn open(&self, connector: &TlsConnector) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.connect).await.context("connect")?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.name.clone())?;
        connector.connect(name, stream).await.context("TLS")
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.name, self.connect.port())
    }

    async fn hold(self: Arc<Self>) -> Result<()> {
        let connector = self.connector()?;
        let mut held = Vec::new();
        for _ in 0..self.connections {
            let mut client = self.client(&connector, &self.path).await?;
            self.turn(&mut client, &self.path, &Bytes::new()).await?;
            held.push(client);
        }
        println!("holding");
        tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await??;
        Ok(())
    }
}
