//! The laboratory's own cgroup subtree. Nothing is ever attached to a cgroup that was not made here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The cgroup v2 mount, wherever this machine has it (`/sys/fs/cgroup` or `/sys/fs/cgroup/unified`).
pub fn mount() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let target = fields.next()?;
            (fields.next()? == "cgroup2").then(|| PathBuf::from(target))
        })
        .next()
        .context("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")
}

/// The subtree of laboratory `id`; the daemon makes it.
pub fn root(id: &str) -> Result<PathBuf> {
    Ok(mount()?.join(name(id)))
}

/// Name of the subtree below the mount.
pub fn name(id: &str) -> String {
    format!("aegis-{id}")
}

/// Kills every process in the subtree (`cgroup.kill`, Linux 5.14).
pub fn kill_all(id: &str) {
    if let Ok(root) = root(id) {
        let _ = fs::write(root.join("cgroup.kill"), "1");
    }
}

/// Removes the subtree, deepest first; killed processes take a moment to leave it.
pub fn remove(id: &str) {
    let Ok(root) = root(id) else { return };
    let deadline = Instant::now() + Duration::from_secs(3);
    while root.exists() {
        remove_tree(&root);
        if Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn remove_tree(path: &Path) {
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        remove_tree(&entry.path());
    }
    let _ = fs::remove_dir(path);
}
