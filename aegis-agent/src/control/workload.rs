//! Which agent a process belongs to: by its cgroup, as the kernel's hooks do it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use aegis_api::Problem;

use super::Control;
use super::peer::Peer;

/// Where a caller stands.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Outside everything that is enforced.
    Free,
    /// In this agent's cgroup.
    Agent(String),
    /// In the enforced subtree, but in no agent's cgroup: an agent that was removed while it ran.
    Stray,
    /// It was in an agent's cgroup and has left it: on its way to its end, or only reported.
    Departed,
}

/// What a process' standing is told by: the daemon, the enforced subtree, and where cgroups are mounted.
#[derive(Clone)]
pub(super) struct Ground {
    control: Arc<dyn Control>,
    root: Arc<Path>,
    /// Those of the version 2 hierarchy, once there are any: the one that the agents' cgroups are named by is there before the daemon.
    mounts: Arc<OnceLock<Vec<Mount>>>,
}

impl Ground {
    pub(super) fn new(control: Arc<dyn Control>) -> Self {
        Self { root: control.cgroup_root().into(), control, mounts: Arc::default() }
    }

    /// Where `peer` stands.
    ///
    /// # Errors
    /// 403 when the process that connected is gone: its pid proves nothing any more.
    pub(super) fn standing(&self, peer: &Peer) -> Result<Standing, Problem> {
        let unclear = |what: &str, error: io::Error| {
            Problem::forbidden(format!("cannot tell {what} of process {}: {error}", peer.pid))
        };
        let (paths, departed) = (self.cgroup_paths(peer.pid), self.control.has_departed(peer.process()));
        // After the reading: if it lives now, it lived then, and the pid named it.
        if !peer.lives() {
            return Err(Problem::forbidden("the process that opened this connection is gone")
                .next("send the request from the process that connects"));
        }
        let paths = paths.map_err(|error| unclear("the cgroup", error))?;
        let departed = departed.map_err(|error| unclear("the past", error))?;
        Ok(match paths.iter().find_map(|path| self.control.agent_of(path)) {
            _ if departed => Standing::Departed,
            Some(agent) => Standing::Agent(agent),
            None if paths.iter().any(|path| path.starts_with(&self.root)) => Standing::Stray,
            None => Standing::Free,
        })
    }

    /// Absolute directory of the process' cgroup under each mount of the version 2 hierarchy; empty without one.
    fn cgroup_paths(&self, pid: i32) -> io::Result<Vec<PathBuf>> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let Some(path) = unified_path(&text) else {
            return Ok(Vec::new());
        };
        let resolved = |mounts: &[Mount]| mounts.iter().filter_map(|mount| mount.resolve(&path)).collect();
        if let Some(mounts) = self.mounts.get() {
            return Ok(resolved(mounts));
        }
        let found = mounts(&fs::read("/proc/self/mountinfo")?);
        if found.is_empty() {
            return Ok(Vec::new());
        }
        Ok(resolved(self.mounts.get_or_init(|| found)))
    }
}

fn mounts(mountinfo: &[u8]) -> Vec<Mount> {
    mountinfo.split(|byte| *byte == b'\n').filter_map(cgroup2_mount).collect()
}

/// The `0::/path` line of `/proc/PID/cgroup` (cgroups(7)). A path with `..` lies outside the daemon's cgroup namespace.
fn unified_path(text: &str) -> Option<PathBuf> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_))).then(|| path.to_owned())
}

struct Mount {
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.root).ok().map(|below| self.point.join(below))
    }
}

/// Reads a line of `/proc/PID/mountinfo` (proc(5)) if it is a cgroup2 mount.
fn cgroup2_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    (kind == b"cgroup2").then(|| Mount { root: unescape(root), point: unescape(point) })
}

/// Undoes mountinfo's octal escapes (`\040` is a blank).
fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = octal(byte, tail).unwrap_or((byte, tail));
        out.push(byte);
        rest = tail;
    }
    PathBuf::from(OsString::from_vec(out))
}

fn octal(byte: u8, tail: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = tail.split_at_checked(3)?;
    let text = (byte == b'\\').then(|| std::str::from_utf8(digits).ok())??;
    Some((u8::from_str_radix(text, 8).ok()?, after))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_unified_line_only() {
        let hybrid = "13:pids:/user\n1:name=systemd:/init\n0::/aegis/a\n";
        assert_eq!(unified_path(hybrid).unwrap(), Path::new("/aegis/a"));
        assert_eq!(unified_path("1:name=systemd:/aegis/a\n"), None);
        assert_eq!(unified_path("0::/../../aegis/a\n"), None);
    }

    #[test]
    fn reads_mountinfo() {
        let line = b"31 23 0:27 /kubepods /mnt/c\\040g rw,nosuid shared:9 master:1 - cgroup2 cgroup2 rw";
        let mount = cgroup2_mount(line).unwrap();
        assert_eq!(mount.resolve(Path::new("/kubepods/x")).unwrap(), Path::new("/mnt/c g/x"));
        assert_eq!(mount.resolve(Path::new("/elsewhere/x")), None);
        assert!(cgroup2_mount(b"31 23 0:27 / /sys/fs/bpf rw - bpf bpf rw").is_none());
        assert!(cgroup2_mount(b"").is_none());
    }
}
