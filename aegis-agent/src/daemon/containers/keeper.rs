//! One look: what agents use is compared with what is served, and the difference is opened or closed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::runtime::Handle as Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cables::Cables;
use crate::daemon::{Aegis, listen};
use crate::dns::DnsServer;
use crate::identity::Enrolled;
use crate::namespaces::{Entry, Handle, Inside, NamespaceId, Opened, Served, Sighting, Unserved, View, scan};

/// Complaints in one look that get a line of their own: agents can make namespaces.
const TOLD_AT_ONCE: usize = 8;

/// What it takes to serve a namespace.
pub struct Means {
    pub aegis: Arc<Aegis>,
    pub dns: DnsServer,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
    pub runtime: Runtime,
}

/// Knows what it complained of before.
pub struct Keeper {
    means: Means,
    told: BTreeSet<(Option<NamespaceId>, BTreeSet<PathBuf>, String)>,
    cables: Cables,
}

/// A namespace that is to be served.
#[derive(Default)]
struct Want {
    agents: BTreeSet<String>,
    paths: BTreeSet<PathBuf>,
    seen: Option<Sighting>,
}

impl Want {
    fn open(&self, id: NamespaceId) -> io::Result<Handle> {
        let Some(path) = self.paths.first() else {
            return self.seen.as_ref().map_or_else(|| Err(io::ErrorKind::NotFound.into()), |seen| seen.open(id));
        };
        let handle = Handle::open(path)?;
        if handle.id() == id { Ok(handle) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

impl Keeper {
    pub fn new(means: Means) -> Self {
        Self { means, told: BTreeSet::new(), cables: Cables::default() }
    }

    /// Looks, and gives the cgroups that were looked into.
    pub fn look(&mut self) -> Vec<PathBuf> {
        let agents = self.means.aegis.registry.list();
        let own = self.means.aegis.namespaces.own();
        let cgroups = agents.iter().map(|agent| (agent.agent.name.as_str(), agent.cgroup.as_path()));
        let mut found = scan(cgroups, own);
        if found.cut {
            tracing::warn!("agents have more cgroups than are looked into; containers in the others stay refused");
        }
        let mut unserved = Vec::new();
        let mut wanted = configured(&agents, own, &mut unserved);
        for (id, seen) in std::mem::take(&mut found.namespaces) {
            let want = wanted.entry(id).or_default();
            want.agents.extend(seen.agents.iter().cloned());
            want.seen = Some(seen);
        }
        let view = self.means.aegis.namespaces.view();
        let mut served = BTreeMap::new();
        let mut new = Vec::new();
        for (id, want) in wanted {
            match view.served.get(&id) {
                Some(entry) => drop(served.insert(id, still(entry, want))),
                None => new.push((id, want)),
            }
        }
        for (id, entry) in view.served.iter().filter(|(id, _)| !served.contains_key(*id)) {
            self.means.close(*id, &entry.served);
        }
        // Before they are served, and also where they cannot be: a frame needs no listener.
        let handles: Vec<Handle> = new.iter().filter_map(|(id, want)| want.open(*id).ok()).collect();
        self.cables.keep(&self.means.aegis.kernel, served.values(), &handles);
        drop(handles);
        // What an administrator named comes first.
        new.sort_by_key(|(_, want)| want.paths.is_empty());
        for (id, want) in new {
            match self.means.admit(&served, &want).and_then(|charged| Ok((charged, self.means.serve(id, &want)?))) {
                Ok((_, None)) => {}
                Ok((charged, Some(opened))) => {
                    let Want { agents, paths, .. } = want;
                    served.insert(id, Entry { served: Arc::new(opened), agents, paths, charged });
                }
                Err(why) => unserved.push(Unserved { id: Some(id), agents: want.agents, paths: want.paths, why }),
            }
        }
        self.complain(&unserved);
        unserved.truncate(self.means.aegis.config.limits.namespaces);
        self.means.aegis.namespaces.set(View::new(served, unserved));
        found.cgroups
    }

    /// Says once of each what is wrong with it.
    fn complain(&mut self, unserved: &[Unserved]) {
        let key = |unserved: &Unserved| (unserved.id, unserved.paths.clone(), unserved.why.clone());
        let new: Vec<&Unserved> = unserved.iter().filter(|unserved| !self.told.contains(&key(unserved))).collect();
        for Unserved { id, agents, paths, why } in new.iter().take(TOLD_AT_ONCE) {
            let inode = id.map(NamespaceId::inode);
            tracing::error!(?agents, inode, ?paths, why, "a network namespace is not served: agents in it are refused");
        }
        if new.len() > TOLD_AT_ONCE {
            let more = new.len() - TOLD_AT_ONCE;
            tracing::error!(more, "more network namespaces are not served; `aegisctl status` shows them");
        }
        self.told = unserved.iter().map(key).collect();
    }
}

/// The namespaces that agents' descriptions name.
fn configured(agents: &[Arc<Enrolled>], own: NamespaceId, unserved: &mut Vec<Unserved>) -> BTreeMap<NamespaceId, Want> {
    let mut wanted: BTreeMap<NamespaceId, Want> = BTreeMap::new();
    for agent in agents {
        let Some(path) = &agent.spec.network_namespace else { continue };
        let name = agent.agent.name.clone();
        // Opened, not only looked at: the mount point that `ip netns` leaves for a moment is an ordinary file.
        match Handle::open(path).map(|handle| handle.id()) {
            Ok(id) if id == own => {}
            Ok(id) => {
                let want = wanted.entry(id).or_default();
                want.agents.insert(name);
                want.paths.insert(path.clone());
            }
            Err(error) => unserved.push(Unserved {
                id: None,
                agents: [name].into(),
                paths: [path.clone()].into(),
                why: absent(path, &error),
            }),
        }
    }
    wanted
}

fn absent(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    format!(
        "{path} cannot be opened: {error}; fix: make it (`ip netns add NAME` for /run/netns/NAME), it is tried again"
    )
}

/// The same entry, with who uses it now.
fn still(entry: &Entry, want: Want) -> Entry {
    let Want { agents, paths, .. } = want;
    let charged = match &entry.charged {
        _ if !paths.is_empty() => None,
        Some(agent) if agents.contains(agent) => Some(agent.clone()),
        _ => agents.first().cloned(),
    };
    Entry { served: Arc::clone(&entry.served), agents, paths, charged }
}

impl Means {
    /// Whether there is room for one more; on whose share it counts.
    fn admit(&self, served: &BTreeMap<NamespaceId, Entry>, want: &Want) -> Result<Option<String>, String> {
        let limits = &self.aegis.config.limits;
        if served.len() >= limits.namespaces {
            return Err(format!("{} are served already; fix: raise `limits.namespaces`", limits.namespaces));
        }
        if !want.paths.is_empty() {
            return Ok(None);
        }
        let mut shares: HashMap<&str, usize> = HashMap::new();
        for agent in served.values().filter_map(|entry| entry.charged.as_deref()) {
            *shares.entry(agent).or_default() += 1;
        }
        let room = |agent: &&String| shares.get(agent.as_str()).is_none_or(|n| *n < limits.namespaces_per_agent);
        want.agents.iter().find(room).cloned().map(Some).ok_or_else(|| {
            format!(
                "its agents use {} already; fix: raise `limits.namespaces_per_agent`, or name it as `network_namespace`",
                limits.namespaces_per_agent
            )
        })
    }

    /// Opens the listeners, tells the kernel, and accepts. `None` where the namespace is gone by now.
    fn serve(&self, id: NamespaceId, want: &Want) -> Result<Option<Served>, String> {
        let handle = match want.open(id) {
            Ok(handle) => handle,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A thread that ends while it is looked at.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(error) => return Err(format!("it cannot be opened: {error}")),
        };
        let inside = Inside::enter(handle).map_err(|error| format!("it cannot be entered: {error}"))?;
        let opened = Opened::open(&inside, &self.aegis.config.listen, self.runtime.clone())?;
        let listeners = opened.addresses();
        let cookie = inside.cookie();
        // Only now: the kernel sends nobody to a listener that is not there.
        self.aegis.kernel.serve_namespace(cookie, opened.families()).map_err(|error| error.to_string())?;
        let stop = self.stop.child_token();
        let _runtime = self.runtime.enter();
        for listener in opened.proxy {
            let accept = listen::accept(Arc::clone(&self.aegis), listener, self.tasks.clone(), stop.clone());
            self.tasks.spawn(accept);
        }
        self.tasks.spawn(self.dns.clone().run(opened.dns, stop.clone()));
        tracing::info!(inode = id.inode(), cookie = cookie.get(), agents = ?want.agents, ?listeners, "namespace served");
        if listeners.iter().all(|(_, address)| address.is_ipv4()) {
            tracing::warn!(
                inode = id.inode(),
                "no ::1 in this namespace: IPv6 connections are sent to 127.0.0.1 or refused"
            );
        }
        Ok(Some(Served { inside, listeners, since: SystemTime::now(), stop }))
    }

    fn close(&self, id: NamespaceId, served: &Served) {
        let cookie = served.inside.cookie();
        if let Err(error) = self.aegis.kernel.leave_namespace(cookie) {
            // Who is sent there meets a closed port; and nobody is in it any more.
            tracing::error!(%error, "the kernel still counts a namespace as served");
        }
        served.stop.cancel();
        self.aegis.pools.leave(cookie);
        tracing::info!(inode = id.inode(), cookie = cookie.get(), "namespace left: no agent is in it any more");
    }
}
