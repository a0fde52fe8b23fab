//! The kernel's own statistics of BPF programs (`kernel.bpf_stats_enabled`): runs and nanoseconds.
// The bpf(2) system call has no wrapper in libc or nix; both calls below pass a zeroed attribute union of the size
// that the kernel is told.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";
const BPF_OBJ_GET: i64 = 7;
const BPF_PROG_GET_NEXT_ID: i64 = 11;
const BPF_PROG_GET_FD_BY_ID: i64 = 13;

/// Switches the statistics on and puts the switch back when dropped.
pub struct Switch(String);

impl Switch {
    pub fn on() -> Result<Switch> {
        let before = std::fs::read_to_string(SWITCH).context("kernel.bpf_stats_enabled")?;
        std::fs::write(SWITCH, "1")?;
        Ok(Switch(before))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = std::fs::write(SWITCH, &self.0);
    }
}

/// Runs and nanoseconds of one program.
#[derive(Clone, Copy, Default)]
pub struct Runs {
    pub count: u64,
    pub nanoseconds: u64,
}

/// The statistics of all loaded programs, by id.
pub fn all() -> Result<BTreeMap<u32, Runs>> {
    let mut found = BTreeMap::new();
    let mut id = 0_u32;
    while let Some(next) = next_id(id) {
        id = next;
        if let Some(fd) = program(id) {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
            let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            let runs = Runs { count: field("run_cnt:").unwrap_or(0), nanoseconds: field("run_time_ns:").unwrap_or(0) };
            found.insert(id, runs);
        }
    }
    Ok(found)
}

/// The names of the programs whose links are pinned in `directory`, by id.
pub fn pinned(directory: &Path) -> Result<BTreeMap<u32, String>> {
    let mut names = BTreeMap::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(link) = open(&CString::new(path.as_os_str().as_bytes())?) else { continue };
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd()))?;
        let id: Option<u32> = info.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok());
        names.extend(id.map(|id| (id, name)));
    }
    Ok(names)
}

#[repr(C)]
struct ByPath {
    path: u64,
    descriptor: u32,
    flags: u32,
}

fn open(path: &CStr) -> Option<OwnedFd> {
    let mut attribute = ByPath { path: path.as_ptr() as u64, descriptor: 0, flags: 0 };
    // SAFETY: path and attribute outlive the call; a result that is not negative is a descriptor that nobody else owns.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_OBJ_GET, &raw mut attribute, size_of::<ByPath>()) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next_id: u32,
    open_flags: u32,
    padding: u32,
}

fn next_id(after: u32) -> Option<u32> {
    let mut attribute = ById { id: after, ..ById::default() };
    // SAFETY: the attribute outlives the call and its size is passed.
    let result = unsafe { call(BPF_PROG_GET_NEXT_ID, &mut attribute) };
    (result == 0).then_some(attribute.next_id)
}

fn program(id: u32) -> Option<OwnedFd> {
    let mut attribute = ById { id, ..ById::default() };
    // SAFETY: as above; a result that is not negative is a descriptor that nobody else owns.
    let fd = unsafe { call(BPF_PROG_GET_FD_BY_ID, &mut attribute) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

unsafe fn call(command: i64, attribute: &mut ById) -> i64 {
    unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attribute), size_of::<ById>()) }
}
