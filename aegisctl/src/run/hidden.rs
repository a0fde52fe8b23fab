//! What leads past the kernel's hooks by way of the file system: sockets of helpers that act for others outside of the
//! agent's cgroup, and devices that speak to the network by themselves.
//!
//! Nothing is mounted over a socket, nor over a directory of a service: the kernel takes such mounts off in every
//! namespace when the host removes what lies below, as systemd does when it restarts the service. What is covered are
//! directories that stay, above all the whole of `/run`, and what a program needs of it is put back. So a helper that
//! starts or restarts after the agent is not in sight either.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::mounts::{bind, change, read_only};

/// Where services have their sockets. Root may write into the agent's own, as package scripts and daemons do.
const RUN: [&str; 2] = ["/run", "/var/run"];

const RUN_OPTIONS: &str = "size=16m,nr_inodes=4k,mode=0755";

/// The desktop's sockets, by which one types into its windows. A display server of the agent's own makes its own here.
const DISPLAYS: [&str; 2] = ["/tmp/.X11-unix", "/tmp/.ICE-unix"];

const DISPLAY_OPTIONS: &str = "size=1m,nr_inodes=256,mode=1777";

/// Helpers' sockets elsewhere (directory services, which ask the network for the names they are given; container and
/// machine engines), and devices that speak to the network by themselves: RDMA, PCI devices in user space, tunnels.
const OTHERS: [&str; 11] = [
    "/var/lib/sss/pipes",
    "/var/lib/gssproxy",
    "/var/lib/incus",
    "/var/lib/lxd",
    "/var/snap/lxd/common/lxd",
    "/var/snap/microk8s/common/run",
    "/var/snap/multipass/common",
    "/var/lib/kubelet",
    "/dev/infiniband",
    "/dev/vfio",
    "/dev/net",
];

const OTHERS_OPTIONS: &str = "size=4k,nr_inodes=256,mode=0755";

/// Sockets that lie where nothing can be covered; on most hosts the first is a link into `/run`.
const SOCKETS: [&str; 1] = ["/dev/log"];

/// Files of the system that on many hosts are links into `/run`.
const SYSTEM_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Links at the top of `/run` that are made anew, at most.
const LINKS_MAX: usize = 256;

/// Steps from link to link, at most, as the kernel has it.
const HOPS_MAX: usize = 40;

/// What stays in sight although the directory that it lies in is covered.
#[derive(Debug)]
pub struct Stays<'a> {
    /// Directory of the trust files.
    pub trust: &'a Path,
    /// The control socket, where the agent gets tokens.
    pub socket: &'a Path,
    /// What the caller named (`--keep`).
    pub named: &'a [PathBuf],
}

/// A directory that is covered by an empty file system.
struct Cover {
    place: PathBuf,
    options: &'static str,
}

/// Something below a cover that is put back.
struct Kept {
    place: PathBuf,
    /// Leads to it also when it is covered.
    handle: File,
    is_directory: bool,
    writable: bool,
}

/// Covers it all and puts back what stays. In the private mount namespace.
pub fn hide(stays: &Stays<'_>) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let covers = covers();
    let kept = kept(stays, &covers)?;
    let links = links()?;
    let here = env::current_dir();
    for cover in &covers {
        mount(Some("tmpfs"), &cover.place, Some("tmpfs"), flags, Some(cover.options))?;
        change(&cover.place, MsFlags::MS_PRIVATE)?;
    }
    for (place, target) in links {
        symlink(target, place)?;
    }
    for run in covers.iter().filter(|cover| cover.options == RUN_OPTIONS) {
        directory(&run.place.join("lock"), 0o1777)?;
    }
    kept.iter().try_for_each(Kept::put_back)?;
    for socket in SOCKETS.map(Path::new).into_iter().filter(|path| is_socket(path)) {
        bind(Path::new("/dev/null"), socket)?;
    }
    come_back(here, &covers)
}

fn covers() -> Vec<Cover> {
    let run = RUN.map(|place| (place, RUN_OPTIONS));
    let displays = DISPLAYS.map(|place| (place, DISPLAY_OPTIONS));
    let others = OTHERS.map(|place| (place, OTHERS_OPTIONS));
    let all = run.into_iter().chain(displays).chain(others);
    // A link is not followed: `/var/run` is one to `/run`, and in `/tmp` anybody makes them.
    all.filter(|(place, _)| fs::symlink_metadata(place).is_ok_and(|metadata| metadata.is_dir()))
        .filter_map(|(place, options)| Some(Cover { place: fs::canonicalize(place).ok()?, options }))
        .collect()
}

