//! Who is at the other end of a connection, as the kernel tells it.

// Two socket facts have no safe wrapper: SO_PEERGROUPS and pidfd_open(2).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::UnixStream;

/// Most groups a process can have (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;

/// The credentials that a peer had when it connected.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) pid: i32,
    gid: u32,
    groups: Arc<[u32]>,
    handle: Arc<OwnedFd>,
}

impl Peer {
    /// Reads them.
    ///
    /// # Errors
    /// When the peer is gone already or lives in a pid namespace that is not below the daemon's: neither can be
    /// attributed, so neither is served.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = getsockopt(stream, sockopt::PeerCredentials)?;
        let pid = credentials.pid();
        if pid <= 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the peer is not visible in the daemon's pid namespace",
            ));
        }
        Ok(Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid,
            groups: groups(stream)?.into(),
            handle: Arc::new(pidfd(stream, pid)?),
        })
    }

    /// Root, or a member of the administrators' group.
    pub(super) fn may_administrate(&self, group: Option<u32>) -> bool {
        self.uid == 0 || group.is_some_and(|group| self.gid == group || self.groups.contains(&group))
    }

    /// The process that connected, as a pidfd.
    pub(super) fn process(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Does the process that connected still live? While it does, its pid names no other process.
    pub(super) fn lives(&self) -> bool {
        let mut fds = [PollFd::new(self.handle.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
    }
}

/// A handle on the process that connected. `SO_PEERPIDFD` (Linux 6.5) names exactly it. Before that the handle is opened
/// by pid right after accept: the pid could only name another process if the peer died and its pid came round within
/// that moment.
fn pidfd(stream: &UnixStream, pid: i32) -> io::Result<OwnedFd> {
    match getsockopt(stream, sockopt::PeerPidfd) {
        Ok(handle) => Ok(handle),
        Err(nix::errno::Errno::ENOPROTOOPT) => pidfd_open(pid),
        Err(error) => Err(error.into()),
    }
}

fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes two integers, returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).map_err(|_| io::Error::other("pidfd_open answered with no descriptor"))?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn groups(stream: &UnixStream) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; 64];
    loop {
        match read_groups(stream, &mut groups)? {
            Some(count) => {
                groups.truncate(count);
                return Ok(groups);
            }
            None if groups.len() < GROUPS_MAX => groups.resize(GROUPS_MAX, 0),
            None => {
                return Err(io::Error::other("the peer has more groups than the kernel allows"));
            }
        }
    }
}

/// Number of groups that were written, or none if `buffer` is too short.
fn read_groups(stream: &UnixStream, buffer: &mut [u32]) -> io::Result<Option<usize>> {
    let mut bytes = libc::socklen_t::try_from(size_of_val(buffer)).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `bytes` bytes into `buffer`, which is that long, and the length into `bytes`.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            buffer.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if result == 0 {
        return Ok(Some(usize::try_from(bytes).map_err(io::Error::other)? / size_of::<u32>()));
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ERANGE) { Ok(None) } else { Err(error) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_peer_of_a_pair_is_this_process() {
        let (here, _there) = UnixStream::pair().unwrap();
        let peer = Peer::of(&here).unwrap();
        assert_eq!(peer.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(peer.pid, std::process::id().cast_signed());
        assert!(peer.lives());
    }

    #[test]
    fn a_handle_by_pid_tells_the_end_of_the_process() {
        // The way for kernels without SO_PEERPIDFD.
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let handle = pidfd_open(child.id().cast_signed()).unwrap();
        let peer = Peer { uid: 0, pid: 0, gid: 0, groups: Arc::new([]), handle: Arc::new(handle) };
        assert!(peer.lives());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!peer.lives());
    }
}
