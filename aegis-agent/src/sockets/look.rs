//! One look at the sockets of agents, in every network namespace where there may be some.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::choose::{Occasion, View, Why, choose};
use super::diag::Socket;
use super::holders::{Holder, Holdings, Kind, Tree, kind};
use super::netlink::Diag;
use super::{Known, Owner, seal};
use crate::kernel::Protocol;

/// Network namespaces that are visited in one look.
const MAX_NAMESPACES: usize = 1024;
/// Sockets in none of them whose namespace is asked for, in one look.
const MAX_STRAYS: usize = 4096;

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
}

impl Subject {
    /// What the processes of `owner` have now.
    #[must_use]
    pub fn read(tree: &Tree, owner: &Arc<Owner>) -> Self {
        let holdings = Holdings::read(tree, &owner.cgroup);
        let held = holdings.sockets.keys().copied().collect();
        Self { owner: Arc::clone(owner), cgroups: tree.ids_of(&owner.cgroup), holdings, held }
    }
}

/// Whether any socket is held that has to be looked at. `subjects` are all agents: what none of them holds is forgotten.
#[must_use]
pub fn news(subjects: &[Subject], known: &mut Known) -> bool {
    let held: HashSet<u64> = subjects.iter().flat_map(|subject| &subject.held).copied().collect();
    known.harmless.retain(|inode| held.contains(inode));
    known.sealed.retain(|inode| held.contains(inode));
    let mut news = false;
    for (inode, holder) in subjects.iter().flat_map(|subject| &subject.holdings.sockets) {
        if !known.settled(*inode) {
            match kind(holder) {
                Kind::Listed | Kind::Unlisted(_) => news = true,
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
}

/// A look under way.
pub struct Look<'a> {
    subjects: &'a [Subject],
    occasion: Occasion,
    known: &'a mut Known,
    /// The ids of the enforced root and of all below it.
    enforced: HashSet<u64>,
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
    pub fn new(tree: &Tree, subjects: &'a [Subject], occasion: Occasion, known: &'a mut Known) -> Self {
        let (mut makers, mut holders) = (HashMap::new(), HashMap::<u64, Vec<usize>>::new());
        for (number, subject) in subjects.iter().enumerate() {
            makers.extend(subject.cgroups.iter().map(|cgroup| (*cgroup, number)));
            for inode in &subject.held {
                holders.entry(*inode).or_default().push(number);
            }
        }
        let (listed, visited) = (HashSet::new(), HashSet::new());
        let enforced = tree.ids();
        Self { subjects, occasion, known, enforced, makers, holders, listed, visited, outcome: Outcome::default() }
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
        self.unlisted();
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

    /// Sockets that no list has: of a protocol that has none, or of a namespace that none of the agents is in.
    fn unlisted(&mut self) {
        let mut strays = MAX_STRAYS;
        for subject in self.subjects {
            for (inode, holder) in &subject.holdings.sockets {
                if self.listed.contains(inode) || self.known.settled(*inode) {
                    continue;
                }
                match kind(holder) {
                    Kind::Unlisted(protocol) => self.shut(subject, *inode, *holder, protocol),
                    Kind::Listed if strays > 0 => {
                        strays -= 1;
                        // One that is closed by now is no matter any more.
                        if let Ok((id, namespace)) = seal::namespace(holder, *inode) {
                            self.enter(id, Ok(namespace));
                        }
                    }
                    Kind::Listed | Kind::Other => {}
                }
            }
        }
    }

    /// Ends a socket that no agent could have made.
    fn shut(&mut self, subject: &Subject, inode: u64, holder: Holder, protocol: &'static str) {
        let why = if self.occasion == Occasion::Removal { Why::Removed } else { Why::Unenforced };
        let exe = holder.exe();
        let error = match seal::seal(&holder, inode) {
            Ok(()) => {
                self.known.sealed.insert(inode);
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound || seal::is_gone(&error) => return,
            Err(error) => Some(error.to_string()),
        };
        let owner = Arc::clone(&subject.owner);
        self.outcome.destroyed.push(Destroyed { owner, why, protocol, peer: None, holder: Some(holder), exe, error });
    }

    fn visit(&mut self, diag: io::Result<Diag>) {
        let listed = diag.and_then(|mut diag| {
            let (enforced, holders) = (&self.enforced, &self.holders);
            let sockets = diag.sockets(|socket| made_in(enforced, socket) || holders.contains_key(&socket.inode))?;
            Ok((diag, sockets))
        });
        match listed {
            Ok((diag, sockets)) => self.judge(diag, sockets),
            Err(error) => self.outcome.failed = Some(error),
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
                self.known.harmless.insert(socket.inode);
            }
        }
        for (number, sockets) in of_each {
            let Some(subject) = self.subjects.get(number) else { continue };
            let (cgroups, held, rules) = (&subject.cgroups, &subject.held, &subject.owner.rules);
            let view = View { cgroups, enforced: &self.enforced, held, rules, occasion: self.occasion };
            for (socket, why) in choose(&sockets, &view) {
                let destroyed = self.end(&mut diag, subject, socket, why);
                self.outcome.destroyed.extend(destroyed);
            }
        }
    }

    /// Ends one socket. `None` where it was gone already.
    fn end(&mut self, diag: &mut Diag, subject: &Subject, socket: &Socket, why: Why) -> Option<Destroyed> {
        let holder = subject.holdings.sockets.get(&socket.inode).copied();
        let exe = holder.map(|holder| holder.exe()).unwrap_or_default();
        let ended = diag.destroy(socket);
        // What the hooks hold is harmless once it has no peer; what they do not hold must not be used again.
        let foreign = holder.filter(|_| !made_in(&self.enforced, socket));
        let error = match (ended, foreign.map(|holder| seal::seal(&holder, socket.inode))) {
            (_, Some(Ok(()))) => {
                if socket.protocol == Protocol::Udp {
                    self.known.sealed.insert(socket.inode);
                }
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
