//! Reading the cgroup file system: what lies below a cgroup, and who is in one.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A cgroup and its id, the inode of its directory.
pub type Group = (PathBuf, u64);

/// `root` and the cgroups below it, each after the one above it, at most `limit`; and whether there were more. What goes away
/// meanwhile is passed over.
///
/// # Errors
/// When `root` itself cannot be read.
pub fn tree(root: &Path, limit: usize) -> io::Result<(Vec<Group>, bool)> {
    use std::os::unix::fs::{DirEntryExt, MetadataExt};

    let mut groups = vec![(root.to_owned(), fs::metadata(root)?.ino())];
    let mut next = 0;
    while let Some((path, _)) = groups.get(next) {
        next += 1;
        let Ok(entries) = fs::read_dir(path) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if groups.len() >= limit {
                return Ok((groups, true));
            }
            groups.push((entry.path(), entry.ino()));
        }
    }
    Ok((groups, false))
}

/// The ids in `cgroup.procs` or `cgroup.threads` of a cgroup; `None` where that cannot be read: the list of processes of a
/// threaded cgroup, and what is gone.
#[must_use]
pub fn ids(file: &Path) -> Option<Vec<u32>> {
    let text = fs::read_to_string(file).ok()?;
    // 0 stands for what is not in the reader's pid namespace.
    Some(text.lines().filter_map(|line| line.parse().ok()).filter(|id| *id != 0).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_from_above_and_cut_at_its_limit() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::create_dir(root.path().join("c")).unwrap();
        fs::write(root.path().join("cgroup.procs"), "0\n17\n").unwrap();
        let (groups, cut) = tree(root.path(), 4).unwrap();
        let place = |name: &str| groups.iter().position(|(path, _)| *path == root.path().join(name)).unwrap();
        assert!(!cut && groups.len() == 4 && place("") == 0 && place("a") < place("a/b"));
        let (groups, cut) = tree(root.path(), 3).unwrap();
        assert!(cut && groups.len() == 3);
        assert!(tree(&root.path().join("gone"), 3).is_err());
        assert_eq!(ids(&root.path().join("cgroup.procs")).unwrap(), [17]);
        assert_eq!(ids(&root.path().join("cgroup.threads")), None);
    }
}
