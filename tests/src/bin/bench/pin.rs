//! Which core does what.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// The core of whatever stands between load and origin.
pub const PROXY_CORE: usize = 0;
/// The core of load and origin.
pub const LOAD_CORE: usize = 1;

/// Pins this process (call it before threads are made) to `core`, where there is one.
pub fn here(core: usize) {
    process(0, core);
}

/// Pins every thread of a process.
pub fn process(pid: u32, core: usize) {
    let mut set = CpuSet::new();
    if std::thread::available_parallelism().is_ok_and(|n| n.get() > core) && set.set(core).is_ok() {
        let tasks = if pid == 0 { Vec::new() } else { threads(pid) };
        for task in tasks.into_iter().chain((pid == 0).then_some(0)) {
            let _ = sched_setaffinity(Pid::from_raw(task), &set);
        }
    }
}

fn threads(pid: u32) -> Vec<i32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}
