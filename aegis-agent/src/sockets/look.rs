//! One look at the sockets of agents, in every network namespace where there may be some.

mod strays;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::choose::{Occasion, View, Why, choose};
use super::diag::Socket;
use super::holders::{Holder, Holdings, Kind, Place, Tree, kind};
use super::netlink::Diag;
use super::{Known, Owner, seal};
use crate::kernel::{Kernel, Protocol};

/// Network namespaces that are visited in one look.
const MAX_NAMESPACES: usize = 1024;
/// Sockets that are remembered of agents that hold too much for one turn; beyond, all are asked about anew.
const MAX_KNOWN: usize = 1 << 20;

/// A socket that had to go.
#[derive(Debug)]
pub struct Destroyed {
    pub owner: Arc<Owner>,
    pub why: Why,
    pub protocol: &'static str,
    pub peer: Option<SocketAddr>,
    pub holder: Option<Holder>,
    pub exe: String,
    /// What went wrong, where it is still usable.
    pub error: Option<String>,
}

/// What came of a look.
#[derive(Debug, Default)]
pub struct Outcome {
    pub destroyed: Vec<Destroyed>,
    /// What could not be looked at; the rest was.
    pub failed: Option<io::Error>,
}

/// An owner and what is his.
pub struct Subject {
    owner: Arc<Owner>,
    cgroups: HashSet<u64>,
    holdings: Holdings,
    held: HashSet<u64>,
    whole: bool,
}

impl Subject {
    /// What the processes of `owner` have now: all, or as much as is looked at in one turn.
    #[must_use]
    pub fn read(tree: &Tree, owner: &Arc<Owner>, from: Option<Place>) -> Self {
        let holdings = Holdings::read(tree, &owner.cgroup, from);
        let held = holdings.sockets.keys().copied().collect();
        let whole = from.is_none() && holdings.rest.is_none();
        Self { owner: Arc::clone(owner), cgroups: tree.ids_of(&owner.cgroup), holdings, held, whole }
    }

    /// Whose, and where the next turn goes on.
    #[must_use]
    pub fn rest(&self) -> Option<(&Owner, Place)> {
        self.holdings.rest.map(|place| (self.owner.as_ref(), place))
    }
}

/// Whether any socket is held that has to be looked at. `subjects` are all agents: what none of them holds is forgotten.
#[must_use]
pub fn news(subjects: &[Subject], known: &mut Known) -> bool {
    let held: HashSet<u64> = subjects.iter().flat_map(|subject| &subject.held).copied().collect();
    if subjects.iter().all(|subject| subject.whole) || known.len() > MAX_KNOWN {
        known.retain(&held);
    }
    let mut news = false;
    for (inode, holder) in subjects.iter().flat_map(|subject| &subject.holdings.sockets) {
        if !known.settled(*inode) {
            match kind(holder) {
                Kind::Listed(_) | Kind::Unlisted(_) | Kind::Unseen(_) => news = true,
                Kind::Other => _ = known.harmless.insert(*inode),
            }
        }
    }
    news
}

impl Known {
    fn settled(&self, inode: u64) -> bool {
        self.harmless.contains(&inode) || self.sealed.contains(&inode)
    }

    fn len(&self) -> usize {
        self.harmless.len() + self.sealed.len() + self.idle.len()
    }

    fn retain(&mut self, held: &HashSet<u64>) {
        for known in [&mut self.harmless, &mut self.sealed, &mut self.idle] {
            known.retain(|inode| held.contains(inode));
        }
    }
}

/// A look under way.
pub struct Look<'a> {
    kernel: &'a Kernel,
    subjects: &'a [Subject],
    occasion: Occasion,
    known: &'a mut Known,
    /// The ids of the enforced root and of all below it.
    enforced: HashSet<u64>,
    /// Sockets that were made there by somebody whom the hooks let pass, who was no agent.
    unnoted: HashSet<u64>,
    /// Whose a cgroup is.
    makers: HashMap<u64, usize>,
    /// Who holds a socket.
    holders: HashMap<u64, Vec<usize>>,
    /// Sockets that were listed.
    listed: HashSet<u64>,
    visited: HashSet<u64>,
    outcome: Outcome,
}

impl<'a> Look<'a> {
    #[must_use]
    pub fn new(
        kernel: &'a Kernel,
        tree: &Tree,
        subjects: &'a [Subject],
        occasion: Occasion,
        known: &'a mut Known,
    ) -> Self {
        let (mut makers, mut holders) = (HashMap::new(), HashMap::<u64, Vec<usize>>::new());
        for (number, subject) in subjects.iter().enumerate() {
            makers.extend(subject.cgroups.iter().map(|cgroup| (*cgroup, number)));
            for inode in &subject.held {
                holders.entry(*inode).or_default().push(number);
            }
        }
        Self {
            kernel,
            subjects,
            occasion,
            known,
            enforced: tree.ids(),
            unnoted: HashSet::new(),
            makers,
            holders,
            listed: HashSet::new(),
            visited: HashSet::new(),
            outcome: Outcome::default(),
        }
    }

    /// Looks, and destroys what has to go. A namespace that cannot be looked at keeps nobody from the others.
    #[must_use]
    pub fn run(mut self) -> Outcome {
        match fs::metadata("/proc/self/ns/net") {
            Ok(own) => {
                self.visited.insert(own.ino());
                self.visit(Diag::here());
            }
            Err(error) => self.outcome.failed = Some(error),
        }
        for subject in self.subjects {
            for (id, namespace) in &subject.holdings.namespaces {
                self.enter(*id, namespace.try_clone());
            }
        }
        self.strays();
        self.outcome
    }

