//! The sockets of one process, shared by its threads; and the way in which processes hand each other theirs.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Mutex, MutexGuard};

use fastrand::Rng;

const MOST: usize = 48;

/// A bounded table. Numbers are handed out, not owners: that another thread closes or replaces a socket in use is wanted.
#[derive(Default)]
pub struct Sockets(Mutex<Vec<OwnedFd>>);

impl Sockets {
    /// Takes a socket in; for it an old one goes where there are too many.
    pub fn add(&self, socket: OwnedFd, dice: &mut Rng) {
        let mut sockets = self.lock();
        if sockets.len() >= MOST {
            let oldest = dice.usize(..MOST / 2);
            sockets.remove(oldest);
        }
        sockets.push(socket);
    }

    /// One of them, often the newest: what is interesting takes several calls on one socket.
    pub fn any(&self, dice: &mut Rng) -> Option<RawFd> {
        let sockets = self.lock();
        let newest = sockets.len().checked_sub(1)?;
        let place = if dice.bool() { newest } else { dice.usize(..=newest) };
        sockets.get(place).map(AsRawFd::as_raw_fd)
    }

    /// Takes one out; it is closed with its owner.
    pub fn remove(&self, dice: &mut Rng) -> Option<OwnedFd> {
        let mut sockets = self.lock();
        (!sockets.is_empty()).then(|| {
            let place = dice.usize(..sockets.len());
            sockets.remove(place)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OwnedFd>> {
        self.0.lock().unwrap()
    }
}

/// A socket pair that all processes have: what one passes in, any takes out.
pub struct Exchange {
    pub inlet: UnixDatagram,
    pub outlet: UnixDatagram,
}

impl Exchange {
    pub fn new() -> io::Result<Exchange> {
        let (inlet, outlet) = UnixDatagram::pair()?;
        inlet.set_nonblocking(true)?;
        outlet.set_nonblocking(true)?;
        Ok(Exchange { inlet, outlet })
    }
}
