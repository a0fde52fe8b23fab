//! Where the processes of agents are: every thread in their cgroups, and the network namespace that it is in.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::handle::{Handle, NamespaceId};
use crate::cgroups;

/// Cgroups looked into at a time. Agents can make some below their own where that was delegated to them.
const MAX_CGROUPS: usize = 16_384;

/// What one look saw.
#[derive(Debug, Default)]
pub struct Found {
    /// The namespaces of agents other than the daemon's own.
    pub namespaces: BTreeMap<NamespaceId, Sighting>,
    /// All cgroups of agents, for the watch.
    pub cgroups: Vec<PathBuf>,
    /// There were more cgroups than are looked into.
    pub cut: bool,
}

/// Who is in a namespace.
#[derive(Debug)]
pub struct Sighting {
    pub agents: BTreeSet<String>,
    /// One of the threads in it.
    thread: u32,
    /// Where that thread is listed.
    cgroup: PathBuf,
}

impl Sighting {
    /// Opens the namespace.
    ///
    /// # Errors
    /// When the thread that was seen in it is gone, or is in another one by now.
    pub fn open(&self, wanted: NamespaceId) -> io::Result<Handle> {
        let handle = Handle::of_thread(self.thread, || threads(&self.cgroup).contains(&self.thread))?;
        if handle.id() == wanted { Ok(handle) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// Looks at every thread of the agents, given by name and cgroup. Threads, not processes: each has a namespace of its own.
/// What ends meanwhile is passed over.
#[must_use]
pub fn scan<'a>(agents: impl Iterator<Item = (&'a str, &'a Path)>, own: NamespaceId) -> Found {
    let mut found = Found::default();
    for (agent, cgroup) in agents {
        let room = MAX_CGROUPS.saturating_sub(found.cgroups.len());
        let Ok((groups, cut)) = cgroups::tree(cgroup, room) else { continue };
        found.cut |= cut;
        for (cgroup, _) in groups {
            for thread in threads(&cgroup) {
                let Ok(id) = NamespaceId::at(Path::new(&format!("/proc/{thread}/ns/net"))) else { continue };
                if id != own {
                    let sighting = || Sighting { agents: BTreeSet::new(), thread, cgroup: cgroup.clone() };
                    found.namespaces.entry(id).or_insert_with(sighting).agents.insert(agent.to_owned());
                }
            }
            found.cgroups.push(cgroup);
        }
    }
    found
}

/// The threads in `cgroup` itself. Unlike `cgroup.procs` this can be read in threaded cgroups, too.
fn threads(cgroup: &Path) -> Vec<u32> {
    cgroups::ids(&cgroup.join("cgroup.threads")).unwrap_or_default()
}
