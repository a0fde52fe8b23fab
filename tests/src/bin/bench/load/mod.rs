//! Closed-loop load: each connection sends its next request when the answer to the last one is there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

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
    /// Bytes of a JSON body to POST; 0 is a GET.
    #[arg(long, default_value_t = 0)]
    body: usize,
    #[arg(long, value_enum, default_value_t = Kind::Requests)]
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// Requests on kept connections.
    Requests,
    /// A new TLS connection for every request.
    Connections,
    /// Open all connections, say so, and hold them until standard input closes.
    Hold,
}

/// What the load saw.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    pub requests: u64,
    pub seconds: f64,
    pub p50_us: u64,
    pub p99_us: u64,
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
        let connector = TlsConnector::from(tls::client(&self.ca)?);
        let started = Instant::now();
        let end = started + Duration::from_millis(self.milliseconds);
        let mut workers = Vec::new();
        for _ in 0..self.connections {
            workers.push(tokio::spawn(Arc::clone(&self).work(connector.clone(), end)));
        }
        let mut all = Histogram::<u64>::new(3)?;
        for worker in workers {
            all.add(worker.await??)?;
        }
        let seen = Seen {
            requests: all.len(),
            seconds: started.elapsed().as_secs_f64(),
            p50_us: all.value_at_quantile(0.5) / 1000,
            p99_us: all.value_at_quantile(0.99) / 1000,
        };
        println!("{}", serde_json::to_string(&seen)?);
        Ok(())
    }

    async fn work(self: Arc<Self>, connector: TlsConnector, end: Instant) -> Result<Histogram<u64>> {
        let mut seen = Histogram::<u64>::new(3)?;
        let mut sender = self.open(&connector).await?;
        while Instant::now() < end {
            let begin = Instant::now();
            if self.kind == Kind::Connections {
                sender = self.open(&connector).await?;
            }
            self.exchange(&mut sender).await?;
            seen.record(u64::try_from(begin.elapsed().as_nanos())?)?;
        }
        Ok(seen)
    }

    async fn open(&self, connector: &TlsConnector) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.connect).await.context("connect")?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.name.clone())?;
        let stream = connector.connect(name, stream).await.context("TLS")?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn exchange(&self, sender: &mut SendRequest<Full<Bytes>>) -> Result<()> {
        sender.ready().await?;
        let method = if self.body == 0 { "GET" } else { "POST" };
        let request = Request::builder()
            .method(method)
            .uri(&self.path)
            .header("host", format!("{}:{}", self.name, self.connect.port()))
            .header("content-type", "application/json")
            .body(Full::new(document(self.body)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }

    async fn hold(self: Arc<Self>) -> Result<()> {
        let connector = TlsConnector::from(tls::client(&self.ca)?);
        let mut held = Vec::new();
        for _ in 0..self.connections {
            let mut sender = self.open(&connector).await?;
            self.exchange(&mut sender).await?;
            held.push(sender);
        }
        println!("holding");
        tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await??;
        Ok(())
    }
}

/// A JSON document of about `size` bytes, of the kind that tools are called with: no sensitive data in it.
fn document(size: usize) -> Bytes {
    if size == 0 {
        return Bytes::new();
    }
    let mut text = String::from(r#"{"amount":4999,"currency":"usd","notes":["#);
    let mut number = 0_u64;
    while text.len() + 70 < size {
        text.push_str(&format!(r#""entry {number} of an ordinary order, nothing secret in it","#));
        number += 1;
    }
    text.push_str(r#""end"]}"#);
    Bytes::from(text)
}
