//! Which processes an agent has, which sockets they hold, and in which network namespaces they are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::syscall::same_files;
use crate::cgroups::{self, Group};

/// Directories below the enforced root that are looked at. Sockets of more than these count as made elsewhere.
const MAX_CGROUPS: usize = 65_536;
/// Descriptors of one agent that are looked at in one turn, so that none can keep the daemon from the others. A table that
/// was begun is read to its end (the kernel's own limit is `fs.nr_open`); the next turn goes on behind it.
pub const MAX_DESCRIPTORS: usize = 1 << 20;
/// Tables of open files of one process that a thread is compared with before its own is read.
const MAX_TABLES: usize = 64;

/// The enforced root and all cgroups below it.
#[derive(Debug, Default)]
pub struct Tree {
    /// Each after the one above it.
    groups: Vec<Group>,
    /// Where in `groups` a cgroup is.
    places: HashMap<PathBuf, usize>,
    /// Where in `groups` those right below each are.
    children: Vec<Vec<usize>>,
}

impl Tree {
    /// # Errors
    /// When `root` cannot be read. What goes away meanwhile is passed over.
    pub fn read(root: &Path) -> io::Result<Self> {
        let (groups, cut) = cgroups::tree(root, MAX_CGROUPS)?;
        if cut {
            tracing::error!("more than {MAX_CGROUPS} cgroups below {}: not all are looked at", root.display());
        }
        let places: HashMap<PathBuf, usize> =
            groups.iter().enumerate().map(|(place, (path, _))| (path.clone(), place)).collect();
        let mut children = vec![Vec::new(); groups.len()];
        for (place, (path, _)) in groups.iter().enumerate() {
            let above = path.parent().and_then(|parent| places.get(parent));
            if let Some(siblings) = above.and_then(|above| children.get_mut(*above)) {
                siblings.push(place);
            }
        }
        Ok(Self { groups, places, children })
    }

    /// The ids of all.
    #[must_use]
    pub fn ids(&self) -> HashSet<u64> {
        self.groups.iter().map(|(_, id)| *id).collect()
    }

    /// The ids of `cgroup` and of those below it.
    #[must_use]
    pub fn ids_of(&self, cgroup: &Path) -> HashSet<u64> {
        self.below(cgroup).map(|(_, id)| *id).collect()
    }

    fn below(&self, cgroup: &Path) -> impl Iterator<Item = &Group> {
        let mut waiting: Vec<usize> = self.places.get(cgroup).copied().into_iter().collect();
        std::iter::from_fn(move || {
            let place = waiting.pop()?;
            waiting.extend(self.children.get(place).into_iter().flatten());
            self.groups.get(place)
        })
    }

    /// The processes of `cgroup` and below; of a threaded cgroup, its threads.
    fn members(&self, cgroup: &Path) -> HashSet<Member> {
        let mut members = HashSet::new();
        for (path, _) in self.below(cgroup) {
            if let Some(all) = cgroups::ids(&path.join("cgroup.procs")) {
                members.extend(all.into_iter().map(Member::Process));
            } else if let Some(all) = cgroups::ids(&path.join("cgroup.threads")) {
                members.extend(all.into_iter().map(Member::Thread));
            }
        }
        members
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Member {
    Process(u32),
    Thread(u32),
}

impl Member {
    fn id(self) -> u32 {
        match self {
            Self::Process(id) | Self::Thread(id) => id,
        }
    }
}

/// Where the next turn goes on, of an agent that has too much for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    member: u32,
    task: u32,
}

/// Who holds a socket; others may hold it as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    /// The thread whose table of open files it is in.
    pub task: u32,
    pub descriptor: i32,
}

impl Holder {
    /// The path that leads to the socket itself.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/proc/{}/task/{}/fd/{}", self.pid, self.task, self.descriptor)
    }

    /// The executable's path.
    #[must_use]
    pub fn exe(&self) -> String {
        let exe = fs::read_link(format!("/proc/{}/exe", self.pid));
        exe.map_or_else(|_| String::new(), |path| path.to_string_lossy().into_owned())
    }
}

/// What an agent's processes have.
#[derive(Debug, Default)]
pub struct Holdings {
    /// By inode: sockets of every kind.
    pub sockets: HashMap<u64, Holder>,
    /// Network namespaces that its threads are in, by their inode.
    pub namespaces: BTreeMap<u64, File>,
    /// Where the next turn goes on, if this was not all.
    pub rest: Option<Place>,
}

impl Holdings {
    /// What the processes in `cgroup` and below hold now, from where the last turn ended.
    #[must_use]
    pub fn read(tree: &Tree, cgroup: &Path, from: Option<Place>) -> Self {
        let mut reading = Reading::default();
        let rest = reading.turn(tree.members(cgroup), from, MAX_DESCRIPTORS);
        // A process may have ended meanwhile, and its number be another's, who is no agent.
        let still = if reading.sockets.is_empty() { HashSet::new() } else { tree.members(cgroup) };
        let sockets = reading.sockets.into_iter();
        Self {
            sockets: sockets
                .filter(|(_, (_, member))| still.contains(member))
                .map(|(at, (who, _))| (at, who))
                .collect(),
            namespaces: reading.namespaces,
            rest,
        }
    }
}

