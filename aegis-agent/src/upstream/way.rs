//! From where an origin is dialled: from the host, or from within the namespace that the agent's connection came from.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use super::own::OwnAddresses;
use super::reach::is_outside;
use crate::config::Dial;
use crate::kernel::NetnsCookie;
use crate::namespaces::{Namespaces, Served};

/// The namespaces whose addresses are remembered.
const MAX_READINGS: u64 = 1024;

/// Where dials of a pool begin. Part of its key: a connection made from one namespace never serves another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Way {
    /// The daemon's own namespace.
    #[default]
    Host,
    /// The agent's: its routes, its firewall, its source address.
    Within(NetnsCookie),
}

impl Way {
    /// As `dial` says, for a connection that an agent made in `namespace`.
    #[must_use]
    pub fn of(dial: Dial, namespace: NetnsCookie, namespaces: &Namespaces) -> Self {
        match dial {
            Dial::Namespace if !namespaces.is_own(namespace) => Self::Within(namespace),
            Dial::Namespace | Dial::Host => Self::Host,
        }
    }
}

/// Opens ways. Cheap to clone.
#[derive(Clone)]
pub struct Ways {
    namespaces: Arc<Namespaces>,
    host: Arc<OwnAddresses>,
    within: moka::sync::Cache<NetnsCookie, Arc<OwnAddresses>>,
}

/// A way that can be dialled on; keeps its namespace until the dial is over.
pub enum Open {
    Host,
    Within(Arc<Served>),
}

impl Ways {
    #[must_use]
    pub fn new(namespaces: Arc<Namespaces>) -> Self {
        let within = moka::sync::Cache::builder().max_capacity(MAX_READINGS).build();
        Self { namespaces, host: Arc::default(), within }
    }

    /// `None` where the namespace is not served any more. It is never dialled from elsewhere instead: its firewall would
    /// not hold.
    #[must_use]
    pub fn open(&self, way: Way) -> Option<Open> {
        match way {
            Way::Host => Some(Open::Host),
            Way::Within(cookie) => self.namespaces.served(cookie).map(Open::Within),
        }
    }

    /// Those of `addresses` that lead neither to this host nor to the namespace that is dialled from, nor to a private
    /// network.
    ///
    /// # Errors
    /// When one's own addresses cannot be read.
    pub async fn outside(&self, way: &Open, mut addresses: Vec<IpAddr>) -> io::Result<Vec<IpAddr>> {
        let mut keep = |own: &HashSet<IpAddr>| addresses.retain(|address| is_outside(*address, own));
        keep(&*self.host.current().await?);
        if let Open::Within(served) = way {
            let own = self.within.get_with(served.inside.cookie(), Arc::default);
            keep(&*own.within(&served.inside).await?);
        }
        Ok(addresses)
    }
}

impl Open {
    /// Connects to `address` from here.
    ///
    /// # Errors
    /// As connect(2).
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let Self::Within(served) = self else { return TcpStream::connect(address).await };
        let socket = served.inside.run(move || unconnected(address)).await??;
        TcpSocket::from_std_stream(socket.into()).connect(address).await
    }
}

fn unconnected(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
