//! A packet capture on the internet's end of the cable: the last word on what left the host.
//!
//! The socket is opened before anything else runs, and a test that wants to say "nothing came" first sends a
//! fence, a datagram of its own from outside every agent's cgroup: when that has been captured, all earlier has.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};

use super::sockets::contains;
use crate::lab::netns::Namespace;
use crate::lab::wiring::{GATEWAY_V4, HOST_MAC};

/// Port of the fence datagrams.
pub(super) const FENCE_PORT: u16 = 9;
/// Bytes kept of one packet's payload.
const SNAP: usize = 1600;
/// Packets kept; more are counted only.
const KEPT: usize = 50_000;
const RECEIVE_BUFFER: usize = 16 * 1024 * 1024;

/// Transport protocol of a captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6: neighbour discovery makes some of it.
    Icmp,
    /// Another IP protocol, by number.
    Other(u8),
    /// Not IP at all, by EtherType; ARP is 0x0806.
    Link(u16),
}

/// A packet that came from the host.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Source address; unspecified where the packet is not IP.
    pub source: IpAddr,
    /// Destination address; unspecified where the packet is not IP.
    pub destination: IpAddr,
    /// Source port, 0 where there is none.
    pub source_port: u16,
    /// Destination port, 0 where there is none.
    pub port: u16,
    /// The beginning of what follows the IP header, transport header included.
    pub payload: Vec<u8>,
}

impl Packet {
    /// Whether the kept part contains `marker`.
    pub fn contains(&self, marker: &[u8]) -> bool {
        contains(&self.payload, marker)
    }
}

/// One line, for a test that fails: both ends and the beginning of the payload.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Packet { protocol, source, destination, source_port, port, payload } = self;
        let payload = String::from_utf8_lossy(payload.get(..160).unwrap_or(payload));
        write!(f, "{protocol:?} {source} {source_port} -> {destination} {port} {}", payload.escape_debug())
    }
}

/// A running capture.
pub struct Capture {
    packets: Arc<Mutex<Vec<Packet>>>,
    seen: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    fences: AtomicU64,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Capture {
    pub(super) fn start(namespace: &Namespace) -> Result<Capture> {
        let socket = namespace.within(open)??;
        let packets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let lost = Arc::new(AtomicU64::new(0));
        let (kept, count, missed, end) = (packets.clone(), seen.clone(), lost.clone(), stop.clone());
        let thread = namespace.thread("lab-capture", move || {
            if let Err(error) = run(socket, &kept, &count, &missed, &end) {
                // Every later fence fails, and with it the test that asked.
                eprintln!("{error:#}");
            }
        })?;
        Ok(Capture { packets, seen, lost, stop, fences: AtomicU64::new(0), thread: Some(thread) })
    }

    /// Packets from the host for which `wanted` holds, without the laboratory's own fences.
    pub fn matching(&self, wanted: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        let packets = self.packets.lock().unwrap();
        packets.iter().filter(|packet| !is_fence(packet) && wanted(packet)).cloned().collect()
    }

    /// Forgets what is expected, so that there is room for what is not.
    pub fn forget(&self, expected: impl Fn(&Packet) -> bool) {
        self.packets.lock().unwrap().retain(|packet| !expected(packet));
    }

    /// How many packets were not kept because there was no room: of these nobody can say what they were.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// How many packets came in all, kept or not.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Returns when everything that left the host before the call has been captured.
    pub fn settle(&self, host: &Namespace) -> Result<()> {
        let number = self.fences.fetch_add(1, Ordering::Relaxed);
        let marker = format!("laboratory fence {number}.").into_bytes();
        let sent = marker.clone();
        host.within(move || -> std::io::Result<()> {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.send_to(&sent, (GATEWAY_V4, FENCE_PORT)).map(drop)
        })?
        .context("sending the fence")?;
        let arrived =
            || self.packets.lock().unwrap().iter().rev().any(|p| is_fence(p) && p.contains(&marker)).then_some(());
        ensure!(crate::lab::wait_for(Duration::from_secs(5), arrived).is_some(), "the capture does not see the fence");
        Ok(())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn is_fence(packet: &Packet) -> bool {
    packet.protocol == Protocol::Udp && packet.port == FENCE_PORT && packet.contains(b"laboratory fence ")
}

fn open() -> Result<Socket> {
    let every_protocol = i32::from(u16::to_be(0x0003));
    let socket = Socket::new(Domain::from(nix::libc::AF_PACKET), Type::RAW, Some(SocketProtocol::from(every_protocol)))
        .context("a packet socket: CAP_NET_RAW is missing, run this as root")?;
    // A burst must not overrun the capture: silence here is read as "nothing left the host".
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    Ok(socket)
}

fn run(
    mut socket: Socket,
    packets: &Mutex<Vec<Packet>>,
    seen: &AtomicU64,
    lost: &AtomicU64,
    stop: &AtomicBool,
) -> Result<()> {
    let mut frame = vec![0; 128 * 1024];
    while !stop.load(Ordering::Relaxed) {
        match socket.read(&mut frame) {
            Ok(length) => {
                let Some(packet) = parse(&frame[..length]) else {
                    continue;
                };
                seen.fetch_add(1, Ordering::Relaxed);
                let mut packets = packets.lock().unwrap();
                if packets.len() < KEPT || is_fence(&packet) || packet.protocol != Protocol::Tcp {
                    packets.push(packet);
                } else {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error).context("the packet capture"),
        }
    }
    Ok(())
}

/// Takes an Ethernet frame apart; `None` for what the internet itself sent.
fn parse(frame: &[u8]) -> Option<Packet> {
    if frame.get(6..12)? != HOST_MAC {
        return None;
    }
    let ether_type = u16::from_be_bytes([*frame.get(12)?, *frame.get(13)?]);
    let packet = frame.get(14..)?;
    match ether_type {
        0x0800 => ipv4(packet),
        0x86dd => ipv6(packet),
        other => Some(Packet {
            protocol: Protocol::Link(other),
            source: Ipv4Addr::UNSPECIFIED.into(),
            destination: Ipv4Addr::UNSPECIFIED.into(),
            source_port: 0,
            port: 0,
            payload: kept(packet),
        }),
    }
}

fn ipv4(packet: &[u8]) -> Option<Packet> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let address = |at: usize| packet.get(at..at + 4)?.try_into().ok().map(|b: [u8; 4]| IpAddr::V4(Ipv4Addr::from(b)));
    Some(transport(*packet.get(9)?, address(12)?, address(16)?, packet.get(header..)?))
}

/// Extension headers are left as they are: the packet then counts as [`Protocol::Other`], which no test expects.
fn ipv6(packet: &[u8]) -> Option<Packet> {
    let address = |at: usize| packet.get(at..at + 16)?.try_into().ok().map(|b: [u8; 16]| IpAddr::V6(Ipv6Addr::from(b)));
    Some(transport(*packet.get(6)?, address(8)?, address(24)?, packet.get(40..)?))
}

fn transport(number: u8, source: IpAddr, destination: IpAddr, rest: &[u8]) -> Packet {
    let protocol = match number {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        1 | 58 => Protocol::Icmp,
        other => Protocol::Other(other),
    };
    let port = |at: usize| match (protocol, rest.get(at), rest.get(at + 1)) {
        (Protocol::Tcp | Protocol::Udp, Some(high), Some(low)) => u16::from_be_bytes([*high, *low]),
        _ => 0,
    };
    Packet { protocol, source, destination, source_port: port(0), port: port(2), payload: kept(rest) }
}

fn kept(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(SNAP)].to_vec()
}
