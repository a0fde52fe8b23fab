//! Held sockets that no list has: neither bound nor connected yet, of a protocol or family that is not listed, or of a
//! namespace that none of the agents is in.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use socket2::{Domain, SockRef};

use super::{Destroyed, Look, Subject};
use crate::sockets::choose::{Occasion, Why};
use crate::sockets::holders::{Holder, Kind, kind};
use crate::sockets::seal;

/// Such sockets of TCP and UDP that are asked about in one look. Each that was is settled, so that the next ones come next.
const MAX_STRAYS: usize = 4096;

impl Look<'_> {
    pub(super) fn strays(&mut self) {
        let mut left = MAX_STRAYS;
        for subject in self.subjects {
            for (inode, holder) in &subject.holdings.sockets {
                if self.listed.contains(inode) || self.known.settled(*inode) {
                    continue;
                }
                match kind(holder) {
                    Kind::Unlisted(protocol) => self.shut(subject, *inode, *holder, protocol),
                    Kind::Unseen(family) => self.give_up(subject, *inode, *holder, family),
                    Kind::Listed(protocol) if left > 0 && !self.known.idle.contains(inode) => {
                        left -= 1;
                        self.stray(subject, *inode, *holder, protocol);
                    }
                    Kind::Listed(_) | Kind::Other => {}
                }
            }
        }
    }

    /// The kernel's note tells what no list can: whether the hooks hold a socket that was not used yet.
    fn stray(&mut self, subject: &Subject, inode: u64, holder: Holder, protocol: &'static str) {
        match self.noted(&holder, inode) {
            Ok((_, true)) => _ = self.known.harmless.insert(inode),
            Ok((socket, false)) => {
                // One of a namespace that none of the agents is in may be in the list there.
                if let Ok((id, namespace)) = seal::namespace(socket.as_fd()) {
                    self.enter(id, Ok(namespace));
                }
                if !self.listed.contains(&inode) {
                    self.shut(subject, inode, holder, protocol);
                }
            }
            Err(error) if seal::is_gone(&error) => {}
            Err(error) => self.outcome.failed = Some(error),
        }
    }

    /// A socket in an agent's hands, and whether it needs no look: the hooks hold it, or it is not of IP.
    pub(super) fn noted(&self, holder: &Holder, inode: u64) -> io::Result<(OwnedFd, bool)> {
        let socket = seal::duplicate(holder, inode)?;
        let of_ip = matches!(SockRef::from(&socket).domain()?, Domain::IPV4 | Domain::IPV6);
        let noted = !of_ip || self.kernel.socket_owner(socket.as_fd())?.is_some();
        Ok((socket, noted))
    }

    /// Ends a socket that no agent made under the hooks.
    fn shut(&mut self, subject: &Subject, inode: u64, holder: Holder, protocol: &'static str) {
        let exe = holder.exe();
        let error = match seal::seal(&holder, inode) {
            Ok(()) => {
                self.sealed(inode, protocol == "tcp");
                None
            }
            Err(error) if seal::is_gone(&error) => return,
            Err(error) => Some(error.to_string()),
        };
        self.tell(subject, holder, protocol, exe, error);
    }

    /// Deafens a socket that cannot be kept from sending, and says so once.
    fn give_up(&mut self, subject: &Subject, inode: u64, holder: Holder, family: &'static str) {
        let exe = holder.exe();
        match seal::seal(&holder, inode) {
            Err(error) if seal::is_gone(&error) => return,
            Ok(()) | Err(_) => _ = self.known.sealed.insert(inode),
        }
        let error =
            "sockets of this family cannot be shut; fix: run the agent with aegisctl run, or a kernel with BPF LSM";
        self.tell(subject, holder, family, exe, Some(error.to_owned()));
    }

    /// What was sealed needs no second look, but for TCP: connected anew it is in a list again, and ends again.
    pub(super) fn sealed(&mut self, inode: u64, tcp: bool) {
        let known = if tcp { &mut self.known.idle } else { &mut self.known.sealed };
        known.insert(inode);
    }

    fn tell(&mut self, subject: &Subject, holder: Holder, protocol: &'static str, exe: String, error: Option<String>) {
        let why = if self.occasion == Occasion::Removal { Why::Removed } else { Why::Unenforced };
        let owner = Arc::clone(&subject.owner);
        self.outcome.destroyed.push(Destroyed { owner, why, protocol, peer: None, holder: Some(holder), exe, error });
    }
}
