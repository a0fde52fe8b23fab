//! Network namespaces of our own, and threads and processes inside them.
//!
//! Made with `ip netns`, so that an engineer can look into a running laboratory with the same tool. A thread
//! enters a namespace for good and is never reused outside it: namespaces belong to threads, not to processes.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// A named network namespace that this process made.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace; needs `CAP_SYS_ADMIN` and iproute2.
    pub fn create(name: &str) -> Result<Namespace> {
        ip(["netns", "add", name]).context("a network namespace could not be made: run this as root")?;
        Ok(Namespace { name: name.to_owned() })
    }

    /// The name under `/run/netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Moves the calling thread into the namespace, for the rest of its life.
    fn enter(&self) -> Result<()> {
        let file = File::open(self.path()).with_context(|| format!("namespace {} is gone", self.name))?;
        setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("entering namespace {}", self.name))
    }

    /// Starts a thread that lives in the namespace.
    pub fn thread<T: Send + 'static>(
        &self,
        label: &str,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let namespace = self.clone();
        std::thread::Builder::new()
            .name(label.to_owned())
            .spawn(move || {
                namespace.enter()?;
                Ok(body())
            })
            .context("starting a thread")
    }

    /// Runs `body` in the namespace and gives its value back.
    pub fn within<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        match self.thread("lab-within", body)?.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Starts a process in the namespace, which sees `resolv_conf` as its `/etc/resolv.conf`.
    ///
    /// The thread that forks has entered the namespaces itself, so no code has to run between fork and exec.
    pub fn spawn(&self, mut command: Command, resolv_conf: &Path) -> Result<Child> {
        let resolv_conf = resolv_conf.to_owned();
        let _building = super::remains::building();
        self.within(move || {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).context("a private mount namespace")?;
            let none: Option<&str> = None;
            // Slave, not private: a mount made later by the laboratory is still seen, nothing leaks back.
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none).context("making / a slave mount")?;
            mount(Some(&resolv_conf), "/etc/resolv.conf", none, MsFlags::MS_BIND, none)
                .context("binding the laboratory's resolv.conf")?;
            command.spawn().with_context(|| format!("starting {:?}", command.get_program()))
        })?
    }

    /// Processes whose main thread is in the namespace, without the calling process.
    pub fn processes(name: &str) -> Vec<i32> {
        let Ok(output) = Command::new("ip").args(["netns", "pids", name]).output() else {
            return Vec::new();
        };
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .filter(|pid| *pid != own)
            .collect()
    }

    /// Removes a namespace by name; one that does not exist is no error.
    pub fn remove(name: &str) {
        let _ = Command::new("ip").args(["netns", "delete", name]).output();
    }
}

/// Runs `ip` with `arguments`; its standard error becomes the error.
pub fn ip<I, S>(arguments: I) -> Result<()>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new("ip");
    command.args(arguments);
    let output = command.output().context("`ip` is missing: apt-get install iproute2")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Runs several `ip` lines inside one namespace in a single process.
pub fn ip_batch(namespace: &str, lines: &[String]) -> Result<()> {
    use std::io::Write;
    let mut child = Command::new("ip")
        .args(["-n", namespace, "-batch", "-"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .context("`ip` is missing: apt-get install iproute2")?;
    if let Some(stdin) = child.stdin.as_mut() {
        stdin.write_all(lines.join("\n").as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("ip -batch in {namespace}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
