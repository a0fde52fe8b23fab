//! The listening sockets over a restart: left with the service manager (systemd's file descriptor store, sd_notify(3)) and
//! got back from it (sd_listen_fds(3)). While nobody accepts, agents' connections wait in them instead of being refused.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use socket2::SockRef;

use crate::loopback;

/// The name under which the sockets are kept.
const NAME: &str = "aegis";

/// What an earlier daemon left. A socket is known by its address: one that is not asked for is closed.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    /// Something was got back, so the service manager does keep what it is given.
    any: bool,
}

impl Inherited {
    /// Takes what the service manager hands over. Changes the environment: to be called before there are threads.
    #[must_use]
    pub fn receive() -> Self {
        let mut passed = ListenFd::from_env();
        let mut inherited = Self { any: passed.len() > 0, ..Self::default() };
        for index in 0..passed.len() {
            // What is neither was never ours: it is left alone.
            if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
                inherited.tcp.push(listener);
            } else if let Ok(Some(socket)) = passed.take_udp_socket(index) {
                inherited.udp.push(socket);
            }
        }
        inherited
    }

    /// The TCP listener on `address`, ready for tokio.
    pub fn tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let index = self.tcp.iter().position(|listener| listener.local_addr().is_ok_and(|at| at == address))?;
        let listener = self.tcp.swap_remove(index);
        usable(&SockRef::from(&listener), address)?;
        listener.set_nonblocking(true).ok()?;
        Some(listener)
    }

    /// The UDP socket on `address`, ready for tokio.
    pub fn udp(&mut self, address: SocketAddr) -> Option<UdpSocket> {
        let index = self.udp.iter().position(|socket| socket.local_addr().is_ok_and(|at| at == address))?;
        let socket = self.udp.swap_remove(index);
        usable(&SockRef::from(&socket), address)?;
        socket.set_nonblocking(true).ok()?;
        Some(socket)
    }

    /// Whether sockets that are left with the service manager are kept: it says so (systemd 254 and later), or it has
    /// given some back.
    #[must_use]
    pub fn kept(&self) -> bool {
        let room = std::env::var("FDSTORE").ok().and_then(|room| room.parse::<u32>().ok());
        self.any || room.is_some_and(|room| room > 0)
    }
}

/// Takes an inherited socket as one of ours: nobody may share its port, and on loopback it stays there, whoever made it.
fn usable(socket: &SockRef<'_>, address: SocketAddr) -> Option<()> {
    if socket.reuse_port().ok()? {
        return None;
    }
    if address.ip().is_loopback() { loopback::only(socket).ok() } else { Some(()) }
}

/// Leaves the sockets with the service manager, in place of what was left there before. Nothing happens where there is
/// none, or none that keeps them.
pub fn leave<'a>(sockets: impl Iterator<Item = BorrowedFd<'a>>) {
    let name = NotifyState::FdName(NAME);
    let sockets: Vec<BorrowedFd<'a>> = sockets.collect();
    let left = sd_notify::notify(false, &[NotifyState::FdStoreRemove, name.clone()])
        .and_then(|()| sd_notify::notify_with_fds(false, &[NotifyState::FdStore, name], &sockets));
    if let Err(error) = left {
        tracing::warn!(%error, "the listening sockets could not be left with the service manager: a restart refuses connections");
    }
}

/// All descriptors of some sockets.
pub fn descriptors<S: AsFd>(sockets: &[S]) -> impl Iterator<Item = BorrowedFd<'_>> {
    sockets.iter().map(AsFd::as_fd)
}
