//! Where and on what it was measured: how busy a machine was is part of the figure.

use std::fmt;
use std::process::Command;

/// The machine at the beginning of a run.
pub struct Machine {
    cores: usize,
    kernel: String,
    commit: String,
    /// Runnable tasks of the last minute, before the benchmark added its own.
    load: f64,
}

impl Machine {
    pub fn now() -> Self {
        let line = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
        let commit = git.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
        let load = line("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN);
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: line("/proc/sys/kernel/osrelease"),
            commit,
            load,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, kernel, commit, load } = self;
        let busy = if *load > 0.5 { "others were at work" } else { "nothing else ran" };
        write!(f, "Commit {commit}, {cores} cores, Linux {kernel}, load average {load:.2} before the run ({busy}).")
    }
}
