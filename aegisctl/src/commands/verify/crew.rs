//! The probes, as aegisctl sees them: processes of its own, outside and inside the agent's cgroup.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use std::{fs, io};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use super::channel::{Channel, Order, Reply};
use super::sink::{Sink, wait};
use crate::failure::Failure;

/// Children of the agent's cgroup that a run makes begin so; the process id follows.
const CHILD_PREFIX: &str = "aegis-verify-";

/// A probe.
pub struct Probe {
    process: Child,
    channel: Channel,
}

impl Probe {
    /// Starts one: in `cgroup` or, without, where aegisctl is.
    fn start(sink: &Sink, cgroup: Option<&Path>, root: bool, deadline: Instant) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::No(format!("cannot start a probe: {error}"));
        let (channel, other) = Channel::pair().map_err(failed)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg("verify-probe").env_clear();
        command.args(sink.namespace().iter().flat_map(|path| [Path::new("--namespace"), path]));
        command.args(cgroup.iter().flat_map(|path| [Path::new("--cgroup"), path]));
        if root {
            command.arg("--root");
        }
        command.stdin(Stdio::from(other)).stdout(Stdio::null()).stderr(Stdio::null());
        let mut probe = Self { process: command.spawn().map_err(failed)?, channel };
        match probe.reply(deadline)?.refused {
            None => Ok(probe),
            Some(refused) => {
                Err(Failure::No(format!("cannot start a probe: {refused}\n  next: run it as root (sudo)")))
            }
        }
    }

    /// Has something tried.
    pub fn tries(&mut self, order: &Order, gift: Option<OwnedFd>, deadline: Instant) -> Result<Reply, Failure> {
        let gift = gift.as_ref().map(AsFd::as_fd);
        self.channel.send(order, gift).map_err(|error| gone(&error))?;
        self.reply(deadline)
    }

    fn reply(&mut self, deadline: Instant) -> Result<Reply, Failure> {
        wait(self.channel.as_fd(), deadline)?;
        match self.channel.receive().map_err(|error| gone(&error))? {
            Some((reply, _)) => Ok(reply),
            None => Err(gone(&io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn gone(error: &io::Error) -> Failure {
    Failure::No(format!("a probe ended before its time: {error}; nothing was reported"))
}

impl Drop for Probe {
    fn drop(&mut self) {
        // It has nothing to lose, and its cgroup can be removed only when it is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All probes of a run.
pub struct Crew {
    pub outside: Probe,
    pub outside_root: Probe,
    pub inside: Probe,
    pub inside_root: Probe,
    pub in_child: Probe,
    // Last: it is removed when the probes are gone.
    _child: ChildCgroup,
}

impl Crew {
    /// Starts them.
    pub fn start(sink: &Sink, cgroup: &Path, deadline: Instant) -> Result<Self, Failure> {
        let child = ChildCgroup::make(cgroup)?;
        let start = |cgroup, root| Probe::start(sink, cgroup, root, deadline);
        Ok(Self {
            outside: start(None, false)?,
            outside_root: start(None, true)?,
            inside: start(Some(cgroup), false)?,
            inside_root: start(Some(cgroup), true)?,
            in_child: start(Some(&child.0), false)?,
            _child: child,
        })
    }
}

/// A child of the agent's cgroup.
struct ChildCgroup(PathBuf);

impl ChildCgroup {
    /// Makes it, and takes away what runs that were killed left behind.
    fn make(parent: &Path) -> Result<Self, Failure> {
        if !statfs(parent).is_ok_and(|fs| fs.filesystem_type() == CGROUP2_SUPER_MAGIC) {
            let parent = parent.display();
            return Err(Failure::No(format!(
                "{parent} is no directory of the cgroup v2 hierarchy\n  next: aegisctl agents list"
            )));
        }
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(CHILD_PREFIX) {
                // One that is in use cannot be removed: it is of a run that goes on.
                let _ = fs::remove_dir(entry.path());
            }
        }
        let path = parent.join(format!("{CHILD_PREFIX}{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| {
            Failure::No(format!("cannot make the cgroup {}: {error}\n  next: run it as root (sudo)", path.display()))
        })?;
        Ok(Self(path))
    }
}

impl Drop for ChildCgroup {
    fn drop(&mut self) {
        // What fails is swept by the next run.
        let _ = fs::remove_dir(&self.0);
    }
}
