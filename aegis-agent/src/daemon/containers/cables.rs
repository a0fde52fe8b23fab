//! The host's ends of the cables into agents' namespaces are guarded, whether Aegis can listen there or not: what an agent
//! that is root inside says past its sockets does not come out.
//!
//! A guard stays as long as its interface is there. Root inside can move its end on to a namespace that nobody has seen
//! yet; and who is no agent passes a guard unhindered.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;

use nix::net::if_::if_indextoname;

use crate::kernel::{Kernel, cables_into};
use crate::namespaces::{Entry, Handle, NamespaceId};

/// What is guarded.
#[derive(Default)]
pub struct Cables {
    guarded: BTreeSet<u32>,
    /// Complained of.
    refused: BTreeSet<u32>,
}

impl Cables {
    /// Guards what leads into these namespaces. Called by a thread in the host's own.
    pub fn keep<'a>(&mut self, kernel: &Kernel, served: impl Iterator<Item = &'a Entry>, others: &[Handle]) {
        let served = served.map(|entry| (entry.served.inside.id(), entry.served.inside.run_blocking(Handle::current)));
        for (id, handle) in served {
            match handle.and_then(|handle| handle) {
                Ok(handle) => self.guard_all(kernel, &handle),
                Err(error) => untold(id, &error),
            }
        }
        for handle in others {
            self.guard_all(kernel, handle);
        }
        // Those of an earlier daemon too.
        let pinned = kernel.guarded_links().unwrap_or_default();
        let all: BTreeSet<u32> = self.guarded.iter().copied().chain(pinned).collect();
        for ifindex in all.into_iter().filter(|ifindex| if_indextoname(*ifindex).is_err()) {
            kernel.unguard_link(ifindex);
            self.guarded.remove(&ifindex);
            self.refused.remove(&ifindex);
        }
    }

    fn guard_all(&mut self, kernel: &Kernel, namespace: &Handle) {
        match cables_into(namespace.as_fd()) {
            Ok(cables) => cables.into_iter().for_each(|ifindex| self.guard(kernel, namespace.id(), ifindex)),
            Err(error) => untold(namespace.id(), &error),
        }
    }

    fn guard(&mut self, kernel: &Kernel, id: NamespaceId, ifindex: u32) {
        // Each time anew: it may have been taken off, and a repetition is harmless.
        match kernel.guard_link(ifindex) {
            Ok(()) if self.guarded.insert(ifindex) => {
                tracing::info!(inode = id.inode(), ifindex, "the host's end of a cable into a namespace is guarded");
            }
            Ok(()) => {}
            Err(error) if self.refused.insert(ifindex) => {
                tracing::warn!(inode = id.inode(), ifindex, %error, "frames of agents that are root there can come out");
            }
            Err(_) => {}
        }
    }
}

fn untold(id: NamespaceId, error: &io::Error) {
    tracing::warn!(inode = id.inode(), %error, "the host's interfaces cannot be asked where they lead");
}
