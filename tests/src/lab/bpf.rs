//! What of BPF the kernel holds for a cgroup, whoever keeps it alive: pins, processes, or nobody that anybody knows.
// The bpf(2) system call has no wrapper in libc or nix.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use nix::libc;

// linux/bpf.h, `enum bpf_cmd`.
const BPF_LINK_GET_FD_BY_ID: i64 = 30;
const BPF_LINK_GET_NEXT_ID: i64 = 31;

#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next_id: u32,
    open_flags: u32,
    padding: u32,
}

/// The programs attached to a cgroup by links: how many of each attach type.
pub fn attached(cgroup: &Path) -> Result<BTreeMap<String, usize>> {
    let wanted = std::fs::metadata(cgroup)?.ino().to_string();
    let mut found = BTreeMap::new();
    let mut attribute = ById::default();
    while call(BPF_LINK_GET_NEXT_ID, &mut attribute) == 0 {
        let mut this = ById { id: attribute.next_id, ..ById::default() };
        attribute = ById { id: this.id, ..ById::default() };
        // It may have gone meanwhile.
        let Ok(link @ 0..) = i32::try_from(call(BPF_LINK_GET_FD_BY_ID, &mut this)) else { continue };
        // SAFETY: a descriptor that the kernel has just made and nobody else owns.
        let link = unsafe { OwnedFd::from_raw_fd(link) };
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd()))?;
        let field = |name: &str| info.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
        if field("cgroup_id:").as_deref() == Some(&wanted) {
            *found.entry(field("attach_type:").unwrap_or_default()).or_default() += 1;
        }
    }
    Ok(found)
}

fn call(command: i64, attribute: &mut ById) -> i64 {
    // SAFETY: the attribute outlives the call and its size is passed.
    unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attribute), size_of::<ById>()) }
}
