//! Listeners for what is not HTTP: UDP sinks that answer, and raw TCP that echoes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::World;
use super::origin::listen;
use crate::lab::wiring;

/// The port for the laboratory's own markers: its sinks answer from the address that was sent to.
const MARKER_PORT: u16 = 9999;
/// Ports with a UDP sink: QUIC, DNS over QUIC, NTP, and one for markers.
pub const UDP_PORTS: &[u16] = &[443, 853, 123, MARKER_PORT, super::capture::FENCE_PORT];
/// Ports with a raw TCP echo.
pub const TCP_PORTS: &[u16] = &[7, 853, 2525];

/// One datagram that arrived outside.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Port of the sink.
    pub port: u16,
    /// Who sent it.
    pub peer: SocketAddr,
    /// All of its payload.
    pub payload: Vec<u8>,
}

/// All datagrams that arrived.
#[derive(Clone, Default)]
pub struct Datagrams(Arc<Mutex<Vec<Datagram>>>);

impl Datagrams {
    /// Those whose payload contains `marker`.
    pub fn containing(&self, marker: &[u8]) -> Vec<Datagram> {
        self.0.lock().unwrap().iter().filter(|datagram| contains(&datagram.payload, marker)).cloned().collect()
    }
}

/// What raw TCP listeners received, all connections together.
#[derive(Clone, Default)]
pub struct TcpBytes(Arc<Mutex<Vec<u8>>>);

impl TcpBytes {
    /// Whether `marker` arrived.
    pub fn contain(&self, marker: &[u8]) -> bool {
        contains(&self.0.lock().unwrap(), marker)
    }
}

/// Whether `needle` is somewhere in `haystack`.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

pub(super) async fn start(world: &World) -> Result<()> {
    for port in UDP_PORTS {
        let socket = udp(Ipv6Addr::UNSPECIFIED.into(), *port).context("a UDP sink")?;
        tokio::spawn(sink(socket, *port, world.datagrams.clone()));
    }
    // One for each address: from the sink for all of them the answer would come from the gateway.
    for address in wiring::HOSTS.iter().flat_map(|(_, (v4, v6))| [IpAddr::from(*v4), IpAddr::from(*v6)]) {
        let socket = udp(address, MARKER_PORT).context("a UDP sink")?;
        tokio::spawn(sink(socket, MARKER_PORT, world.datagrams.clone()));
    }
    for port in TCP_PORTS {
        let listener = listen(*port).await?;
        let bytes = world.tcp.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream, bytes.clone()));
            }
        });
    }
    Ok(())
}

/// With SO_REUSEADDR: the sink of one address shares its port with the sink of all, and the kernel prefers it.
fn udp(address: IpAddr, port: u16) -> Result<UdpSocket> {
    let address = SocketAddr::from((address, port));
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into())?)
}

async fn sink(socket: UdpSocket, port: u16, datagrams: Datagrams) {
    let mut buffer = [0; 65536];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let payload = buffer[..length].to_vec();
        datagrams.0.lock().unwrap().push(Datagram { port, peer, payload });
        let _ = socket.send_to(b"received", peer).await;
    }
}

async fn echo(mut stream: TcpStream, bytes: TcpBytes) {
    let mut buffer = [0; 16384];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        bytes.0.lock().unwrap().extend_from_slice(&buffer[..length]);
        if stream.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