fn covered(path: &Path, covers: &[Cover]) -> bool {
    covers.iter().any(|cover| path.starts_with(&cover.place))
}

fn kept(stays: &Stays<'_>, covers: &[Cover]) -> io::Result<Vec<Kept>> {
    let own = [stays.trust.to_owned(), around(stays.socket, covers)];
    let own = own.into_iter().filter_map(|path| fs::canonicalize(path).ok()).map(|path| (path.clone(), path));
    let system = SYSTEM_FILES.iter().filter_map(|file| Some((entry(Path::new(file), covers)?, PathBuf::from(file))));
    let mut kept = Vec::new();
    for (place, source) in own.chain(system.filter(|(_, source)| source.is_file())) {
        kept.push(Kept::open(place, &source, false)?);
    }
    for path in stays.named {
        let named = |error| io::Error::other(format!("--keep {}: {error}", path.display()));
        let place = fs::canonicalize(path).map_err(|error| named(error.to_string()))?;
        if covers.iter().any(|cover| cover.place.starts_with(&place)) {
            return Err(named(
                "all of a hidden directory cannot be kept: name what the command needs of it".to_owned(),
            ));
        }
        kept.push(Kept::open(place, path, true)?);
    }
    kept.retain(|kept| covered(&kept.place, covers));
    kept.sort_by(|one, other| one.place.cmp(&other.place));
    // What lies in a directory that is put back comes with it.
    kept.dedup_by(|inner, outer| {
        outer.is_directory && inner.place.starts_with(&outer.place) || inner.place == outer.place
    });
    Ok(kept)
}

/// What to put back for the control socket: its directory, where it finds a restarted daemon, if there is nothing else
/// in it; otherwise the socket alone.
fn around(socket: &Path, covers: &[Cover]) -> PathBuf {
    let directory = socket.parent().and_then(|parent| fs::canonicalize(parent).ok());
    let Some(directory) = directory.filter(|path| !covers.iter().any(|cover| cover.place == *path)) else {
        return socket.to_owned();
    };
    let is_own = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            is_file || Some(entry.file_name().as_os_str()) == socket.file_name()
        })
    };
    let alone = fs::read_dir(&directory).is_ok_and(|mut entries| entries.all(is_own));
    if alone { directory } else { socket.to_owned() }
}

/// Where a file that is a link enters what is covered.
fn entry(file: &Path, covers: &[Cover]) -> Option<PathBuf> {
    let mut file = file.to_owned();
    for _ in 0..HOPS_MAX {
        let directory = fs::canonicalize(file.parent()?).ok()?;
        let place = directory.join(file.file_name()?);
        if covered(&place, covers) {
            return Some(place);
        }
        file = directory.join(fs::read_link(&place).ok()?);
    }
    None
}

/// The links at the top of `/run`: they open nothing that is not in sight, and some systems live by them (NixOS has its
/// programs behind `/run/current-system`).
fn links() -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let Some(run) = fs::canonicalize(RUN[0]).ok() else {
        return Ok(Vec::new());
    };
    let entries = fs::read_dir(run)?.take(4096).filter_map(Result::ok).map(|entry| entry.path());
    Ok(entries.filter_map(|path| Some((path.clone(), fs::read_link(path).ok()?))).take(LINKS_MAX).collect())
}

impl Kept {
    fn open(place: PathBuf, source: &Path, writable: bool) -> io::Result<Self> {
        let handle = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(source)?;
        let is_directory = handle.metadata()?.is_dir();
        Ok(Self { place, handle, is_directory, writable })
    }

    fn put_back(&self) -> io::Result<()> {
        if let Some(parent) = self.place.parent() {
            directory(parent, 0o755)?;
        }
        if self.is_directory {
            directory(&self.place, 0o755)?;
        } else {
            File::create_new(&self.place)?;
        }
        bind(Path::new(&format!("/proc/self/fd/{}", self.handle.as_raw_fd())), &self.place)?;
        // What the host mounts below it later does not arrive.
        change(&self.place, MsFlags::MS_PRIVATE)?;
        if !self.writable {
            read_only(&self.place)?;
        }
        Ok(())
    }
}

/// Makes a directory and those above it, whatever the caller's umask.
fn directory(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        directory(parent, 0o755)?;
    }
    DirBuilder::new().mode(0o700).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// A working directory in what is covered now would be a way to all of it (`..`): it is entered anew by its name.
fn come_back(here: io::Result<PathBuf>, covers: &[Cover]) -> io::Result<()> {
    match here {
        Ok(here) if !covered(&here, covers) => Ok(()),
        Ok(here) => env::set_current_dir(here).or_else(|_| env::set_current_dir("/")),
        Err(_) => env::set_current_dir("/"),
    }
}
