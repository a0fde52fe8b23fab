//! One vector: first outside of the agent's cgroup, where it must work, then inside, where nothing may come out.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use aegis_api::{Actor, VectorResult, Verdict};
use nix::errno::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::channel::{Order, Refused, Reply};
use super::crew::{Crew, Probe};
use super::packet;
use super::sink::Sink;
use super::vectors::{Attempt, Vector};
use crate::failure::Failure;

/// Port of fences (RFC 863).
const DISCARD: u16 = 9;
/// From where the sink connects to a probe, and to which of its ports.
const INBOUND_FROM: u16 = 40_000;
const INBOUND_TO: u16 = 8443;

/// The errors with which something is refused, by whom or whatever. Another failure means that it was not tried.
const REFUSALS: [Errno; 9] = [
    Errno::EPERM,
    Errno::EACCES,
    Errno::ECONNREFUSED,
    Errno::ECONNRESET,
    Errno::EPIPE,
    Errno::ENETUNREACH,
    Errno::EHOSTUNREACH,
    Errno::ETIMEDOUT,
    Errno::ENOTCONN,
];

/// Everything that a run needs.
pub struct Trial {
    sink: Sink,
    crew: Crew,
    /// What the kernel has without loading a module.
    protocols: String,
    /// Takes connections of the one family that no interface sees.
    vsock: Option<Socket>,
    fences: u64,
    deadline: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Outside,
    Inside,
}

/// An attempt and what came of it.
struct Tried {
    reply: Reply,
    seen: bool,
}

impl Trial {
    /// Makes sink and probes.
    pub fn prepare(cgroup: &Path, private: bool, deadline: Instant) -> Result<Self, Failure> {
        let sink = Sink::open(private)?;
        let crew = Crew::start(&sink, cgroup, deadline)?;
        let protocols = fs::read_to_string("/proc/net/protocols")?;
        let vsock = protocols.contains("VSOCK").then(listen_vsock).flatten();
        Ok(Self { sink, crew, protocols, vsock, fences: 0, deadline })
    }

    /// Tries a way out.
    pub fn run(&mut self, vector: &Vector, number: u8) -> Result<VectorResult, Failure> {
        let (verdict, detail) = self.judge(vector, number)?;
        Ok(VectorResult { name: vector.name.to_owned(), actor: vector.actor, verdict, detail })
    }

    fn judge(&mut self, vector: &Vector, number: u8) -> Result<(Verdict, String), Failure> {
        let missing = vector.protocol.is_some_and(|name| !self.has(name));
        // Without a loopback the attempt would go to the hypervisor.
        if missing || vector.attempt == Attempt::Vsock && self.vsock.is_none() {
            return Ok((Verdict::Na, "not loaded in the kernel, and no module is loaded to try it".to_owned()));
        }
        let control = self.attempt(vector, number, Side::Outside)?;
        if !control.seen {
            return Ok((
                Verdict::Na,
                format!("does not work here without Aegis either ({})", describe(&control.reply)),
            ));
        }
        let attack = self.attempt(vector, number, Side::Inside)?;
        let how = describe(&attack.reply);
        Ok(match (attack.seen, vector.deployment, attack.reply.refused) {
            (true, Some(fix), _) => (Verdict::Deployment, fix.to_owned()),
            (true, None, None) => (Verdict::Leaked, "it came out".to_owned()),
            (true, None, Some(refused)) => (Verdict::Leaked, format!("it came out all the same ({refused})")),
            (false, _, Some(refused)) if !REFUSALS.contains(&refused.errno()) => {
                (Verdict::Na, format!("it failed before it was tried ({how})"))
            }
            (false, ..) => (Verdict::Held, how),
        })
    }

    fn has(&self, protocol: &str) -> bool {
        self.protocols.lines().any(|line| line.split_whitespace().next() == Some(protocol))
    }

    fn attempt(&mut self, vector: &Vector, number: u8, side: Side) -> Result<Tried, Failure> {
        let marker = format!("aegis-verify {:016x} {number:03} {}", self.sink.range.marker, side == Side::Inside);
        let mut order = Order {
            attempt: vector.attempt,
            to: vector.to(&self.sink.range, number),
            from: vector.from(&self.sink.range),
            device: self.sink.interface.clone(),
            marker,
        };
        let outside = order.to;
        if vector.attempt == Attempt::Listen {
            order.from.set_port(INBOUND_TO);
        }
        let gift = self.gift(vector.attempt)?;
        let deadline = self.deadline;
        let reply = self.probe(vector, side).tries(&order, gift, deadline)?;
        if vector.attempt == Attempt::Listen && reply.refused.is_none() {
            let from = SocketAddr::new(outside.ip(), INBOUND_FROM);
            if let Some(syn) = packet::syn(from, order.from) {
                self.sink.inject(&syn).map_err(|error| Failure::No(format!("the sink cannot send: {error}")))?;
            }
        }
        let seen = self.look(&order)?;
        Ok(Tried { reply, seen })
    }

