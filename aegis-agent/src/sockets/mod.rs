//! Live sockets: what agents hold that no verdict of Aegis stands behind is destroyed.
//!
//! The hooks decide when a socket is made, connected and sent on, and they belong to cgroups. A socket that was connected
//! before its process became an agent, or that somebody outside made and handed over (inherited, or over a unix socket),
//! passes none of them. So Aegis looks at the sockets that are there, by `sock_diag`, and ends what must not be.
//!
//! **Whose a socket is.** An agent's is each socket that was *made* in its cgroup or below (the kernel tells every socket's
//! cgroup), and each that *came in*: held by one of its processes (`/proc/PID/fd`, threads with files of their own
//! included) and made outside of the enforced root, or below it by nobody's agent. The programs' own note on a socket tells
//! where the cgroup does not ([`socket_owner`](Kernel::socket_owner)): of one that was neither bound nor connected yet, which
//! is in no list, and of one that a process made whom `enrolment.unenrolled: pass` leaves alone. No other socket is
//! touched. All network namespaces are looked at that
//! the agents' threads are in, the daemon's own, and those that sockets which are in none of these belong to.
//!
//! **What goes** ([`choose()`](choose::choose)):
//! - *At enrolment* (daemon start, `agents register`), of the sockets made in the cgroup: each connection whose peer is neither
//!   on loopback nor on the agent's direct list (an agent that may be connected to from outside keeps what its listeners accepted). Connections that Aegis redirected lead to its listeners on loopback and
//!   stay, so a restart that adopts the pinned state cuts nothing that is enforced; a direct list that became shorter
//!   ends what it allowed before. Sockets without a peer stay: the hooks hold them.
//! - *At enrolment and in every sweep*, of those that came in: all but connections on the direct list, connections within
//!   the host whose other end is the agent's too, and listeners on loopback. An unconnected UDP socket goes, too: it
//!   could send anywhere; a socket that was not used yet; and whatever is of another protocol over IP, which the hooks let
//!   no agent make. These are made useless for good ([`seal`]), and whoever shares them loses them as well. Sockets below
//!   IP cannot be shut; they are told of, once.
//! - *At removal*: all.
//!
//! A sweep bounds what BPF LSM would prevent, to [`PERIOD`]. It does not see a socket while it lies in a queue between two
//! processes or in a ring of io_uring. An agent with very many open files is looked at in turns, and told of. Where nothing new is held it costs reading a few directories; with
//! tens of thousands of open files it becomes less frequent.

pub mod choose;
mod diag;
mod holders;
mod look;
mod netlink;
mod report;
mod seal;
mod syscall;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aegis_policy::Agent;
use tokio_util::sync::CancellationToken;

use self::choose::Occasion;
use self::holders::{Place, Tree};
use self::look::{Look, Outcome, Subject};
use crate::daemon::Aegis;
use crate::identity::Enrolled;
use crate::kernel::{AgentRules, Kernel, Protocol};

/// How often what the agents hold is looked at.
pub const PERIOD: Duration = Duration::from_secs(2);
/// The pause between two looks, as a multiple of the time that one took: at most a quarter of a processor goes to them.
const PAUSE_SHARE: u32 = 3;
/// A list of sockets is no snapshot: at enrolment and removal it is asked for until nothing more is found in it.
const PASSES: usize = 4;

/// Destroys live sockets; remembers which ones need no second look.
pub struct Sockets {
    root: PathBuf,
    known: Mutex<Known>,
}

/// Inodes of sockets that agents hold. None is kept longer than it is held, and so none becomes another socket's.
#[derive(Default)]
struct Known {
    /// Made under enforcement, or of a family that leads nowhere.
    harmless: HashSet<u64>,
    /// What was sealed, but for TCP: it stays in its holder's hands, dead. And what cannot be, and was told of.
    sealed: HashSet<u64>,
    /// TCP that was sealed: of no interest until it is in a list again.
    idle: HashSet<u64>,
    /// Where the next look at an agent goes on that holds too much for one, by its cgroup.
    turns: HashMap<PathBuf, Place>,
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

impl Sockets {
    /// For the agents below `root`, the enforced cgroup.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, known: Mutex::default() }
    }

