//! Network namespaces as the kernel programs name them.

use std::{io, os::fd::AsFd};

use socket2::{Domain, Socket, Type};

use super::syscall;

/// The kernel's number for a network namespace (Linux 5.14, SO_NETNS_COOKIE): never given to another one, unlike an
/// inode. Programs see it of each socket, and every socket tells its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetnsCookie(u64);

impl NetnsCookie {
    #[must_use]
    pub const fn new(cookie: u64) -> Self {
        Self(cookie)
    }

    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Of the namespace that `socket` was made in.
    ///
    /// # Errors
    /// When the kernel is too old to tell.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        syscall::netns_cookie(socket.as_fd()).map(Self)
    }

    /// Of the calling thread's namespace.
    ///
    /// # Errors
    /// When the kernel is too old to tell, or no socket can be made.
    pub fn current() -> io::Result<Self> {
        Self::of(&Socket::new(Domain::IPV4, Type::DGRAM, None)?)
    }
}
