//! The sink: an interface of Aegis' own that sees what leaves, and the network namespace that it stands in.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Socket, Type};

use super::interface;
use super::range::Range;
use crate::failure::Failure;

/// Set by SIGINT and SIGTERM: what waits gives up, so that what was made is taken away in order.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How often a wait looks whether it was interrupted, in milliseconds.
const LOOK: u8 = 50;

/// The interface, open.
pub struct Sink {
    pub range: Range,
    pub interface: String,
    tun: File,
    /// None: the namespace that aegisctl runs in.
    namespace: Option<OwnedFd>,
    strangers: Vec<Socket>,
    frame: Vec<u8>,
}

impl Sink {
    /// Makes the interface: in the namespace of the caller, or in a private one.
    pub fn open(private: bool) -> Result<Self, Failure> {
        let range = Range::draw()?;
        let interface = format!("aegis-vfy{}", std::process::id() % 100_000);
        let name = interface.clone();
        // A namespace belongs to a thread; this one's goes on living by its descriptor.
        let made = std::thread::spawn(move || make(&range, &name, private)).join();
        let (tun, namespace, strangers) = made.map_err(|_| Failure::No("the sink could not be made".to_owned()))??;
        Ok(Self { range, interface, tun, namespace, strangers, frame: vec![0; 65_536] })
    }

    /// Whether the namespace is the run's own.
    pub fn private(&self) -> bool {
        self.namespace.is_some()
    }

    /// Where a probe finds the namespace.
    pub fn namespace(&self) -> Option<PathBuf> {
        let namespace = self.namespace.as_ref()?;
        Some(PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd())))
    }

    /// A socket that was made in the sink's namespace and outside of every agent's cgroup; each is given once.
    pub fn take_stranger(&mut self, kind: Type) -> io::Result<OwnedFd> {
        let found = self.strangers.iter().position(|socket| socket.r#type().is_ok_and(|own| own == kind));
        let index = found.ok_or(ErrorKind::NotFound)?;
        Ok(self.strangers.swap_remove(index).into())
    }

    /// Lets a packet come in from outside.
    pub fn inject(&mut self, packet: &[u8]) -> io::Result<()> {
        self.tun.write_all(packet)
    }

    /// What has left, up to the packet for which `last` holds.
    pub fn packets(&mut self, deadline: Instant, last: impl Fn(&[u8]) -> bool) -> Result<Vec<Vec<u8>>, Failure> {
        let mut packets = Vec::new();
        loop {
            match self.tun.read(&mut self.frame) {
                Ok(length) => {
                    let packet = self.frame.get(..length).unwrap_or_default();
                    if last(packet) {
                        return Ok(packets);
                    }
                    packets.push(packet.to_vec());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait(self.tun.as_fd(), deadline)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::No(format!("the sink cannot be read: {error}"))),
            }
        }
    }
}

/// Waits until there is something to read, until the deadline or an interruption.
pub fn wait(descriptor: std::os::fd::BorrowedFd<'_>, deadline: Instant) -> Result<(), Failure> {
    loop {
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Err(Failure::No("interrupted; nothing was reported".to_owned()));
        }
        if Instant::now() >= deadline {
            return Err(Failure::No("out of time; nothing was reported\n  next: raise --timeout".to_owned()));
        }
        match poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], PollTimeout::from(LOOK)) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(Failure::No(format!("cannot wait: {error}"))),
        }
    }
}

type Made = (File, Option<OwnedFd>, Vec<Socket>);

fn make(range: &Range, name: &str, private: bool) -> Result<Made, Failure> {
    let failed = |step: &'static str, fix: &'static str| {
        move |error: io::Error| Failure::No(format!("cannot {step}: {error}\n  next: {fix}"))
    };
    let namespace = if private {
        let apart = || -> io::Result<OwnedFd> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            interface::bring_up("lo")?;
            // Ping sockets are for a group of the administrator's; here for everybody, or they could not be tried.
            fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")?;
            Ok(File::open("/proc/thread-self/ns/net")?.into())
        };
        Some(apart().map_err(failed("make a network namespace", "run it as root (sudo)"))?)
    } else {
        range.refuse_if_routed()?;
        None
    };
    let tun = interface::open(name).map_err(failed("make a TUN interface", "run it as root (sudo); modprobe tun"))?;
    let set = || -> io::Result<()> {
        interface::set_address_v4(name, range.own_v4(), std::net::Ipv4Addr::new(255, 255, 255, 0))?;
        interface::bring_up(name)?;
        // A machine without IPv6 has no IPv6 to try either.
        let _ = interface::set_address_v6(name, range.own_v6(), 64);
        let flags = OFlag::from_bits_truncate(fcntl(&tun, FcntlArg::F_GETFL)?);
        fcntl(&tun, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(())
    };
    set().map_err(failed("set up the TUN interface", "run it as root (sudo)"))?;
    // For the attempt outside and the one inside, of each kind one.
    let kinds = [Type::STREAM, Type::DGRAM, Type::STREAM, Type::DGRAM];
    let strangers = kinds.into_iter().map(|kind| Socket::new(Domain::IPV4, kind, None)).collect::<io::Result<_>>();
    let strangers = strangers.map_err(failed("make sockets", "run aegisctl outside of every agent's cgroup"))?;
    Ok((tun, namespace, strangers))
}