    /// The enforced cgroup.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Destroys what has to go of the sockets of `owners`. For a sweep, `owners` are all agents.
    ///
    /// # Errors
    /// When the cgroups cannot be looked at.
    fn look(&self, kernel: &Kernel, owners: &[Arc<Owner>], occasion: Occasion) -> io::Result<Outcome> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let passes = if occasion == Occasion::Sweep { 1 } else { PASSES };
        let mut all = Outcome::default();
        for _ in 0..passes {
            let tree = Tree::read(&self.root)?;
            let subjects = known.read(&tree, owners);
            let rest = subjects.iter().find_map(Subject::rest).map(|(owner, _)| {
                let (name, most) = (&owner.name, holders::MAX_DESCRIPTORS);
                let fix = "lower LimitNOFILE= or TasksMax= of the agent's unit, or RLIMIT_NOFILE";
                io::Error::other(format!(
                    "agent {name} has more than {most} open files: looked at in turns; fix: {fix}"
                ))
            });
            if occasion == Occasion::Sweep && !look::news(&subjects, &mut known) {
                all.failed = rest;
                break;
            }
            let found = Look::new(kernel, &tree, &subjects, occasion, &mut known).run();
            let done = found.destroyed.is_empty() && rest.is_none();
            all.destroyed.extend(found.destroyed);
            all.failed = found.failed.or(rest);
            if done {
                break;
            }
        }
        Ok(all)
    }
}

impl Known {
    /// What the agents hold, each from where the last turn ended.
    fn read(&mut self, tree: &Tree, owners: &[Arc<Owner>]) -> Vec<Subject> {
        let turn = |owner: &Arc<Owner>| Subject::read(tree, owner, self.turns.get(&owner.cgroup).copied());
        let subjects: Vec<Subject> = owners.iter().map(turn).collect();
        for owner in owners {
            self.turns.remove(&owner.cgroup);
        }
        self.turns
            .extend(subjects.iter().filter_map(Subject::rest).map(|(owner, place)| (owner.cgroup.clone(), place)));
        subjects
    }
}

/// Destroys what the agents must not have now that all are enrolled, and everything of those that are agents no more. Blocks.
pub fn at_start(aegis: &Aegis) {
    let departed = aegis.registry.departed().iter().map(|gone| Owner {
        name: gone.name.clone(),
        cgroup: gone.cgroup.clone(),
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
    let Outcome { destroyed, failed } = aegis
        .sockets
        .look(&aegis.kernel, owners, occasion)
        .unwrap_or_else(|error| Outcome { destroyed: Vec::new(), failed: Some(error) });
    report::all(aegis, &destroyed);
    if let Some(error) = failed {
        aegis.metrics.live().sweep_failed();
        tracing::error!(%error, "not all open sockets of agents can be looked at");
    }
}

/// The cookies of all UDP sockets in the network namespace of the calling thread.
///
/// # Errors
/// When the kernel does not list them.
pub fn udp_cookies() -> io::Result<HashSet<u64>> {
    let sockets = netlink::Diag::here()?.sockets(|socket| socket.protocol == Protocol::Udp)?;
    Ok(sockets.iter().map(diag::Socket::cookie).collect())
}

/// Looks every [`PERIOD`] for what came in from outside, until `stop`.
pub async fn sweep(aegis: Arc<Aegis>, stop: CancellationToken) {
    let mut pause = PERIOD;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        let (looking, started) = (Arc::clone(&aegis), Instant::now());
        let looked = tokio::task::spawn_blocking(move || act(&looking, &all(&looking), Occasion::Sweep));
        if let Err(error) = looked.await {
            tracing::error!(%error, "a look at the agents' sockets broke off");
        }
        // Agents with very many open files make it take long.
        pause = PERIOD.max(started.elapsed() * PAUSE_SHARE);
    }
}
