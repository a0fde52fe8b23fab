//! Where the cgroup v2 hierarchy is, and what the kernel calls a directory of it.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStringExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use super::KernelError;

/// The mount point of the cgroup v2 hierarchy: `/sys/fs/cgroup` on most machines,
/// `/sys/fs/cgroup/unified` on hybrid ones. `None` when it is not mounted.
///
/// # Errors
/// When `/proc/self/mountinfo` cannot be read.
pub fn mount_point() -> io::Result<Option<PathBuf>> {
    Ok(parse_mounts(&fs::read("/proc/self/mountinfo")?))
}

/// proc(5): the mount point is the fifth field, the file system type follows a lone `-`.
fn parse_mounts(mountinfo: &[u8]) -> Option<PathBuf> {
    mountinfo.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let mount_point = fields.nth(4)?;
        fields.find(|field| *field == b"-")?;
        (fields.next()? == b"cgroup2").then(|| PathBuf::from(unescape(mount_point)))
    })
}

/// Undoes the octal escapes of mountinfo (`\040` for a space).
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    OsString::from_vec(bytes)
}

/// A cgroup directory that exists (made if it was missing).
pub(super) struct Cgroup {
    pub(super) path: PathBuf,
    /// The kernel's id: the inode number of the directory.
    pub(super) id: u64,
}

impl Cgroup {
    pub(super) fn ensure(path: &Path) -> Result<Self, KernelError> {
        fs::create_dir_all(path).map_err(KernelError::io(format!("make the cgroup {}", path.display())))?;
        let metadata = fs::metadata(path).map_err(KernelError::io(format!("look at the cgroup {}", path.display())))?;
        Ok(Self { path: path.to_owned(), id: metadata.ino() })
    }
}

impl Cgroup {
    /// The one with this id, where it still is.
    pub(super) fn found(path: &Path, id: u64) -> Result<Self, KernelError> {
        let look = || KernelError::io(format!("look at the cgroup {}", path.display()));
        let metadata = fs::metadata(path).map_err(look())?;
        if metadata.ino() != id {
            return Err(look()(io::Error::new(io::ErrorKind::NotFound, "another one is in its place")));
        }
        Ok(Self { path: path.to_owned(), id })
    }
}

/// How many directories `cgroup` is below `mount`.
pub(super) fn depth(mount: &Path, cgroup: &Path) -> Option<u32> {
    let below = cgroup.strip_prefix(mount).ok()?;
    u32::try_from(below.components().count()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_wherever_it_is() {
        let table = [
            ("24 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw", Some("/sys/fs/cgroup")),
            ("24 1 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw", Some("/sys/fs/cgroup/unified")),
            ("24 1 0:22 / /a\\040b rw master:1 shared:2 - cgroup2 none rw", Some("/a b")),
            ("24 1 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", None),
            ("24 1 0:22 / /cgroup2 rw", None),
            ("", None),
        ];
        for (line, expected) in table {
            assert_eq!(parse_mounts(line.as_bytes()), expected.map(PathBuf::from), "{line}");
        }
    }

    #[test]
    fn depth_counts_from_the_mount() {
        let mount = Path::new("/sys/fs/cgroup");
        assert_eq!(depth(mount, Path::new("/sys/fs/cgroup/aegis")), Some(1));
        assert_eq!(depth(mount, Path::new("/sys/fs/cgroup/a/b/c")), Some(3));
        assert_eq!(depth(mount, mount), Some(0));
        assert_eq!(depth(mount, Path::new("/elsewhere")), None);
    }
}
