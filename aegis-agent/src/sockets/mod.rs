//! Live sockets: what agents hold that no verdict of Aegis stands behind is destroyed.
//!
//! The hooks decide when a socket is made, connected and sent on, and they belong to cgroups. A socket that was connected
//! before its process became an agent, or that somebody outside made and handed over (inherited, or over a unix socket),
//! passes none of them. So Aegis looks at the sockets that are there, by `sock_diag`, and ends what must not be.
//!
//! **Whose a socket is.** An agent's is each socket that was *made* in its cgroup or below (the kernel tells every socket's
//! cgroup), and each that *came in*: held by one of its processes (`/proc/PID/fd`, threads with files of their own
//! included) and made outside of the enforced root. No other socket is touched. All network namespaces are looked at that
//! the agents' threads are in, and the daemon's own.
//!
//! **What goes** ([`choose()`](choose::choose)):
//! - *At enrolment* (daemon start, `agents register`), of the sockets made in the cgroup: each connection whose peer is neither
//!   on loopback nor on the agent's direct list (an agent that may be connected to from outside keeps what its listeners accepted). Connections that Aegis redirected lead to its listeners on loopback and
//!   stay, so a restart that adopts the pinned state cuts nothing that is enforced; a direct list that became shorter
//!   ends what it allowed before. Sockets without a peer stay: the hooks hold them.
//! - *At enrolment and in every sweep*, of those that came in: all but connections on the direct list, connections within
//!   the host whose other end is the agent's too, and listeners on loopback. An unconnected UDP socket goes, too: it
//!   could send anywhere. These are made useless for good ([`seal`]), and whoever shares them loses them as well.
//! - *At removal*: all.
//!
//! A sweep bounds what BPF LSM would prevent, to [`PERIOD`]. It does not see a socket while it lies in a queue between two
//! processes or in a ring of io_uring. Where nothing new is held it costs reading a few directories.

pub mod choose;
mod diag;
mod holders;
mod netlink;
mod report;
mod seal;
mod syscall;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aegis_policy::Agent;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::choose::{Occasion, View, Why, choose};
use self::diag::Socket;
use self::holders::{Holder, Holdings, Tree, may_be_internet};
use self::netlink::Diag;
use crate::daemon::Aegis;
use crate::identity::Enrolled;
use crate::kernel::{AgentRules, Protocol};

/// How often what the agents hold is looked at.
pub const PERIOD: Duration = Duration::from_secs(2);
/// A list of sockets is no snapshot: at enrolment and removal it is asked for until nothing more is found in it.
const PASSES: usize = 4;
/// Network namespaces that are visited at once.
const MAX_NAMESPACES: usize = 1024;

/// Destroys live sockets; remembers which ones need no second look.
pub struct Sockets {
    root: PathBuf,
    known: Mutex<Known>,
}

/// Inodes of sockets that agents hold. None is kept longer than it is held, and so none becomes another socket's.
#[derive(Default)]
struct Known {
    /// Made under enforcement, or neither TCP nor UDP.
    harmless: HashSet<u64>,
    /// UDP that was sealed: it stays in its holder's hands, dead.
    sealed: HashSet<u64>,
}

/// Whose sockets are looked at: an agent, or one that was an agent before this start.
#[derive(Debug)]
struct Owner {
    name: String,
    cgroup: PathBuf,
    rules: AgentRules,
    agent: Option<Arc<Agent>>,
}

impl From<&Enrolled> for Owner {
    fn from(enrolled: &Enrolled) -> Self {
        Self {
            name: enrolled.agent.name.clone(),
            cgroup: enrolled.cgroup.clone(),
            rules: enrolled.rules.clone(),
            agent: Some(Arc::clone(&enrolled.agent)),
        }
    }
}

/// A socket that had to go.
#[derive(Debug)]
struct Destroyed {
    owner: Arc<Owner>,
    why: Why,
    socket: Socket,
    holder: Option<Holder>,
    exe: String,
    /// What went wrong, where it is still usable.
    error: Option<String>,
}

