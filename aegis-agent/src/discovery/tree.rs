//! Looks for cgroups that may be agents, where no agent could have made them.

use std::collections::{HashSet, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::errno::Errno;

use super::names::Seen;

/// Directories that others lie in, and candidates, each.
const MAX_CGROUPS: usize = 16_384;
/// Levels below the root at which the kernel still finds an agent.
const DEPTH: usize = 16;

/// A cgroup that may be an agent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub cgroup: PathBuf,
    /// The kernel's id of it: another one after it was removed and made again.
    pub id: u64,
    pub seen: Seen,
}

/// What a look saw.
#[derive(Debug, Default)]
pub struct Scan {
    pub candidates: Vec<Candidate>,
    /// Where new ones can appear: to be watched.
    pub parents: Vec<PathBuf>,
    /// There was more than is looked at.
    pub cut: bool,
    /// The first that could not be looked at, though it is there.
    pub failed: Option<String>,
    /// Directories that were not looked into, and why.
    pub skipped: Vec<(PathBuf, &'static str)>,
}

impl Scan {
    /// Whether a cgroup that was not seen is not there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.cut && self.failed.is_none()
    }

    /// Notes an error, unless it only says that the cgroup went meanwhile.
    fn fail(&mut self, path: &Path, error: &io::Error) {
        let gone = error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ENODEV as i32);
        if !gone && self.failed.is_none() {
            self.failed = Some(format!("{}: {error}", path.display()));
        }
    }
}

/// Whether the cgroup with this id is gone from `path`; not where that cannot be told.
#[must_use]
pub fn is_gone(path: &Path, id: Option<u64>) -> bool {
    match fs::metadata(path) {
        Ok(directory) => id != Some(directory.ino()),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Looks at `root` and the slices and folders below it. `agents` are cgroups of agents that were named by somebody, now or
/// before: nothing below them counts, and neither does anything below a unit or a container.
#[must_use]
pub fn scan(root: &Path, agents: &HashSet<PathBuf>) -> Scan {
    let mut scan = Scan::default();
    let mut waiting = VecDeque::from([(root.to_owned(), 1)]);
    while let Some((parent, depth)) = waiting.pop_front() {
        match not_trusted(&parent, depth > 1) {
            Ok(None) => {}
            Ok(Some(why)) => {
                scan.skipped.push((parent, why));
                continue;
            }
            Err(error) => {
                scan.fail(&parent, &error);
                continue;
            }
        }
        let children = match children(&parent) {
            Ok(children) => children,
            Err(error) => {
                scan.fail(&parent, &error);
                continue;
            }
        };
        scan.parents.push(parent);
        for (cgroup, seen) in children {
            if agents.contains(&cgroup) || seen == Seen::Other {
                continue;
            }
            if scan.candidates.len() >= MAX_CGROUPS || scan.parents.len() + waiting.len() >= MAX_CGROUPS {
                scan.cut = true;
                return scan;
            }
            match seen {
                Seen::Parent if depth < DEPTH => waiting.push_back((cgroup, depth + 1)),
                Seen::Parent | Seen::Other => {}
                Seen::Unit(_) | Seen::Container(_) => match fs::metadata(&cgroup) {
                    Ok(directory) => scan.candidates.push(Candidate { cgroup, id: directory.ino(), seen }),
                    Err(error) => scan.fail(&cgroup, &error),
                },
            }
        }
    }
    scan.candidates.sort_by(|a, b| a.cgroup.cmp(&b.cgroup));
    scan
}

fn children(parent: &Path) -> io::Result<Vec<(PathBuf, Seen)>> {
    let mut children = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if let Some(name) = entry.file_name().to_str() {
            children.push((entry.path(), Seen::read(name)));
        }
    }
    Ok(children)
}

/// Why names in a directory prove nothing, where they do not.
fn not_trusted(parent: &Path, below_root: bool) -> io::Result<Option<&'static str>> {
    let directory = fs::symlink_metadata(parent)?;
    if directory.uid() != 0 || directory.mode() & 0o022 != 0 {
        return Ok(Some("others than root can make cgroups in it"));
    }
    // Its processes are no agent's and could make cgroups there. Slices never have any.
    if below_root && !fs::read_to_string(parent.join("cgroup.procs"))?.is_empty() {
        return Ok(Some("it has processes of its own"));
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    /// A directory tree that looks like a cgroup's; only root can make what root owns.
    fn tree(directories: &[&str]) -> Option<tempfile::TempDir> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        for directory in directories {
            let mut path = root.path().to_owned();
            for part in directory.split('/') {
                path.push(part);
                fs::create_dir_all(&path).unwrap();
                fs::write(path.join("cgroup.procs"), "").unwrap();
            }
        }
        Some(root)
    }

    fn found(root: &Path, agents: &[&str]) -> Vec<String> {
        let agents = agents.iter().map(|name| root.join(name)).collect();
        let scan = scan(root, &agents);
        let name = |candidate: &Candidate| candidate.cgroup.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        scan.candidates.iter().map(name).collect()
    }

    #[test]
    fn units_and_containers_are_found_in_slices_and_not_below_agents() {
        let id = "0123456789abcdef".repeat(4);
        let container = format!("kube/docker-{id}.scope");
        let Some(root) = tree(&[
            "a.service/b.service",
            "aegis-x.slice/aegis-x-y.slice/c.service",
            "tester/d.service",
            &format!("{container}/e.service"),
            "session-1.scope/f.service",
        ]) else {
            return;
        };
        let expected = ["a.service", "aegis-x.slice/aegis-x-y.slice/c.service", &container];
        assert_eq!(found(root.path(), &["tester"]), expected);
        assert!(
            found(root.path(), &[]).contains(&"tester/d.service".to_owned()),
            "a folder of nobody's is looked into"
        );
    }

    #[test]
    fn what_could_not_be_looked_at_is_not_taken_for_gone() {
        let Some(root) = tree(&["mine.slice/a.service", "broken.slice/b.service"]) else { return };
        assert!(scan(root.path(), &HashSet::new()).is_whole());
        let procs = root.path().join("broken.slice/cgroup.procs");
        fs::remove_file(&procs).unwrap();
        // Reading a directory fails with EISDIR: as good as any error that is not the cgroup's end.
        fs::create_dir(&procs).unwrap();
        let seen = scan(root.path(), &HashSet::new());
        assert!(!seen.is_whole() && seen.failed.unwrap().contains("broken.slice"));
        let unit = root.path().join("broken.slice/b.service");
        let id = fs::metadata(&unit).unwrap().ino();
        assert!(!is_gone(&unit, Some(id)) && is_gone(&unit, Some(id + 1)));
        fs::remove_dir_all(&unit).unwrap();
        assert!(is_gone(&unit, Some(id)));
        fs::remove_dir_all(root.path().join("broken.slice")).unwrap();
        assert!(scan(root.path(), &HashSet::new()).is_whole());
    }

    #[test]
    fn a_place_that_others_can_write_proves_nothing() {
        let Some(root) =
            tree(&["mine.slice/a.service", "theirs.slice/b.service", "open.slice/c.service", "busy/d.service"])
        else {
            return;
        };
        chown(root.path().join("theirs.slice"), Some(65_534), None).unwrap();
        fs::set_permissions(root.path().join("open.slice"), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(root.path().join("busy/cgroup.procs"), "17\n").unwrap();
        assert_eq!(found(root.path(), &[]), ["mine.slice/a.service"]);
        assert_eq!(scan(root.path(), &HashSet::new()).skipped.len(), 3);
    }
}
