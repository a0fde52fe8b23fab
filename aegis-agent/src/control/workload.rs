//! Which agent a process belongs to: by its cgroup, as the kernel's hooks do it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use aegis_api::{Agent, Problem};

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
}

/// Where `peer` stands.
///
/// # Errors
/// 403 when the process that connected is gone: its pid proves nothing any more.
pub(super) fn standing(peer: &Peer, agents: &[Agent], root: &Path) -> Result<Standing, Problem> {
    let paths = cgroup_paths(peer.pid)
        .map_err(|error| Problem::forbidden(format!("cannot tell the cgroup of process {}: {error}", peer.pid)))?;
    // After the reading: if it lives now, it lived then, and the pid named it.
    if !peer.lives() {
        return Err(Problem::forbidden("the process that opened this connection is gone")
            .next("send the request from the process that connects"));
    }
    Ok(match longest_match(&paths, agents) {
        Some(agent) => Standing::Agent(agent),
        None if paths.iter().any(|path| path.starts_with(root)) => Standing::Stray,
        None => Standing::Free,
    })
}

fn longest_match(paths: &[PathBuf], agents: &[Agent]) -> Option<String> {
    agents
        .iter()
        .filter(|agent| paths.iter().any(|path| path.starts_with(&agent.cgroup)))
        .max_by_key(|agent| Path::new(&agent.cgroup).components().count())
        .map(|agent| agent.name.clone())
}

/// Absolute directory of the process' cgroup under each mount of the version 2 hierarchy; empty without one.
fn cgroup_paths(pid: i32) -> io::Result<Vec<PathBuf>> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let Some(path) = unified_path(&text) else {
        return Ok(Vec::new());
    };
    let mounts = fs::read("/proc/self/mountinfo")?;
    Ok(mounts.split(|byte| *byte == b'\n').filter_map(cgroup2_mount).filter_map(|mount| mount.resolve(&path)).collect())
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

    fn agent(name: &str, cgroup: &str) -> Agent {
        serde_json::from_value(serde_json::json!({
            "name": name, "org": "o", "tenant": "t", "parent": null, "labels": {}, "scopes": [], "token": "ambient",
            "mode": "enforce", "cgroup": cgroup, "direct": [], "origin": "config",
        }))
        .unwrap()
    }

    #[test]
    fn the_deepest_cgroup_wins_and_names_match_whole_components() {
        let agents = [agent("a", "/cg/aegis/a"), agent("ab", "/cg/aegis/ab"), agent("inner", "/cg/aegis/a/inner")];
        let of = |path: &str| longest_match(&[PathBuf::from(path)], &agents);
        assert_eq!(of("/cg/aegis/a").as_deref(), Some("a"));
        assert_eq!(of("/cg/aegis/a/child/deeper").as_deref(), Some("a"));
        assert_eq!(of("/cg/aegis/ab").as_deref(), Some("ab"));
        assert_eq!(of("/cg/aegis/a/inner/x").as_deref(), Some("inner"));
        for nobody in ["/cg/aegis", "/cg/aegis/abc", "/other/aegis/a", "/cg/aegis/a (deleted)"] {
            assert_eq!(of(nobody), None, "{nobody}");
        }
    }

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