#[derive(Default)]
struct Reading {
    sockets: HashMap<u64, (Holder, Member)>,
    namespaces: BTreeMap<u64, File>,
    descriptors: usize,
}

impl Reading {
    /// Reads what `members` hold, from `from` on and around, until `allowance` is used up.
    fn turn(&mut self, members: HashSet<Member>, from: Option<Place>, allowance: usize) -> Option<Place> {
        let mut members: Vec<Member> = members.into_iter().collect();
        members.sort_unstable_by_key(|member| member.id());
        let first = from.map_or(0, |from| members.partition_point(|member| member.id() < from.member));
        members.rotate_left(first);
        for member in members {
            let begun = from.filter(|from| from.member == member.id()).map_or(0, |from| from.task);
            if let Some(task) = self.member(member, begun, allowance) {
                return Some(Place { member: member.id(), task });
            }
        }
        None
    }

    /// The task that is next, if it could not be read any more.
    fn member(&mut self, member: Member, from: u32, allowance: usize) -> Option<u32> {
        let pid = member.id();
        let mut tasks = match member {
            Member::Thread(task) => vec![task],
            Member::Process(_) => tasks(pid),
        };
        tasks.sort_unstable();
        // Threads share one table of open files, unless one has taken a table of its own.
        let mut tables: Vec<u32> = Vec::new();
        for task in tasks.into_iter().filter(|task| *task >= from) {
            self.namespace(pid, task);
            if tables.iter().any(|other| same_files(*other, task).unwrap_or(false)) {
                continue;
            }
            if self.descriptors >= allowance {
                return Some(task);
            }
            self.task(pid, task, member);
            if tables.len() < MAX_TABLES {
                tables.push(task);
            }
        }
        None
    }

    fn task(&mut self, pid: u32, task: u32, member: Member) {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task/{task}/fd")) else { return };
        for entry in entries.flatten() {
            self.descriptors += 1;
            let inode = fs::read_link(entry.path()).ok().and_then(|link| socket_inode(link.to_str()?));
            let descriptor = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let (Some(inode), Some(descriptor)) = (inode, descriptor) {
                self.sockets.entry(inode).or_insert((Holder { pid, task, descriptor }, member));
            }
        }
    }

    fn namespace(&mut self, pid: u32, task: u32) {
        let path = format!("/proc/{pid}/task/{task}/ns/net");
        let Ok(id) = fs::metadata(&path).map(|meta| meta.ino()) else { return };
        if !self.namespaces.contains_key(&id)
            && let Ok(file) = File::open(&path)
        {
            self.namespaces.insert(id, file);
        }
    }
}

