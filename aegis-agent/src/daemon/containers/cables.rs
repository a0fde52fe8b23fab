//! The host's ends of the cables into served namespaces are guarded: what an agent that is root inside says past its
//! sockets does not come out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use crate::kernel::{Kernel, cables_into};
use crate::namespaces::{Entry, NamespaceId};

/// What is guarded, by its namespace.
#[derive(Default)]
pub struct Cables {
    guarded: BTreeMap<NamespaceId, BTreeSet<u32>>,
    /// Complained of.
    refused: BTreeSet<u32>,
}

impl Cables {
    /// Guards what leads into these namespaces, and lets go of what does no more. Called by a thread in the host's own.
    pub fn keep(&mut self, kernel: &Kernel, served: &BTreeMap<NamespaceId, Entry>) {
        let mut found = BTreeMap::new();
        for (id, entry) in served {
            match into(entry) {
                Ok(cables) => drop(found.insert(*id, cables.into_iter().collect::<BTreeSet<u32>>())),
                // What is guarded stays so.
                Err(error) => {
                    tracing::warn!(inode = id.inode(), %error, "the host's interfaces cannot be asked where they lead");
                    found.insert(*id, self.guarded.get(id).cloned().unwrap_or_default());
                }
            }
        }
        let wanted: BTreeSet<u32> = found.values().flatten().copied().collect();
        // Those of an earlier daemon too.
        let pinned = kernel.guarded_links().unwrap_or_default();
        for ifindex in self.guarded.values().flatten().copied().chain(pinned).filter(|found| !wanted.contains(found)) {
            kernel.unguard_link(ifindex);
        }
        self.refused.retain(|ifindex| wanted.contains(ifindex));
        for (id, cables) in &mut found {
            let known = self.guarded.remove(id).unwrap_or_default();
            cables.retain(|ifindex| known.contains(ifindex) || self.guard(kernel, *id, *ifindex));
        }
        self.guarded = found;
    }

    fn guard(&mut self, kernel: &Kernel, id: NamespaceId, ifindex: u32) -> bool {
        match kernel.guard_link(ifindex) {
            Ok(()) => {
                tracing::info!(inode = id.inode(), ifindex, "the host's end of a cable into a namespace is guarded");
                true
            }
            Err(error) => {
                if self.refused.insert(ifindex) {
                    tracing::warn!(inode = id.inode(), ifindex, %error, "frames of agents that are root there can come out");
                }
                false
            }
        }
    }
}

fn into(entry: &Entry) -> io::Result<Vec<u32>> {
    let namespace = entry.served.inside.run_blocking(|| File::open("/proc/thread-self/ns/net"))??;
    cables_into(namespace.as_fd())
}