    fn probe(&mut self, vector: &Vector, side: Side) -> &mut Probe {
        match (side, vector.actor, vector.in_child) {
            (Side::Outside, Actor::User, _) => &mut self.crew.outside,
            (Side::Outside, Actor::Root, _) => &mut self.crew.outside_root,
            (Side::Inside, _, true) => &mut self.crew.in_child,
            (Side::Inside, Actor::User, _) => &mut self.crew.inside,
            (Side::Inside, Actor::Root, _) => &mut self.crew.inside_root,
        }
    }

    fn gift(&mut self, attempt: Attempt) -> Result<Option<OwnedFd>, Failure> {
        let failed = |error: std::io::Error| Failure::No(format!("there is no socket to hand over: {error}"));
        Ok(match attempt {
            Attempt::ReceivedTcp => Some(self.sink.take_stranger(Type::STREAM).map_err(failed)?),
            Attempt::ReceivedUdp => Some(self.sink.take_stranger(Type::DGRAM).map_err(failed)?),
            _ => None,
        })
    }

    /// Whether something of the attempt came out. A datagram from outside of the agent's cgroup closes the observation:
    /// when that is here, all that was sent before is.
    fn look(&mut self, order: &Order) -> Result<bool, Failure> {
        self.fences += 1;
        let marker = format!("aegis-verify fence {:016x} {:06}.", self.sink.range.marker, self.fences);
        let to = SocketAddr::new(self.sink.range.fence().into(), DISCARD);
        let from = SocketAddr::new(self.sink.range.own_v4().into(), 0);
        let device = order.device.clone();
        let fence = Order { attempt: Attempt::Fence, to, from, device, marker: marker.clone() };
        if let Some(refused) = self.crew.outside.tries(&fence, None, self.deadline)?.refused {
            return Err(Failure::No(format!(
                "not even a datagram from outside of the agent's cgroup gets out ({refused})\n  next: run aegisctl outside of every agent's cgroup; where a firewall drops it: aegisctl verify --private"
            )));
        }
        let packets = self.sink.packets(self.deadline, |packet| packet::contains(packet, marker.as_bytes()))?;
        let came = packets.iter().any(|packet| self.belongs(order, packet));
        Ok(came || self.called())
    }

    /// In a namespace of the run's own nobody else says anything; elsewhere the host's own programs may. A packet to a
    /// loopback address is never theirs: it is one of ours that was redirected, and left all the same.
    fn belongs(&self, order: &Order, packet: &[u8]) -> bool {
        let to = packet::destination(packet);
        let own = to.is_some_and(|to| to == order.to.ip().to_canonical() || to.is_loopback());
        own || packet::contains(packet, order.marker.as_bytes())
            || self.sink.private() && !packet::is_housekeeping(packet)
    }

    /// Whether somebody connected by vsock.
    fn called(&self) -> bool {
        self.vsock.as_ref().is_some_and(|listener| listener.accept().is_ok())
    }
}

/// A way that need not be tried.
pub fn not_tried(vector: &Vector, reason: &str) -> VectorResult {
    let (name, detail) = (vector.name.to_owned(), reason.to_owned());
    VectorResult { name, actor: vector.actor, verdict: Verdict::Na, detail }
}

/// A listener for the loopback of the family, where the kernel has that.
fn listen_vsock() -> Option<Socket> {
    let socket = Socket::new(Domain::VSOCK, Type::STREAM, None).ok()?;
    socket.bind(&SockAddr::vsock(libc::VMADDR_CID_LOCAL, super::probe::VSOCK_PORT)).ok()?;
    socket.listen(8).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

fn describe(reply: &Reply) -> String {
    match (&reply.refused, &reply.note) {
        (Some(refused), _) => Refused::to_string(refused),
        (None, Some(note)) => note.clone(),
        (None, None) => "nothing came out, without an error".to_owned(),
    }
}
