//! The daemon's place among those who want the processor: before its agents.
//!
//! An agent that uses all of it would else keep the daemon from giving signs of life, and every agent would be denied.

// getpriority(2) and setpriority(2) have no wrapper in nix.
#![allow(unsafe_code)]

/// Some nine times the share of a process that asks for nothing.
const NICE: i32 = -10;
/// That of what nobody waits for.
const NICE_BEHIND: i32 = 5;

/// To be called before any thread is started: each begins with the priority of who started it.
pub fn before_agents() {
    // SAFETY: numbers only.
    let had = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) } <= NICE;
    // SAFETY: as above.
    if !had && unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } != 0 {
        let error = std::io::Error::last_os_error();
        tracing::warn!("no higher priority than agents: {error}; fix: Nice={NICE} in the unit, or CAP_SYS_NICE");
    }
}

/// For a thread whose work can wait: behind those that serve requests.
pub fn after_requests() {
    // SAFETY: numbers only. For Linux 0 is the calling thread, and to stand back needs no right.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE_BEHIND) };
}
