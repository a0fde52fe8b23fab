//! A network namespace as a file: what `/proc/PID/ns/net` and `/run/netns/NAME` lead to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

/// Which namespace a file leads to. Holds as long as the namespace lives; its number may be given to another one later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceId {
    device: u64,
    inode: u64,
}

impl NamespaceId {
    /// Of the calling thread.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn current() -> io::Result<Self> {
        Self::at(Path::new("/proc/thread-self/ns/net"))
    }

    /// Of the namespace that `path` leads to.
    ///
    /// # Errors
    /// When there is nothing at `path`.
    pub fn at(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|found| Self::of(&found))
    }

    fn of(found: &impl MetadataExt) -> Self {
        Self { device: found.dev(), inode: found.ino() }
    }

    /// The number that `ls -l /proc/PID/ns/net` and `lsns` show.
    #[must_use]
    pub fn inode(self) -> u64 {
        self.inode
    }
}

/// An open network namespace; it lives at least as long as this.
#[derive(Debug)]
pub struct Handle {
    file: File,
    id: NamespaceId,
}

impl Handle {
    /// Opens what `path` leads to.
    ///
    /// # Errors
    /// When there is nothing, or something that is no namespace (whether it is a *network* namespace is seen on entering).
    pub fn open(path: &Path) -> io::Result<Self> {
        // A FIFO or a device in its place must not keep us waiting.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
        if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
            return Err(io::Error::other("it is no namespace; `ip netns add NAME` makes one at /run/netns/NAME"));
        }
        let id = NamespaceId::of(&file.metadata()?);
        Ok(Self { file, id })
    }

    /// Opens the namespace of the calling thread.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn current() -> io::Result<Self> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// Opens the namespace of a thread that `still_there` says is the one that was meant, after its number was pinned:
    /// thread ids are used again.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn of_thread(thread: u32, still_there: impl FnOnce() -> bool) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        // An open directory of /proc stands for this very thread, also when another one gets its number.
        let pinned = File::open(format!("/proc/{thread}"))?;
        if !still_there() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Self::open(Path::new(&format!("/proc/self/fd/{}/ns/net", pinned.as_raw_fd())))
    }

    #[must_use]
    pub fn id(&self) -> NamespaceId {
        self.id
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_namespace_is_one_whatever_leads_to_it() {
        let own = NamespaceId::current().unwrap();
        let thread = std::process::id();
        assert_eq!(Handle::of_thread(thread, || true).unwrap().id(), own);
        assert_eq!(Handle::open(Path::new("/proc/self/ns/net")).unwrap().id(), own);
        assert!(own.inode() != 0);
    }

    #[test]
    fn a_thread_that_left_meanwhile_is_not_opened() {
        let thread = std::process::id();
        assert_eq!(Handle::of_thread(thread, || false).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_namespace_is_refused() {
        for path in ["/proc/self/status", "/dev/null", "/tmp"] {
            assert!(Handle::open(Path::new(path)).is_err(), "{path}");
        }
        let fifo = tempfile::tempdir().unwrap().keep().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Handle::open(&fifo).is_err(), "and nothing waits for a writer");
        std::fs::remove_dir_all(fifo.parent().unwrap()).unwrap();
    }
}