    fn enter(&mut self, id: u64, namespace: io::Result<File>) {
        if self.visited.contains(&id) {
            return;
        }
        if self.visited.len() == MAX_NAMESPACES {
            let why = format!("agents are in more than {MAX_NAMESPACES} network namespaces");
            self.outcome.failed = Some(io::Error::other(why));
            return;
        }
        self.visited.insert(id);
        self.visit(namespace.and_then(Diag::inside));
    }

    fn visit(&mut self, diag: io::Result<Diag>) {
        let listed = diag.and_then(|mut diag| {
            let (enforced, holders) = (&self.enforced, &self.holders);
            let sockets = diag.sockets(|socket| made_in(enforced, socket) || holders.contains_key(&socket.inode))?;
            Ok((diag, sockets))
        });
        match listed {
            Ok((diag, sockets)) => self.judge(diag, sockets),
            Err(error) => {
                let fix = "the kernel needs INET_DIAG, TCP_DIAG and UDP_DIAG (modprobe tcp_diag udp_diag), the daemon \
                           CAP_NET_ADMIN and CAP_SYS_PTRACE";
                self.outcome.failed = Some(io::Error::new(error.kind(), format!("{error}; fix: {fix}")));
            }
        }
    }

    fn judge(&mut self, mut diag: Diag, sockets: Vec<Socket>) {
        let mut of_each: BTreeMap<usize, Vec<Socket>> = BTreeMap::new();
        for socket in sockets {
            self.listed.insert(socket.inode);
            let maker = socket.cgroup.and_then(|cgroup| self.makers.get(&cgroup)).copied();
            // One that was known to be made under enforcement still is, if its cgroup is gone by now.
            let settled = self.known.settled(socket.inode) && self.occasion != Occasion::Removal;
            let holders = self.holders.get(&socket.inode).filter(|_| !settled);
            let theirs: HashSet<usize> = maker.into_iter().chain(holders.into_iter().flatten().copied()).collect();
            for number in theirs {
                of_each.entry(number).or_default().push(socket.clone());
            }
            if socket.inode != 0 && made_in(&self.enforced, &socket) {
                self.note(socket.inode, maker.is_some() || settled);
            }
        }
        for (number, sockets) in of_each {
            let Some(subject) = self.subjects.get(number) else { continue };
            let (cgroups, held, rules) = (&subject.cgroups, &subject.held, &subject.owner.rules);
            let enforced = |socket: &Socket| self.holds(socket);
            let view = View { cgroups, enforced: &enforced, held, rules, occasion: self.occasion };
            let chosen: Vec<(Socket, Why)> =
                choose(&sockets, &view).into_iter().map(|(socket, why)| (socket.clone(), why)).collect();
            for (socket, why) in chosen {
                let destroyed = self.end(&mut diag, subject, &socket, why);
                self.outcome.destroyed.extend(destroyed);
            }
        }
    }

    /// Remembers what is known of a socket that was made below the enforced root. Not everybody there is enforced, or was
    /// when he made it: where the maker's cgroup is no agent's, the kernel's note tells.
    fn note(&mut self, inode: u64, agents: bool) {
        if agents {
            self.known.harmless.insert(inode);
            return;
        }
        let holder = self.holders.get(&inode).and_then(|holders| self.subjects.get(*holders.first()?));
        let Some(holder) = holder.and_then(|subject| subject.holdings.sockets.get(&inode)) else { return };
        match self.noted(holder, inode) {
            Ok((_, true)) => _ = self.known.harmless.insert(inode),
            // In other hands by now: whoever of the agent has it is asked next time.
            Err(error) if seal::is_gone(&error) => {}
            Ok((_, false)) | Err(_) => _ = self.unnoted.insert(inode),
        }
    }

    /// Whether the hooks hold a socket.
    fn holds(&self, socket: &Socket) -> bool {
        made_in(&self.enforced, socket) && !self.unnoted.contains(&socket.inode)
    }

    /// Ends one socket. `None` where it was gone already.
    fn end(&mut self, diag: &mut Diag, subject: &Subject, socket: &Socket, why: Why) -> Option<Destroyed> {
        let holder = subject.holdings.sockets.get(&socket.inode).copied();
        let exe = holder.map(|holder| holder.exe()).unwrap_or_default();
        let ended = diag.destroy(socket);
        // What the hooks hold is harmless once it has no peer; what they do not hold must not be used again.
        let foreign = holder.filter(|_| !self.holds(socket));
        let error = match (ended, foreign.map(|holder| seal::seal(&holder, socket.inode))) {
            (_, Some(Ok(()))) => {
                self.sealed(socket.inode, socket.protocol == Protocol::Tcp);
                None
            }
            (Ok(false), _) => return None,
            (Ok(true), None) => None,
            // Reset, but its holder still has it: what comes of it is seen in the next sweep.
            (Ok(true), Some(Err(_))) => None,
            (Err(error), _) => Some(error.to_string()),
        };
        let protocol = match socket.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let peer = Some(socket.remote).filter(|_| socket.connected());
        Some(Destroyed { owner: Arc::clone(&subject.owner), why, protocol, peer, holder, exe, error })
    }
}

fn made_in(enforced: &HashSet<u64>, socket: &Socket) -> bool {
    socket.cgroup.is_some_and(|cgroup| enforced.contains(&cgroup))
}
