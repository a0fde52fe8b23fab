//! The probe: a process that aegisctl starts of itself to try ways out, in the agent's cgroup or outside of it.
//!
//! No attempt takes longer than a moment: sockets do not block, or have a time limit.

mod other;
mod tcp;
mod udp;

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sched::{CloneFlags, setns};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use socket2::{Domain, Protocol, Socket, Type};

use super::channel::{Channel, Order, Refused, Reply};
use super::vectors::Attempt;
use crate::failure::Failure;

pub use other::VSOCK_PORT;

/// Uid and gid of `nobody`.
const NOBODY: u32 = 65_534;

/// Tries ways out for `aegisctl verify`; not for people.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Network namespace to enter.
    #[arg(long)]
    namespace: Option<PathBuf>,
    /// Cgroup to join.
    #[arg(long)]
    cgroup: Option<PathBuf>,
    /// Stay root.
    #[arg(long)]
    root: bool,
}

/// What an attempt came to.
type Tried = Result<Done, Refused>;

/// An attempt that was not refused.
#[derive(Default)]
struct Done {
    note: Option<String>,
    /// A socket that stays open until the next order, while the sink looks.
    kept: Option<Socket>,
}

/// Sockets from before the cgroup was joined; each is used once.
struct Luggage {
    tcp: Option<Socket>,
    udp: Option<Socket>,
}

/// Takes orders until the other end is closed.
pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let channel = Channel::of_probe()?;
    let refuse = |refused| channel.send(&Reply { refused: Some(refused), note: None }, None);
    let mut luggage = match prepare(args) {
        Ok(luggage) => luggage,
        Err(refused) => {
            refuse(refused)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    channel.send(&Reply::default(), None)?;
    let mut kept = None;
    while let Some((order, gift)) = channel.receive::<Order>()? {
        drop(kept.take());
        match attempt(&order, gift, &mut luggage) {
            Ok(done) => {
                kept = done.kept;
                channel.send(&Reply { refused: None, note: done.note }, None)?;
            }
            Err(refused) => refuse(refused)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The namespace first, the cgroup second: the sockets in between are made where an agent's are not. The user last: it
/// may do neither.
fn prepare(args: &Args) -> Result<Luggage, Refused> {
    if let Some(path) = &args.namespace {
        let namespace = tried("open the network namespace", fs::File::open(path))?;
        tried("enter the network namespace", setns(namespace, CloneFlags::CLONE_NEWNET))?;
    }
    let made = |kind| tried("make a socket", Socket::new(Domain::IPV4, kind, None)).map(Some);
    let luggage = Luggage { tcp: made(Type::STREAM)?, udp: made(Type::DGRAM)? };
    if let Some(cgroup) = &args.cgroup {
        // "0" is the writer itself (cgroups(7)). Opened, not made: another file system would take a file of that name.
        let procs = fs::File::options().write(true).open(cgroup.join("cgroup.procs"));
        tried("join the agent's cgroup", procs.and_then(|mut procs| procs.write_all(b"0")))?;
    }
    if !args.root {
        let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        let become_nobody = || {
            setgroups(&[])?;
            setresgid(gid, gid, gid)?;
            setresuid(uid, uid, uid)
        };
        tried("become nobody", become_nobody())?;
    }
    Ok(luggage)
}

fn attempt(order: &Order, gift: Option<OwnedFd>, luggage: &mut Luggage) -> Tried {
    match order.attempt {
        Attempt::Fence | Attempt::UdpSendTo => udp::send_to(&udp::socket(order)?, order),
        Attempt::TcpConnect => tcp::connect_blocking(order),
        Attempt::TcpNonBlocking => tcp::connect(&tcp::socket(order)?, order),
        Attempt::TcpFastOpen => tcp::fast_open(order),
        Attempt::TcpBoundDevice => tcp::bound_to_device(order),
        Attempt::Mptcp => tcp::other(order, Type::STREAM, Protocol::MPTCP),
        Attempt::Sctp => tcp::other(order, Type::STREAM, Protocol::SCTP),
        Attempt::Dccp => tcp::other(order, Type::DCCP, Protocol::DCCP),
        Attempt::Listen => tcp::listen(order),
        Attempt::UdpConnected => udp::connected(order),
        Attempt::UdpSendmsg => udp::sendmsg(order),
        Attempt::UdpSendmmsg => udp::sendmmsg(order),
        Attempt::UdpSegmented => udp::segmented(order),
        Attempt::UdpFragmented => udp::fragmented(order),
        Attempt::UdpElsewhere => udp::elsewhere(order),
        Attempt::UdpBoundDevice => udp::bound_to_device(order),
        Attempt::UdpPacketInfo => udp::packet_info(order),
        Attempt::UdpLite => udp::lite(order),
        Attempt::Multicast => udp::multicast(order),
        Attempt::Broadcast => udp::broadcast(order),
        Attempt::Ping => other::echo(order, Type::DGRAM),
        Attempt::RawIcmp => other::echo(order, Type::RAW),
        Attempt::RawHeader => other::raw_header(order),
        Attempt::Packet => other::packet(order),
        Attempt::Vsock => other::vsock(),
        Attempt::InheritedTcp => tcp::connect(&there(luggage.tcp.take(), "inherit")?, order),
        Attempt::InheritedUdp => udp::send_to(&there(luggage.udp.take(), "inherit")?, order),
        Attempt::ReceivedTcp => tcp::connect(&there(gift.map(Socket::from), "receive")?, order),
        Attempt::ReceivedUdp => udp::send_to(&there(gift.map(Socket::from), "receive")?, order),
    }
}

/// A socket that was handed in, unless the kernel kept it back.
fn there(socket: Option<Socket>, call: &str) -> Result<Socket, Refused> {
    socket.ok_or_else(|| Refused { call: call.to_owned(), errno: libc::EACCES })
}

/// Names the call that failed.
fn tried<T, E: Into<io::Error>>(call: &str, result: Result<T, E>) -> Result<T, Refused> {
    result.map_err(|error| Refused::new(call, &error.into()))
}

/// A socket of the family of where it is to go.
fn socket(to: SocketAddr, kind: Type, protocol: Option<Protocol>) -> Result<Socket, Refused> {
    tried("socket", Socket::new(Domain::for_address(to), kind, protocol))
}
