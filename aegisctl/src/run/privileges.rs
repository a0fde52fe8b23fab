//! Capabilities: what the command may keep.

use caps::{CapSet, Capability, CapsHashSet};

use super::stopped;
use crate::failure::Failure;

const FIX: &str = "run aegisctl as root (sudo)";

/// What a command that stays root keeps: what package managers and shells need. A list of what is kept, not of what is
/// dropped, so that a capability that a later kernel adds is dropped too. Not in it, among others: `CAP_NET_RAW` (frames
/// past every hook), `CAP_NET_ADMIN`, `CAP_BPF`, `CAP_PERFMON`, `CAP_SYS_ADMIN`, `CAP_SYS_PTRACE`, `CAP_SYS_MODULE`,
/// `CAP_SYS_RAWIO`, `CAP_MKNOD`, `CAP_DAC_READ_SEARCH`.
const KEPT_BY_ROOT: [Capability; 11] = [
    Capability::CAP_AUDIT_WRITE,
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_KILL,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_CHROOT,
];

fn kept(stays_root: bool) -> CapsHashSet {
    if stays_root { KEPT_BY_ROOT.into_iter().collect() } else { CapsHashSet::new() }
}

/// Takes from the bounding set what no program that the command executes may ever get. Without `CAP_SETPCAP` this is
/// impossible, and `no_new_privs` alone holds.
pub fn shrink_bounding_set(stays_root: bool) -> Result<(), Failure> {
    let failed = |error| stopped("drop capabilities", error, FIX);
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(failed)? {
        return Ok(());
    }
    let kept = kept(stays_root);
    let bounding = caps::read(None, CapSet::Bounding).map_err(failed)?;
    bounding.difference(&kept).try_for_each(|cap| caps::drop(None, CapSet::Bounding, *cap)).map_err(failed)
}

/// Takes the rest from the sets that hold now, and looks whether it is gone.
pub fn shrink(stays_root: bool) -> Result<(), Failure> {
    let failed = |error| stopped("drop capabilities", error, FIX);
    let permitted = caps::read(None, CapSet::Permitted).map_err(failed)?;
    let kept: CapsHashSet = kept(stays_root).intersection(&permitted).copied().collect();
    caps::clear(None, CapSet::Ambient).map_err(failed)?;
    caps::clear(None, CapSet::Inheritable).map_err(failed)?;
    // Effective before permitted: it may never be the larger of the two.
    caps::set(None, CapSet::Effective, &kept).map_err(failed)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(failed)?;
    let left = caps::read(None, CapSet::Permitted).map_err(failed)?;
    if left != kept {
        return Err(stopped("drop capabilities", format!("{left:?} are left"), "report this as a bug"));
    }
    Ok(())
}