/// An owner and what is his.
struct Subject {
    owner: Arc<Owner>,
    cgroups: HashSet<u64>,
    holdings: Holdings,
    held: HashSet<u64>,
}

impl Sockets {
    /// For the agents below `root`, the enforced cgroup.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, known: Mutex::default() }
    }

    /// Destroys what has to go of the sockets of `owners`, and says what that was.
    ///
    /// # Errors
    /// When the sockets, or the cgroups, cannot be looked at.
    fn look(&self, owners: &[Arc<Owner>], occasion: Occasion) -> io::Result<Vec<Destroyed>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let passes = if occasion == Occasion::Sweep { 1 } else { PASSES };
        let mut all = Vec::new();
        for _ in 0..passes {
            let tree = Tree::read(&self.root)?;
            let subjects: Vec<Subject> = owners.iter().map(|owner| Subject::read(&tree, owner)).collect();
            if occasion == Occasion::Sweep && !news(&subjects, &mut known) {
                return Ok(all);
            }
            let found = pass(&tree, &subjects, occasion, &mut known)?;
            let done = found.is_empty();
            all.extend(found);
            if done {
                break;
            }
        }
        Ok(all)
    }
}

impl Subject {
    fn read(tree: &Tree, owner: &Arc<Owner>) -> Self {
        let holdings = Holdings::read(tree, &owner.cgroup);
        let held = holdings.sockets.keys().copied().collect();
        Self { owner: Arc::clone(owner), cgroups: tree.ids_of(&owner.cgroup), holdings, held }
    }
}

/// Whether any socket is held that has to be looked at. `subjects` are all agents: what none of them holds is forgotten.
fn news(subjects: &[Subject], known: &mut Known) -> bool {
    let held = |inode: &u64| subjects.iter().any(|subject| subject.held.contains(inode));
    known.harmless.retain(held);
    known.sealed.retain(held);
    let mut news = false;
    for (inode, holder) in subjects.iter().flat_map(|subject| &subject.holdings.sockets) {
        if known.harmless.contains(inode) || known.sealed.contains(inode) {
            continue;
        }
        if may_be_internet(holder) {
            news = true;
        } else {
            known.harmless.insert(*inode);
        }
    }
    news
}

fn pass(tree: &Tree, subjects: &[Subject], occasion: Occasion, known: &mut Known) -> io::Result<Vec<Destroyed>> {
    let enforced = tree.ids();
    let ours = |socket: &Socket| {
        socket.cgroup.is_some_and(|cgroup| enforced.contains(&cgroup))
            || subjects.iter().any(|subject| subject.held.contains(&socket.inode))
    };
    let mut destroyed = Vec::new();
    for mut diag in conversations(subjects)? {
        let sockets = diag.sockets(ours)?;
        let made = sockets.iter().filter(|socket| socket.cgroup.is_some_and(|cgroup| enforced.contains(&cgroup)));
        known.harmless.extend(made.map(|socket| socket.inode).filter(|inode| *inode != 0));
        for subject in subjects {
            let (cgroups, held, rules) = (&subject.cgroups, &subject.held, &subject.owner.rules);
            let view = View { cgroups, enforced: &enforced, held, rules, occasion };
            for (socket, why) in choose(&sockets, &view) {
                if !known.sealed.contains(&socket.inode) {
                    destroyed.extend(end(&mut diag, subject, socket, why, &enforced, known));
                }
            }
        }
    }
    Ok(destroyed)
}

/// One for the daemon's own network namespace, and one for each other that an agent is in.
fn conversations(subjects: &[Subject]) -> io::Result<Vec<Diag>> {
    let own = fs::metadata("/proc/self/ns/net")?.ino();
    let mut others = BTreeMap::new();
    for (id, file) in subjects.iter().flat_map(|subject| &subject.holdings.namespaces) {
        others.entry(*id).or_insert(file);
    }
    others.remove(&own);
    if others.len() > MAX_NAMESPACES {
        tracing::error!("agents are in {} network namespaces; {MAX_NAMESPACES} are looked at", others.len());
    }
    let mut all = vec![Diag::here()?];
    for file in others.into_values().take(MAX_NAMESPACES) {
        all.push(Diag::inside(file.try_clone()?)?);
    }
    Ok(all)
}

