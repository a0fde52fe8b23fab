//! Taking everything away again: on drop, on a signal, and after a run that was killed.
//!
//! A laboratory is a directory below [`ROOT`] whose name is also the name of its namespaces and its cgroup.
//! Its owner holds a lock on the file `owner` in it: the kernel lets go of that lock however the owner dies, so
//! "lock is free" means "nobody will clean this up but us", whatever process now has the old process id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cgroup;
use super::netns::Namespace;

/// Where laboratories live.
pub const ROOT: &str = "/tmp/aegis-lab";

static LIVE: Mutex<Vec<String>> = Mutex::new(Vec::new());
static BUILDING: RwLock<()> = RwLock::new(());
static ON_SIGNAL: Once = Once::new();

/// The claim on one laboratory; dropping it removes all that belongs to the laboratory.
pub struct Claim {
    id: String,
    _owner: Flock<File>,
}

impl Claim {
    /// Sweeps what dead owners left, then claims a new directory. Also installs the signal handler.
    pub fn new(id: &str) -> Result<Claim> {
        ON_SIGNAL.call_once(clean_on_signal);
        fs::create_dir_all(ROOT).with_context(|| format!("making {ROOT}"))?;
        // One at a time: a directory without a lock in it would look like somebody's remains.
        let gate = File::create(Path::new(ROOT).join(".gate"))?;
        let _gate = Flock::lock(gate, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        sweep();
        let directory = directory(id);
        fs::create_dir(&directory).with_context(|| format!("making {}", directory.display()))?;
        let owner = File::create(directory.join("owner"))?;
        let owner = Flock::lock(owner, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)?;
        LIVE.lock().unwrap().push(id.to_owned());
        Ok(Claim { id: id.to_owned(), _owner: owner })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        LIVE.lock().unwrap().retain(|id| *id != self.id);
        remove(&self.id);
    }
}

/// The private directory of a laboratory.
pub fn directory(id: &str) -> PathBuf {
    Path::new(ROOT).join(id)
}

/// Name of the daemon's instance.
pub fn instance(id: &str) -> String {
    format!("lab-{id}")
}

/// Name of the namespace in which daemon and agents run.
pub fn host_namespace(id: &str) -> String {
    format!("aegis-{id}-host")
}

/// Name of the namespace that is the internet.
pub fn inet_namespace(id: &str) -> String {
    format!("aegis-{id}-inet")
}

/// Name of the namespace of a container.
pub fn container_namespace(id: &str) -> String {
    format!("aegis-{id}-cont")
}

/// Held while something is made. After a signal nobody gets it any more, so nothing is made behind the clean-up's back.
pub fn building() -> RwLockReadGuard<'static, ()> {
    BUILDING.read().unwrap_or_else(PoisonError::into_inner)
}

fn clean_on_signal() {
    let handler = || {
        let _nothing_new = BUILDING.write();
        let live = LIVE.lock().map(|live| live.clone()).unwrap_or_default();
        for id in live {
            remove(&id);
        }
        std::process::exit(130);
    };
    // Fails only where another handler is installed; then that one decides, and the next run sweeps.
    let _ = ctrlc::set_handler(handler);
}

/// Removes laboratories whose owner is dead.
fn sweep() {
    let Ok(entries) = fs::read_dir(ROOT) else {
        return;
    };
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        let abandoned = File::open(entry.path().join("owner"))
            .map(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok())
            .unwrap_or(true);
        if abandoned {
            remove(&entry.file_name().to_string_lossy());
        }
    }
}

/// Removes processes, cgroup, namespaces, mounts and files of one laboratory; what is not there is no error.
fn remove(id: &str) {
    let namespaces = [host_namespace(id), inet_namespace(id), container_namespace(id)];
    cgroup::kill_all(id);
    for namespace in &namespaces {
        end_processes(namespace);
    }
    let directory = directory(id);
    let _ = umount2(&directory.join("bpf"), MntFlags::MNT_DETACH);
    cgroup::remove(id);
    for namespace in &namespaces {
        Namespace::remove(namespace);
    }
    let _ = umount2(&directory.join("small"), MntFlags::MNT_DETACH);
    let _ = fs::remove_dir_all(&directory);
    let _ = fs::remove_dir_all(Path::new("/run/aegisctl").join(instance(id)));
}

fn end_processes(namespace: &str) {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        let processes = Namespace::processes(namespace);
        if processes.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in processes {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
