//! A private mount namespace: the merged trust store in the system's place, the kernel's file systems and switches
//! read-only, and helpers and devices that lead past the kernel's hooks out of sight.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use procfs::process::Process;

use super::hidden::{Stays, hide};
use super::stopped;
use super::trust::{SYSTEM_STORES, Trust};
use crate::failure::Failure;

const FIX: &str = "give aegisctl CAP_SYS_ADMIN, or run the command as another user: --user USER";

/// File systems through which the kernel is told what to do: among them to move processes between cgroups, to remove
/// Aegis' pins, or to run a program outside of every cgroup (`release_agent`, `uevent_helper`).
const KERNEL_FILE_SYSTEMS: [&str; 11] = [
    "cgroup2",
    "cgroup",
    "bpf",
    "sysfs",
    "debugfs",
    "tracefs",
    "securityfs",
    "configfs",
    "efivarfs",
    "pstore",
    "binfmt_misc",
];

/// The same below `/proc` (`core_pattern` names a program that the kernel runs), as container runtimes close them.
const KERNEL_SWITCHES: [&str; 6] =
    ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi"];

/// Isolates the mounts. `required`: the command stays root, whom only this keeps from the cgroup files; for other users
/// file permissions do, so that for them a failure costs only the trust store's replacement and is a warning.
pub fn isolate(trust: &Trust, stays: &Stays<'_>, required: bool) -> Result<(), Failure> {
    match enter() {
        Ok(()) => {}
        Err(error) if required => {
            return Err(stopped("make a private mount namespace", error, FIX));
        }
        Err(error) => {
            eprintln!(
                "aegisctl: warning: no private mount namespace ({error}): programs that read only the system's trust \
                 store (wget) will not trust Aegis"
            );
            return Ok(());
        }
    }
    for point in kernel_file_systems().map_err(|error| stopped("read the mounts", error, FIX))? {
        match read_only(&point) {
            // Something else is mounted over it: out of reach already.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => return Err(stopped(&format!("make {} read-only", point.display()), error, FIX)),
        }
    }
    for switch in KERNEL_SWITCHES.map(Path::new).into_iter().filter(|path| path.exists()) {
        bind(switch, switch)
            .and_then(|()| read_only(switch))
            .map_err(|error| stopped(&format!("make {} read-only", switch.display()), error, FIX))?;
    }
    hide(stays).map_err(|error| stopped("hide the sockets of helpers", error, FIX))?;
    for store in SYSTEM_STORES.iter().filter_map(|store| fs::canonicalize(store).ok()) {
        if let Err(error) = bind(&trust.bundle, &store) {
            eprintln!("aegisctl: warning: cannot put the merged trust store over {}: {error}", store.display());
        }
    }
    Ok(())
}

fn enter() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // Slave: what is mounted here stays here, what the host mounts later still arrives.
    change("/", MsFlags::MS_REC | MsFlags::MS_SLAVE)
}

fn kernel_file_systems() -> Result<Vec<PathBuf>, procfs::ProcError> {
    let mounts = Process::myself()?.mountinfo()?;
    let kernels = mounts.into_iter().filter(|mount| KERNEL_FILE_SYSTEMS.contains(&mount.fs_type.as_str()));
    Ok(kernels.map(|mount| mount.mount_point).collect())
}

/// Makes one mount read-only, for this namespace alone.
pub fn read_only(point: &Path) -> nix::Result<()> {
    let strict = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // With MS_BIND the flags are this mount's alone, not the file system's, which the host shares.
    change(point, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | strict)
}

/// Shows `source` at `target` too.
pub fn bind(source: &Path, target: &Path) -> nix::Result<()> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
}

/// Changes how a mount propagates, or its flags.
pub fn change<P: AsRef<Path> + ?Sized>(target: &P, flags: MsFlags) -> nix::Result<()> {
    mount(None::<&str>, target.as_ref(), None::<&str>, flags, None::<&str>)
}