fn tasks(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// proc_pid_fd(5): a socket's link reads `socket:[INODE]`.
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// What a held socket is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP or UDP, which sock_diag lists once it is bound or connected; or not to be told.
    Listed(&'static str),
    /// Another protocol over IP: the hooks let no agent make such a socket.
    Unlisted(&'static str),
    /// Of a family that no hook of a cgroup sees, and that sends by itself.
    Unseen(&'static str),
    /// Goes nowhere: to processes of this host, or to the kernel.
    Other,
}

/// The kernel's names of protocols, and the record's; those of IPv6 have something behind them.
const KINDS: [(&str, Kind); 18] = [
    ("TCP", Kind::Listed("tcp")),
    ("UDP-Lite", Kind::Unlisted("udplite")),
    ("UDPLITE", Kind::Unlisted("udplite")),
    ("UDP", Kind::Listed("udp")),
    ("RAW", Kind::Unlisted("raw")),
    ("PING", Kind::Unlisted("icmp")),
    ("SCTP", Kind::Unlisted("sctp")),
    ("MPTCP", Kind::Unlisted("mptcp")),
    ("DCCP", Kind::Unlisted("dccp")),
    ("L2TP", Kind::Unlisted("l2tp")),
    ("SMC", Kind::Unlisted("smc")),
    ("PACKET", Kind::Unseen("packet")),
    ("XDP", Kind::Unseen("xdp")),
    ("AF_VSOCK", Kind::Unseen("vsock")),
    ("UNIX", Kind::Other),
    ("NETLINK", Kind::Other),
    ("ALG", Kind::Other),
    ("KEY", Kind::Other),
];

/// What the socket behind `holder` is.
#[must_use]
pub fn kind(holder: &Holder) -> Kind {
    let mut buffer = [0_u8; 32];
    match rustix::fs::getxattr(holder.path(), "system.sockprotoname", &mut buffer) {
        Ok(length) => named(buffer.get(..length).unwrap_or_default()),
        Err(_) => Kind::Listed("unknown"),
    }
}

fn named(protocol: &[u8]) -> Kind {
    let name = std::str::from_utf8(protocol).unwrap_or_default().trim_end_matches('\0');
    let unknown = if name.is_empty() { Kind::Other } else { Kind::Unseen("other") };
    KINDS.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(unknown, |(_, kind)| *kind)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::net::UdpSocket;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_links_to_sockets_are_sockets() {
        let table =
            [("socket:[4711]", Some(4711)), ("pipe:[4711]", None), ("/tmp/socket:[1]", None), ("socket:[]", None)];
        for (link, inode) in table {
            assert_eq!(socket_inode(link), inode, "{link}");
        }
    }

    #[test]
    fn a_tree_tells_the_agents_apart() {
        let root = tempfile::tempdir().unwrap();
        let id = |below: &str| fs::metadata(root.path().join(below)).unwrap().ino();
        for path in ["one/inner/most", "one-more", "two"] {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        let tree = Tree::read(root.path()).unwrap();
        assert_eq!(tree.ids().len(), 6);
        assert_eq!(tree.ids_of(&root.path().join("one")), [id("one"), id("one/inner"), id("one/inner/most")].into());
        assert_eq!(tree.ids_of(&root.path().join("one/inner")), [id("one/inner"), id("one/inner/most")].into());
        assert_eq!(tree.ids_of(&root.path().join("two")), [id("two")].into());
        assert_eq!(tree.ids_of(&root.path().join("none")), HashSet::new());
    }

    #[test]
    fn protocols_are_told_by_the_kernels_names() {
        let table = [
            ("TCP\0", Kind::Listed("tcp")),
            ("UDPv6\0", Kind::Listed("udp")),
            ("UDP-Lite\0", Kind::Unlisted("udplite")),
            ("UDPLITEv6\0", Kind::Unlisted("udplite")),
            ("RAWv6\0", Kind::Unlisted("raw")),
            ("MPTCP\0", Kind::Unlisted("mptcp")),
            ("UNIX-STREAM\0", Kind::Other),
            ("NETLINK\0", Kind::Other),
            ("PACKET\0", Kind::Unseen("packet")),
            ("HCI\0", Kind::Unseen("other")),
            ("", Kind::Other),
        ];
        for (name, kind) in table {
            assert_eq!(named(name.as_bytes()), kind, "{name}");
        }
    }

    /// This process in the place of an agent's.
    fn own() -> Reading {
        let mut reading = Reading::default();
        let all = reading.turn([Member::Process(std::process::id())].into(), None, usize::MAX);
        assert_eq!(all, None);
        reading
    }

    #[test]
    fn a_socket_is_found_with_its_kind_and_its_namespace() {
        let (udp, (unix, _other)) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UnixStream::pair().unwrap());
        let reading = own();
        let holder = |inode: u64| reading.sockets.get(&inode).map(|(holder, _)| *holder);
        let udp = holder(rustix::fs::fstat(&udp).unwrap().st_ino).unwrap();
        assert_eq!(udp.pid, std::process::id());
        assert_eq!(kind(&udp), Kind::Listed("udp"));
        assert_eq!(kind(&holder(rustix::fs::fstat(&unix).unwrap().st_ino).unwrap()), Kind::Other);
        let own = fs::metadata("/proc/self/ns/net").unwrap().ino();
        assert!(reading.namespaces.contains_key(&own));
    }

    #[test]
    fn a_thread_with_files_of_its_own_hides_nothing() {
        let (found, hidden) = std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).unwrap();
            let hidden = UdpSocket::bind("127.0.0.1:0").unwrap();
            let inode = rustix::fs::fstat(&hidden).unwrap().st_ino;
            (own().sockets.get(&inode).map(|(holder, _)| *holder), inode)
        })
        .join()
        .unwrap();
        let holder = found.unwrap_or_else(|| panic!("{hidden} is held by nobody"));
        assert_ne!(holder.task, holder.pid);
    }

    #[test]
    fn what_is_too_much_for_one_turn_is_read_in_several() {
        let (hide, hidden) = std::sync::mpsc::channel();
        let (_ends, end) = std::sync::mpsc::channel::<()>();
        let end = std::sync::Arc::new(std::sync::Mutex::new(end));
        // Each has a table of its own, and a socket in it.
        for _ in 0..4 {
            let (hide, end) = (hide.clone(), std::sync::Arc::clone(&end));
            std::thread::spawn(move || {
                nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).unwrap();
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                hide.send(rustix::fs::fstat(&socket).unwrap().st_ino).unwrap();
                let _ = end.lock().unwrap().recv();
                drop(socket);
            });
        }
        let hidden: Vec<u64> = hidden.iter().take(4).collect();
        let (mut from, mut seen, mut turns) = (None, HashSet::new(), 0);
        while !hidden.iter().all(|inode| seen.contains(inode)) {
            let mut reading = Reading::default();
            from = reading.turn([Member::Process(std::process::id())].into(), from, 1);
            seen.extend(reading.sockets.into_keys());
            turns += 1;
            // Other tests have threads, too; each turn has read one table.
            assert!(turns < 1000, "{seen:?} of {hidden:?}");
        }
        assert!(turns >= 4, "one turn read more than a table");
    }
}
