//! The interface that agents are sent over.

use std::io;

use socket2::Socket;

/// Keeps what a listening socket answers on this host, whatever address it was asked from. An agent may find a way to
/// send from an address that is not the host's, and the answer (a SYN-ACK is enough) would leave for that address.
///
/// # Errors
/// When the network namespace has no interface `lo`.
pub fn only(socket: &Socket) -> io::Result<()> {
    socket.bind_device(Some(b"lo"))
}
