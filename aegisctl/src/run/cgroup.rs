//! Into the agent's cgroup, and not out of it again.

use std::fs;
use std::path::Path;

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::{AccessFlags, access};

use super::stopped;
use crate::failure::Failure;

/// Moves this process into the cgroup.
pub fn join(directory: &str) -> Result<(), Failure> {
    let directory = Path::new(directory);
    let step = format!("join the cgroup {}", directory.display());
    let is_cgroup2 = statfs(directory).is_ok_and(|fs| fs.filesystem_type() == CGROUP2_SUPER_MAGIC);
    if !is_cgroup2 {
        return Err(stopped(&step, "it is no directory of the cgroup v2 hierarchy", "aegisctl doctor"));
    }
    // "0" is the writer itself, whatever its pid is called in the cgroup's pid namespace (cgroups(7)).
    fs::write(directory.join("cgroup.procs"), "0")
        .map_err(|error| stopped(&step, error, "run aegisctl as root (sudo); change the user with --user"))
}

/// Refuses to go on where the process, as it is now, could move itself: into the cgroup's parents or beside it.
pub fn refuse_if_writable(directory: &str) -> Result<(), Failure> {
    let writable = Path::new(directory)
        .ancestors()
        .map(|directory| directory.join("cgroup.procs"))
        .take_while(|procs| procs.exists())
        .find(|procs| access(procs, AccessFlags::W_OK).is_ok());
    match writable {
        None => Ok(()),
        Some(procs) => Err(stopped(
            "keep the agent in its cgroup",
            format!("its user could write {}", procs.display()),
            "use another --user, or give the file back to root (chown root)",
        )),
    }
}
