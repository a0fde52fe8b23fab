//! The sockets that agents' queries come to, and how many are handled at a time.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::host::{DnsHost, Transport};
use super::places::Places;
use super::request::MAX_QUERY;
use super::serving::{Client, serve};
use crate::handover::{self, Inherited};
use crate::kernel::{FlowRecord, NetnsCookie};
use crate::loopback;

/// How long a TCP client may be silent (RFC 7766 section 6.2.3: a few seconds), and how long a write may take.
const TCP_IDLE: Duration = Duration::from_secs(10);
/// TCP clients at a time. Most send one query and leave.
const TCP_CLIENTS: usize = 512;
/// Pause after a socket failed for a reason that passes, such as no more file descriptors.
const RECOVERY: Duration = Duration::from_millis(100);
const BACKLOG: i32 = 512;

/// A DNS port that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({transport}): {source}{}", fix(.source, *.address))]
pub struct BindError {
    pub address: SocketAddr,
    pub transport: &'static str,
    pub source: io::Error,
}

fn fix(error: &io::Error, address: SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let port = address.port();
            format!(
                "; fix: stop the process that has it (ss -lntup 'sport = :{port}' shows it) or set another listen.dns_port"
            )
        }
        _ => String::new(),
    }
}

/// Bound sockets, before anybody reads from them: the kernel may send agents here from now on.
#[derive(Debug, Default)]
pub struct Sockets {
    udp: Vec<UdpSocket>,
    tcp: Vec<TcpListener>,
}

impl Sockets {
    /// UDP and TCP on each of `addresses`, made or inherited. Needs a tokio runtime. With port 0 each socket has a port of
    /// its own.
    ///
    /// # Errors
    /// When an address is taken or not there.
    pub fn bind(addresses: &[SocketAddr], inherited: &mut Inherited) -> Result<Self, BindError> {
        let mut sockets = Self::default();
        for address in addresses.iter().copied() {
            let failed = |transport| move |source| BindError { address, transport, source };
            let socket = inherited.udp(address).map_or_else(|| udp(address), UdpSocket::from_std);
            sockets.udp.push(socket.map_err(failed("UDP"))?);
            let listener = inherited.tcp(address).map_or_else(|| tcp(address), TcpListener::from_std);
            sockets.tcp.push(listener.map_err(failed("TCP"))?);
        }
        Ok(sockets)
    }

