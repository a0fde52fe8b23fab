//! The programs' notes on sockets, by descriptor: whose agent's a socket is, however it came to who holds it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aegis_common::{SocketState, map_name};

use super::{AgentIndex, Kernel, KernelError, pins::Pins, syscall};

/// The storage that the notes are in.
pub(super) struct SocketNotes(OwnedFd);

impl SocketNotes {
    pub(super) fn open(pins: &Pins) -> Result<Self, KernelError> {
        let notes = syscall::obj_get(&pins.map(map_name::SOCKETS));
        notes.map(Self).map_err(KernelError::io("open the notes on sockets"))
    }
}

impl Kernel {
    /// The agent that made the socket behind `socket`; of an accepted one, the agent that made its listener. `None` where no
    /// agent did under the hooks: then they do not hold it.
    ///
    /// # Errors
    /// When the descriptor is no socket's, or the kernel refuses.
    pub fn socket_owner(&self, socket: BorrowedFd<'_>) -> io::Result<Option<AgentIndex>> {
        let note: Option<SocketState> = syscall::noted(self.socket_notes.0.as_fd(), socket)?;
        Ok(note.and_then(|note| AgentIndex::new(note.agent)))
    }
}
