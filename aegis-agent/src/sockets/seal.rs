//! A socket that no hook holds must not be used again. `SOCK_DESTROY` alone leaves it in its holder's hands: UDP only loses
//! its peer, and TCP can be connected anew.

use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{SockFilter, SockRef};

use super::holders::Holder;
use super::syscall::{self, lock_filter};

/// Makes the socket useless for good, through a duplicate of its holder's descriptor: UDP cannot send any more, TCP gets no
/// answer to a handshake, and the way out is the loopback device.
///
/// # Errors
/// When the descriptor cannot be had (the holder is gone, or has closed it), or the socket is another one by now.
pub fn seal(holder: &Holder, inode: u64) -> io::Result<()> {
    let socket = duplicate(holder, inode)?;
    let socket_ref = SockRef::from(&socket);
    // Not every socket takes each of these: one with a locked filter of its own keeps it, and is shut all the same.
    let nothing = [SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0)];
    let deaf = socket_ref.attach_filter(&nothing).and_then(|()| lock_filter(socket.as_fd()));
    let confined = socket_ref.bind_device(Some(b"lo"));
    match socket_ref.shutdown(Shutdown::Both) {
        // Said of every socket without a peer, after it has been shut.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
        other => other?,
    }
    deaf.or(confined)
}

/// The network namespace that the socket belongs to, by its inode, and a handle of it.
///
/// # Errors
/// When the kernel does not tell.
pub fn namespace(socket: BorrowedFd<'_>) -> io::Result<(u64, File)> {
    let namespace = syscall::namespace(socket)?;
    Ok((rustix::fs::fstat(&namespace)?.st_ino, File::from(namespace)))
}

/// Whether an error of [`seal`] or [`duplicate`] says that the holder is gone, or has closed the socket.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || matches!(error.raw_os_error(), Some(libc::ESRCH | libc::EBADF))
}

/// A descriptor of our own for a socket in another process' hands.
///
/// # Errors
/// When the holder's cannot be had, or is another socket's by now.
pub fn duplicate(holder: &Holder, inode: u64) -> io::Result<OwnedFd> {
    let pid = |id: u32| i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput);
    // A thread may have files of its own; pidfds of threads are there since Linux 6.9.
    let of_thread = PidfdFlags::from_bits_retain(libc::O_EXCL.cast_unsigned());
    let flags = if holder.task == holder.pid { PidfdFlags::empty() } else { of_thread };
    let process = pidfd_open(pid(holder.task)?, flags)?;
    let socket = pidfd_getfd(process, holder.descriptor, PidfdGetfdFlags::empty())?;
    match rustix::fs::fstat(&socket)?.st_ino == inode {
        true => Ok(socket),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsRawFd;

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn own(socket: &(impl AsRawFd + AsFd)) -> (Holder, u64) {
        let pid = std::process::id();
        (Holder { pid, task: pid, descriptor: socket.as_raw_fd() }, rustix::fs::fstat(socket).unwrap().st_ino)
    }

    #[test]
    fn a_sealed_udp_socket_sends_nothing_more() {
        let (socket, target) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let to = target.local_addr().unwrap();
        socket.send_to(b"before", to).unwrap();
        let (holder, inode) = own(&socket);
        seal(&holder, inode).unwrap();
        assert_eq!(socket.send_to(b"after", to).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        socket.connect(to).unwrap();
        assert!(socket.send(b"after").is_err(), "nor after it was connected");
    }

    #[test]
    fn a_sealed_tcp_socket_connects_to_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let (holder, inode) = own(&socket);
        seal(&holder, inode).unwrap();
        let limit = std::time::Duration::from_millis(300);
        assert!(socket.connect_timeout(&listener.local_addr().unwrap().into(), limit).is_err());
        let detach = SockRef::from(&socket).detach_filter();
        assert!(detach.is_err(), "and nobody can undo it");
    }

    #[test]
    fn another_socket_at_the_same_place_is_left_alone() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (holder, inode) = own(&socket);
        assert_eq!(seal(&holder, inode + 1).unwrap_err().kind(), io::ErrorKind::NotFound);
        socket.send_to(b"still", socket.local_addr().unwrap()).unwrap();
    }
}
