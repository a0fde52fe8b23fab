//! The listeners of the proxy, and the loop that takes connections from them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Aegis;
use crate::flow;
use crate::handover::Inherited;
use crate::loopback;

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 4096;

/// A TCP listener, inherited or made, or one line that says what is in its way.
///
/// # Errors
/// When the address is taken or not there.
pub fn bind(address: SocketAddr, what: &str, inherited: &mut Inherited) -> anyhow::Result<TcpListener> {
    if let Some(listener) = inherited.tcp(address) {
        return Ok(TcpListener::from_std(listener)?);
    }
    let listen = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if address.ip().is_loopback() {
            loopback::only(&socket)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    listen().map_err(|error| explained(&error, address, what))
}

fn explained(error: &io::Error, address: SocketAddr, what: &str) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{what}: {address} is in use by another process; fix: stop it (ss -ltnp 'sport = :{}' shows it) or set another port under `listen`",
            address.port()
        ),
        _ => anyhow::anyhow!("{what}: cannot listen on {address}: {error}"),
    }
}

/// The proxy's listeners, on each of [`loopbacks`].
///
/// # Errors
/// When a port is taken.
pub fn proxy(port: u16, inherited: &mut Inherited) -> anyhow::Result<Vec<TcpListener>> {
    let addresses = loopbacks(port);
    if addresses.iter().all(SocketAddr::is_ipv4) {
        tracing::warn!("no ::1 on this host: IPv6 connections of agents are sent to 127.0.0.1 or refused");
    }
    addresses.into_iter().map(|address| bind(address, "proxy", inherited)).collect()
}

/// Where the kernel sends agents: 127.0.0.1 and, where this network namespace has it, ::1.
#[must_use]
pub fn loopbacks(port: u16) -> Vec<SocketAddr> {
    let mut all = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        all.push(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    }
    all
}

/// Accepts until `stop`; each connection runs as a task of its own.
pub async fn accept(aegis: Arc<Aegis>, listener: TcpListener, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Without it, delayed ACKs stall small answers for 40 ms.
                let _ = stream.set_nodelay(true);
                // An agent that does not read what it asked for is cut off: it would hold its places for ever.
                let patience = aegis.config.limits.idle_timeout;
                let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(patience));
                tasks.spawn(flow::connection(Arc::clone(&aegis), stream, peer, stop.clone()));
            }
            Err(error) => {
                // Out of file descriptors, most likely: existing connections have to end first.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}