    /// Every socket, to be left for the next daemon.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        handover::descriptors(&self.udp).chain(handover::descriptors(&self.tcp))
    }

    /// The addresses of the UDP sockets.
    #[must_use]
    pub fn udp_addresses(&self) -> Vec<SocketAddr> {
        self.udp.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// The addresses of the TCP listeners.
    #[must_use]
    pub fn tcp_addresses(&self) -> Vec<SocketAddr> {
        self.tcp.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if address.ip().is_loopback() {
        loopback::only(&socket)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    // No SO_REUSEADDR: with it, another process could take the port from under us.
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    // TCP's only skips TIME_WAIT; a listener cannot be doubled with it.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Answers agents' DNS queries. Cheap to clone: the bounds are those of all its sockets together.
#[derive(Clone)]
pub struct DnsServer {
    shared: Shared,
}

#[derive(Clone)]
struct Shared {
    host: Arc<dyn DnsHost>,
    places: Arc<Places>,
    tcp_clients: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl DnsServer {
    pub fn new(host: Arc<dyn DnsHost>) -> Self {
        let places = Places::new(host.concurrent_queries());
        let tcp_clients = Arc::new(Semaphore::new(TCP_CLIENTS));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Self { shared: Shared { host, places, tcp_clients, tasks, stop } }
    }

    /// Serves `sockets`, all of one network namespace, until `stop`; then answers what was asked before.
    pub async fn run(self, sockets: Sockets, stop: CancellationToken) {
        let shared = Shared { stop, tasks: TaskTracker::new(), ..self.shared };
        for socket in sockets.udp {
            shared.tasks.spawn(datagrams(shared.clone(), Arc::new(socket)));
        }
        for listener in sockets.tcp {
            shared.tasks.spawn(connections(shared.clone(), listener));
        }
        shared.stop.cancelled().await;
        shared.tasks.close();
        shared.tasks.wait().await;
    }
}

async fn datagrams(shared: Shared, socket: Arc<UdpSocket>) {
    let namespace = match NetnsCookie::of(&*socket) {
        Ok(namespace) => namespace,
        Err(error) => return tracing::error!(%error, "DNS: the namespace of a socket is not told; it is not served"),
    };
    let mut buffer = vec![0; MAX_QUERY + 1];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = shared.stop.cancelled() => return,
        };
        let Ok((n, peer)) = received else {
            tokio::time::sleep(RECOVERY).await;
            continue;
        };
        let Some(query) = buffer.get(..n).map(<[u8]>::to_vec) else { continue };
        let flow = shared.host.flows().dns_client(namespace, peer).unwrap_or_else(|error| unknown(&error));
        // Over the limit a query is dropped: the client asks again, and a queue would only grow.
        let Some(place) = shared.places.take(flow.as_ref().map(|flow| flow.agent)) else { continue };
        let client = Client { peer, transport: Transport::Udp, flow };
        let (host, socket) = (Arc::clone(&shared.host), Arc::clone(&socket));
        shared.tasks.spawn(async move {
            let _place = place;
            if let Some(answer) = serve(&host, &client, &query).await {
                // The client may be gone; it asks again if it is not.
                let _ = socket.send_to(&answer, peer).await;
            }
        });
    }
}

/// A sender whom the kernel cannot name is nobody's: refused like any other.
fn unknown<T>(error: &dyn std::error::Error) -> Option<T> {
    tracing::error!(error = %error, "a DNS query could not be attributed");
    None
}

async fn connections(shared: Shared, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(RECOVERY).await;
            continue;
        };
        let flow = attributed(&*shared.host, &stream, peer);
        let Ok(permit) = Arc::clone(&shared.tcp_clients).try_acquire_owned() else { continue };
        let client = Client { peer, transport: Transport::Tcp, flow };
        let tasks = shared.tasks.clone();
        let shared = shared.clone();
        tasks.spawn(async move {
            let _permit = permit;
            // It ends for the client's reasons, all of them its own: silence, rubbish, leaving.
            let _ = conversation(&shared, stream, &client).await;
        });
    }
}

/// The kernel's record of an accepted connection; the key is of the namespace that its socket is in.
fn attributed(host: &dyn DnsHost, stream: &TcpStream, peer: SocketAddr) -> Option<FlowRecord> {
    let namespace = NetnsCookie::of(stream).map_err(|error| unknown::<()>(&error)).ok()?;
    let record = host.flows().take_dns(namespace, peer).unwrap_or_else(|error| unknown(&error));
    // As in `flow::intercept`: after a reset the record may be of the next connection from the port.
    record.filter(|_| matches!(stream.take_error(), Ok(None)))
}

/// Queries one after the other (RFC 7766), until the client leaves, is silent or sends what is no query.
async fn conversation(shared: &Shared, mut stream: TcpStream, client: &Client) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    loop {
        let query = tokio::select! {
            query = timeout(TCP_IDLE, next_query(&mut stream)) => query??,
            () = shared.stop.cancelled() => return Ok(()),
        };
        let Some(_place) = shared.places.take(client.flow.as_ref().map(|flow| flow.agent)) else { return Ok(()) };
        let Some(answer) = serve(&shared.host, client, &query).await else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes(), answer.as_slice()].concat();
        timeout(TCP_IDLE, stream.write_all(&framed)).await??;
    }
}

async fn next_query(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > MAX_QUERY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut query = vec![0; length];
    stream.read_exact(&mut query).await?;
    Ok(query)
}
