//! Where a process, or a directory of the cgroup file system, stands in the hierarchy. What the helpers tell of the caller
//! alone is read here from the kernel's own structures, at the offsets that the daemon found in its BTF.

use core::ffi::c_void;

use aegis_common::KernelLayout;
use aya_ebpf::{
    Global,
    helpers::{bpf_get_current_ancestor_cgroup_id, generated::bpf_probe_read_kernel},
};

use crate::maps::{AGENT_CGROUPS, settings};

/// Set by the daemon at load time, constant from then on.
#[unsafe(no_mangle)]
static LAYOUT: Global<KernelLayout> = Global::new(KernelLayout::EMPTY);

/// Levels walked upwards. What lies deeper is nobody's.
const HEIGHT: u32 = 48;

/// A place below the enforced root.
#[derive(Clone, Copy, PartialEq)]
pub struct Place {
    /// The agent's cgroup; where there is no agent, the place's own.
    pub cgroup_id: u64,
    /// 0: nobody's.
    pub agent: u32,
}

#[inline(always)]
pub fn layout() -> KernelLayout {
    LAYOUT.load()
}

/// Whether the calling process lives below the enforced root: everybody else is left alone.
#[inline(always)]
pub fn enforced() -> bool {
    let settings = settings();
    // SAFETY: plain helper.
    unsafe { bpf_get_current_ancestor_cgroup_id(settings.root_level as i32) == settings.root_cgroup_id }
}

/// A value in the kernel's memory; none when it cannot be read.
#[inline(always)]
pub fn read<T: Default>(at: u64, offset: u32) -> Option<T> {
    let mut value = T::default();
    // SAFETY: the buffer is as long as said; a bad address is the helper's answer and no fault.
    let result = unsafe {
        bpf_probe_read_kernel(
            (&raw mut value).cast::<c_void>(),
            size_of::<T>() as u32,
            (at.wrapping_add(u64::from(offset))) as *const c_void,
        )
    };
    (result == 0).then_some(value)
}

/// The cgroup of a task.
#[inline(always)]
pub fn cgroup_of(task: u64) -> Option<u64> {
    let layout = layout();
    read(read(task, layout.task_css_set)?, layout.css_set_cgroup)
}

/// Where a cgroup lies; none outside of the enforced root.
#[inline(always)]
pub fn of_cgroup(cgroup: u64) -> Option<Place> {
    let layout = layout();
    climb(
        cgroup,
        |cgroup| read(read(cgroup, layout.cgroup_node)?, layout.node_id),
        |cgroup| {
            // Every cgroup begins in its parent's `self`.
            let parent: u64 = read(cgroup, layout.cgroup_self.wrapping_add(layout.css_parent))?;
            (parent != 0).then(|| parent.wrapping_sub(u64::from(layout.cgroup_self)))
        },
    )
}

/// Where a directory of the cgroup file system lies; none outside of the enforced root.
#[inline(always)]
pub fn of_directory(dentry: u64) -> Option<Place> {
    let layout = layout();
    climb(
        dentry,
        |dentry| read(read(dentry, layout.dentry_inode)?, layout.inode_number),
        |dentry| {
            let parent: u64 = read(dentry, layout.dentry_parent)?;
            (parent != dentry).then_some(parent)
        },
    )
}

/// From a place upwards to the enforced root: the first that is enrolled or marked as closed says whose it is.
#[inline(always)]
fn climb(start: u64, id: impl Fn(u64) -> Option<u64>, parent: impl Fn(u64) -> Option<u64>) -> Option<Place> {
    let root = settings().root_cgroup_id;
    let (mut at, mut place) = (start, Place { cgroup_id: id(start)?, agent: 0 });
    let mut found = false;
    for _ in 0..HEIGHT {
        let cgroup_id = id(at)?;
        if cgroup_id == root {
            return Some(place);
        }
        if !found
            // SAFETY: preallocated and written by the daemon only; the value is copied at once.
            && let Some(agent) = unsafe { AGENT_CGROUPS.get(cgroup_id) }
        {
            found = true;
            if *agent != 0 {
                place = Place { cgroup_id, agent: *agent };
            }
        }
        at = parent(at)?;
    }
    None
}
