//! Which core does what.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The core of whatever stands between load and origin.
pub const PROXY_CORE: usize = 0;
/// The core of load and origin.
pub const LOAD_CORE: usize = 1;

/// Pins this thread, and all that it starts from now on, to `core`, where there is one.
pub fn here(core: usize) {
    let mut set = CpuSet::new();
    if std::thread::available_parallelism().is_ok_and(|n| n.get() > core) && set.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}

/// Does `start` on the proxy's core: the processes that it starts stay there and size themselves for one core.
pub fn on_proxy_core<T>(start: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(Pid::from_raw(0));
    here(PROXY_CORE);
    let started = start();
    if let Ok(before) = before {
        let _ = sched_setaffinity(Pid::from_raw(0), &before);
    }
    started
}
