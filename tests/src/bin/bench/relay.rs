//! The floor: TLS on both sides and nothing in between.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use rustls_pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{pin, tls};

#[derive(Args)]
pub struct Relay {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    target: SocketAddr,
    #[arg(long)]
    name: String,
    #[arg(long)]
    ca: PathBuf,
    #[arg(long)]
    certificate: PathBuf,
    #[arg(long)]
    key: PathBuf,
}

impl Relay {
    pub fn run(&self) -> Result<()> {
        pin::here(pin::PROXY_CORE);
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.serve())
    }

    async fn serve(&self) -> Result<()> {
        let acceptor = TlsAcceptor::from(tls::server(&self.certificate, &self.key)?);
        // What the agent speaks is spoken with the origin, too.
        let [h1, h2] = [tls::H1, tls::H2].map(|alpn| tls::client(&self.ca, alpn).map(TlsConnector::from));
        let connectors = [h1?, h2?];
        let name = ServerName::try_from(self.name.clone())?;
        let listener = TcpListener::bind(self.listen).await?;
        println!("ready");
        loop {
            let (stream, _) = listener.accept().await?;
            let relayed = relay(stream, self.target, acceptor.clone(), connectors.clone(), name.clone());
            tokio::spawn(relayed);
        }
    }
}

async fn relay(
    stream: TcpStream,
    target: SocketAddr,
    acceptor: TlsAcceptor,
    [h1, h2]: [TlsConnector; 2],
    name: ServerName<'static>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut agent = acceptor.accept(stream).await?;
    let connector = if agent.get_ref().1.alpn_protocol() == Some(tls::H2) { h2 } else { h1 };
    let upstream = TcpStream::connect(target).await?;
    upstream.set_nodelay(true)?;
    let mut origin = connector.connect(name, upstream).await?;
    tokio::io::copy_bidirectional(&mut agent, &mut origin).await?;
    Ok(())
}