/// Ends one socket. `None` where it was gone already.
fn end(
    diag: &mut Diag,
    subject: &Subject,
    socket: &Socket,
    why: Why,
    enforced: &HashSet<u64>,
    known: &mut Known,
) -> Option<Destroyed> {
    let holder = subject.holdings.sockets.get(&socket.inode).copied();
    let exe = holder.map(|holder| holder.exe()).unwrap_or_default();
    let ended = diag.destroy(socket);
    // What the hooks hold is harmless once it has no peer; what they do not hold must not be used again.
    let foreign = socket.cgroup.is_none_or(|cgroup| !enforced.contains(&cgroup));
    let sealed = match holder.filter(|_| foreign) {
        Some(holder) => seal::seal(&holder, socket.inode),
        None => Ok(()),
    };
    if foreign && sealed.is_ok() && socket.protocol == Protocol::Udp {
        known.sealed.insert(socket.inode);
    }
    let error = match (ended, sealed) {
        (Ok(false), Err(_)) => return None,
        (Ok(false), Ok(())) if !foreign => return None,
        // Shut for good is more than destroyed.
        (_, Ok(())) if foreign => None,
        (Ok(_), _) => None,
        (Err(error), _) => Some(error.to_string()),
    };
    Some(Destroyed { owner: Arc::clone(&subject.owner), why, socket: socket.clone(), holder, exe, error })
}

/// Destroys what the agents must not have now that all are enrolled, and everything of those that are agents no more. Blocks.
pub fn at_start(aegis: &Aegis) {
    let departed = aegis.registry.departed().iter().map(|(name, _)| Owner {
        name: name.clone(),
        cgroup: aegis.sockets.root.join(name),
        rules: AgentRules::default(),
        agent: None,
    });
    let departed: Vec<Arc<Owner>> = departed.map(Arc::new).collect();
    if !departed.is_empty() {
        act(aegis, &departed, Occasion::Removal);
    }
    act(aegis, &all(aegis), Occasion::Enrolment);
}

/// Destroys what `agent` must not have now that it is enrolled. Blocks.
pub fn enrolled(aegis: &Aegis, agent: &Enrolled) {
    act(aegis, &[Arc::new(agent.into())], Occasion::Enrolment);
}

/// Destroys everything of an agent that was removed. Blocks.
pub fn removed(aegis: &Aegis, agent: &Enrolled) {
    act(aegis, &[Arc::new(agent.into())], Occasion::Removal);
}

fn all(aegis: &Aegis) -> Vec<Arc<Owner>> {
    aegis.registry.list().iter().map(|enrolled| Arc::new(enrolled.as_ref().into())).collect()
}

fn act(aegis: &Aegis, owners: &[Arc<Owner>], occasion: Occasion) {
    match aegis.sockets.look(owners, occasion) {
        Ok(destroyed) => report::all(aegis, &destroyed),
        Err(error) => {
            aegis.metrics.live().sweep_failed();
            tracing::error!(
                %error,
                "the agents' open sockets cannot be looked at; fix: the kernel needs INET_DIAG, TCP_DIAG and UDP_DIAG \
                 (modprobe tcp_diag udp_diag), the daemon CAP_NET_ADMIN and CAP_SYS_PTRACE"
            );
        }
    }
}

/// Looks every [`PERIOD`] for what came in from outside, until `stop`.
pub async fn sweep(aegis: Arc<Aegis>, stop: CancellationToken) {
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = period.tick() => {}
            () = stop.cancelled() => return,
        }
        let aegis = Arc::clone(&aegis);
        let looked = tokio::task::spawn_blocking(move || act(&aegis, &all(&aegis), Occasion::Sweep));
        if let Err(error) = looked.await {
            tracing::error!(%error, "a look at the agents' sockets broke off");
        }
    }
}
