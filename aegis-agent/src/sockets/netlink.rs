//! A conversation with the kernel about the sockets of one network namespace.

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol as SocketProtocol, Type};

use super::diag::{self, Family, Socket};
use crate::kernel::Protocol;

/// The kernel answers with datagrams of at most 32 KiB.
const BUFFER: usize = 64 * 1024;
/// A kernel that does not answer at all must not hold us up for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// A sock_diag socket; it speaks of the namespace that it was made in, whoever uses it.
pub struct Diag {
    socket: socket2::Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Diag {
    /// For the namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel has no sock_diag.
    pub fn here() -> io::Result<Self> {
        let (domain, protocol) = (Domain::from(libc::AF_NETLINK), SocketProtocol::from(libc::NETLINK_SOCK_DIAG));
        let socket = socket2::Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// For the namespace that `namespace` is a handle of, made by a thread that goes there and ends.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn inside(namespace: File) -> io::Result<Self> {
        let enter = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            Self::here()
        };
        let thread = std::thread::Builder::new().name("sock-diag".to_owned()).spawn(enter)?;
        thread.join().map_err(|_| io::Error::other("the thread in the namespace broke off"))?
    }

    /// The TCP and UDP sockets that `wanted` holds for.
    ///
    /// # Errors
    /// When the kernel does not answer, or not as it should.
    pub fn sockets(&mut self, wanted: impl Fn(&Socket) -> bool) -> io::Result<Vec<Socket>> {
        let mut found = Vec::new();
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for family in [Family::V4, Family::V6] {
                self.sequence = self.sequence.wrapping_add(1);
                let request = diag::dump(family, protocol, self.sequence);
                self.exchange(&request, protocol, |socket| found.extend(Some(socket).filter(|socket| wanted(socket))))?;
            }
        }
        Ok(found)
    }

    /// Ends `socket`: TCP is reset, UDP loses its peer. False where it is gone already.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn destroy(&mut self, socket: &Socket) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = diag::destroy(socket, self.sequence);
        match self.exchange(&request, socket.protocol, drop) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESTALE)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn exchange(&mut self, request: &[u8], protocol: Protocol, mut take: impl FnMut(Socket)) -> io::Result<()> {
        self.socket.write_all(request)?;
        loop {
            let length = match self.socket.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                length => length?,
            };
            let answer = diag::read(self.buffer.get(..length).unwrap_or_default(), protocol, self.sequence)?;
            answer.sockets.into_iter().for_each(&mut take);
            if answer.done {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;

    use super::*;

    fn inode(socket: &impl AsFd) -> u64 {
        rustix::fs::fstat(socket).unwrap().st_ino
    }

    #[test]
    fn sockets_of_this_process_are_found_and_one_of_them_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut doomed, mut kept) = (TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap());
        let udp = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0")).unwrap();
        let inodes = [inode(&listener), inode(&doomed), inode(&kept), inode(&udp)];
        let mut diag = Diag::here().unwrap();
        let found = diag.sockets(|socket| inodes.contains(&socket.inode)).unwrap();
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.iter().all(|socket| socket.cgroup.is_some()), "{found:?}");
        let target = found.iter().find(|socket| socket.inode == inode(&doomed)).unwrap();
        assert_eq!((target.remote, target.local), (address, doomed.local_addr().unwrap()));

        // Needs CAP_NET_ADMIN, as the daemon does.
        assert!(diag.destroy(target).unwrap());
        let error = doomed.write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        kept.write_all(b"x").unwrap();
        assert!(!diag.destroy(target).unwrap(), "what is gone cannot be ended again");
    }
}
