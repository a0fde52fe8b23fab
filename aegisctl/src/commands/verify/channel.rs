//! What aegisctl and its probes say to each other: one message a packet on a socket pair, an order with at most one socket
//! beside it, a reply without.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, recvmsg, sendmsg,
    socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::vectors::Attempt;

/// Longest message in bytes.
const MESSAGE_MAX: usize = 4096;

/// What to try.
#[derive(Debug, Deserialize, Serialize)]
pub struct Order {
    pub attempt: Attempt,
    /// Where to.
    pub to: SocketAddr,
    /// The probe's own address of the same kind, on the sink's interface.
    pub from: SocketAddr,
    /// The sink's interface.
    pub device: String,
    /// What the sink looks for.
    pub marker: String,
}

/// How it went, as the one that tried sees it. The verdict does not rest on it: the sink has the last word.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Reply {
    /// The call that failed.
    pub refused: Option<Refused>,
    /// What came back.
    pub note: Option<String>,
}

/// A call that failed.
#[derive(Debug, Deserialize, Serialize)]
pub struct Refused {
    pub call: String,
    pub errno: i32,
}

impl Refused {
    /// `call` failed with `error`.
    pub fn new(call: &str, error: &io::Error) -> Self {
        Self { call: call.to_owned(), errno: error.raw_os_error().unwrap_or(0) }
    }

    /// The error's number by name.
    pub fn errno(&self) -> Errno {
        Errno::from_raw(self.errno)
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.call, self.errno())
    }
}

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Both ends; closed on exec.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Self(one), other))
    }

    /// The end that a probe has as its standard input.
    pub fn of_probe() -> io::Result<Self> {
        io::stdin().as_fd().try_clone_to_owned().map(Self)
    }

    /// Sends a message, and a socket with it.
    pub fn send<T: Serialize>(&self, message: &T, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let descriptors: Vec<i32> = socket.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let control = if descriptors.is_empty() { &[][..] } else { &rights };
        // Without the flag a probe that was killed would take us with it.
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<UnixAddr>(self.0.as_raw_fd(), &[IoSlice::new(&bytes)], control, flags, None)?;
        Ok(())
    }

    /// The next message and the socket that came with it; none when the other end is closed. Blocks.
    pub fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Option<OwnedFd>)>> {
        let mut bytes = [0; MESSAGE_MAX];
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
        let (length, descriptor) = {
            let mut slices = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let message = recvmsg::<UnixAddr>(self.0.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
            // A truncated list of rights (an LSM refused the socket) is one that did not come.
            let rights = message.cmsgs().into_iter().flatten().find_map(|control| match control {
                ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
                _ => None,
            });
            (message.bytes, rights)
        };
        if length == 0 {
            return Ok(None);
        }
        let message = serde_json::from_slice(bytes.get(..length).unwrap_or_default())?;
        Ok(Some((message, descriptor.map(owned))))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[allow(unsafe_code)] // Ownership of a descriptor that the kernel has just made for us.
fn owned(descriptor: i32) -> OwnedFd {
    // SAFETY: received a moment ago, and nobody else knows it.
    unsafe { std::os::fd::FromRawFd::from_raw_fd(descriptor) }
}
