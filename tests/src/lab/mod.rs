//! One laboratory: two network namespaces, a cable, an internet, and room for a daemon and its agents.

pub mod bpf;
mod cgroup;
mod command;
pub mod container;
mod curl;
mod daemon;
mod go;
pub mod netns;
mod raw;
pub mod redis;
mod remains;
mod service;
mod settings;
pub mod wiring;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};

pub use command::{AgentCommand, Outcome, Running};
pub use curl::Answer;
pub use daemon::Daemon;
pub use service::{Service, python};
pub use settings::{AGENT, Settings};

use crate::internet::Internet;
use netns::Namespace;
use remains::Claim;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A laboratory; all of it goes away on drop, on panic, on SIGINT and SIGTERM.
pub struct Lab {
    /// Where daemon and agents run.
    pub host: Namespace,
    /// Where the origins run.
    pub inet: Namespace,
    /// What runs outside, and what it saw.
    pub internet: Internet,
    id: String,
    // Last: it removes what the others use.
    _claim: Claim,
}

impl Lab {
    /// Builds everything; needs root. The error says what is missing.
    pub fn new() -> Result<Lab> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the laboratory makes network namespaces and cgroups: run it as root"
        );
        let id = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let claim = Claim::new(&id)?;
        let _building = remains::building();
        let host = Namespace::create(&remains::host_namespace(&id))?;
        let inet = Namespace::create(&remains::inet_namespace(&id))?;
        wiring::connect(&host, &inet)?;
        let directory = remains::directory(&id);
        for sub in ["home", "www", "bpf", "state"] {
            std::fs::create_dir(directory.join(sub))?;
        }
        mount_bpf(&directory.join("bpf"))?;
        let internet = Internet::start(&inet, &directory.join("www"))?;
        std::fs::write(directory.join("origin-root.pem"), internet.authority.pem())?;
        std::fs::write(
            directory.join("resolv.conf"),
            format!("nameserver {}\noptions timeout:2 attempts:1\n", wiring::DNS_V4),
        )?;
        Ok(Lab { host, inet, internet, id, _claim: claim })
    }

    /// The private directory: `home`, `www`, `bpf` (a bpffs), `state`, configuration and logs.
    pub fn directory(&self) -> PathBuf {
        remains::directory(&self.id)
    }

    /// Path of a file in the private directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// The cgroup subtree that the daemon makes for its agents.
    pub fn cgroup(&self) -> Result<PathBuf> {
        cgroup::root(&self.id)
    }

    /// The instance's name: `aegisctl` keeps what agents read under it.
    pub fn instance(&self) -> String {
        remains::instance(&self.id)
    }

    /// Name of the subtree below the cgroup v2 mount.
    pub fn cgroup_name(&self) -> String {
        cgroup::name(&self.id)
    }

    /// A command run as the agent named `agent`, through `aegisctl run`.
    pub fn agent(&self, agent: &str) -> AgentCommand<'_> {
        AgentCommand::new(self, Some(agent))
    }

    /// A command in the host's namespace that is nobody's agent: what an unenforced process could do.
    pub fn bystander(&self) -> AgentCommand<'_> {
        AgentCommand::new(self, None)
    }

    /// Runs `aegisctl` against this laboratory's daemon.
    pub fn ctl(&self, arguments: &[&str]) -> Result<Outcome> {
        let aegisctl = binary("aegisctl")?;
        let mut command = vec![aegisctl.to_string_lossy().into_owned()];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self.bystander().run(&command)
    }

    /// Returns when all that left the host so far has been captured.
    pub fn settle(&self) -> Result<()> {
        self.internet.capture.settle(&self.host)
    }

    /// A file system of `bytes` size at `small` in the private directory, to be filled up.
    pub fn small_disk(&self, bytes: u64) -> Result<PathBuf> {
        let _building = remains::building();
        let target = self.path("small");
        std::fs::create_dir_all(&target)?;
        let options = format!("size={bytes}");
        mount(Some("aegis-lab"), &target, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .context("a small tmpfs")?;
        Ok(target)
    }
}

fn mount_bpf(target: &Path) -> Result<()> {
    let none: Option<&str> = None;
    mount(Some("bpf"), target, Some("bpf"), MsFlags::empty(), none).context("mounting a bpffs: run this as root")
}

/// A program of this workspace: from `AEGIS_BIN_DIR`, or beside the running executable.
pub fn binary(name: &str) -> Result<PathBuf> {
    let directory = match std::env::var_os("AEGIS_BIN_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => {
            let own = std::env::current_exe()?;
            let directory = own.parent().context("an executable without a directory")?;
            if directory.ends_with("deps") {
                directory.parent().context("deps without a parent")?.to_owned()
            } else {
                directory.to_owned()
            }
        }
    };
    let path = directory.join(name);
    ensure!(path.exists(), "{} is not built: run `cargo xtask test` or `cargo build`", path.display());
    Ok(path)
}

/// Asks `condition` again and again until it gives a value, for at most `limit`.
pub fn wait_for<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
