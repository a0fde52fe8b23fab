//! The files of a log, and the disk space set aside for it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::{fstatvfs, statvfs};

/// Space is set aside in steps of this size.
pub(super) const STEP: u64 = 1 << 20;

/// After the file system said that it is full it is asked again only after this time: a storm of refused requests must not become one of system
/// calls.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Where the parts of a log are.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) log: PathBuf,
    /// `audit.checkpoints.jsonl` beside `audit.jsonl`.
    pub(super) checkpoints: PathBuf,
    /// `audit.open`: what is under way.
    pub(super) notes: PathBuf,
    /// Held locked by the daemon that writes; it stays where it is when the log is rotated.
    lock: PathBuf,
}

impl Paths {
    pub(super) fn new(log: &Path) -> Self {
        let sibling = |suffix: &str| {
            let mut name = log.file_stem().map(OsString::from).unwrap_or_default();
            name.push(suffix);
            log.with_file_name(name)
        };
        Self {
            log: log.to_owned(),
            checkpoints: sibling(".checkpoints.jsonl"),
            notes: sibling(".open"),
            lock: beside(log, ".lock"),
        }
    }

    /// The lock, or none when somebody else has it.
    pub(super) fn lock(&self) -> io::Result<Option<Lock>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.lock)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Held as long as a log is written. Given back explicitly: a process forked in the meantime shares the open file, and closing ours alone
/// would leave it locked until that one executes its program.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be unlocked is when the process ends.
        let _ = self.0.unlock();
    }
}

/// `path` with something put after its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens for appending; a new file is readable by its owner only.
pub(super) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(path)
}

/// Bytes that a process without privileges may still write on the file system of `path`.
pub(super) fn bytes_free(path: &Path) -> Option<u64> {
    let stat = statvfs(path).or_else(|_| statvfs(path.parent().unwrap_or(Path::new("/")))).ok()?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Space set aside behind the end of a file, without changing its length.
pub(super) struct Space {
    file: Arc<File>,
    /// Up to where the file's blocks are allocated.
    end: u64,
    full: Option<(Instant, io::ErrorKind)>,
}

impl Space {
    pub(super) fn behind(file: Arc<File>) -> io::Result<Self> {
        let end = file.metadata()?.len();
        Ok(Self { file, end, full: None })
    }

    /// Sets aside one more [`STEP`]. `promised` is what has been promised in all: what is asked for where the file system cannot allocate ahead.
    pub(super) fn extend(&mut self, promised: u64) -> io::Result<()> {
        if let Some((until, kind)) = self.full
            && Instant::now() < until
        {
            return Err(kind.into());
        }
        let extended = match self.allocate() {
            Err(Errno::EOPNOTSUPP) => self.ask(promised),
            other => other,
        };
        match extended {
            Ok(()) => {
                self.end = self.end.saturating_add(STEP);
                self.full = None;
                Ok(())
            }
            Err(errno) => {
                let error = io::Error::from(errno);
                self.full = Some((Instant::now() + ASK_AGAIN, error.kind()));
                Err(error)
            }
        }
    }

    fn allocate(&self) -> Result<(), Errno> {
        let offset = i64::try_from(self.end).map_err(|_| Errno::EFBIG)?;
        let length = i64::try_from(STEP).map_err(|_| Errno::EFBIG)?;
        loop {
            match fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, offset, length) {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    }

    /// The weaker check, for file systems that do not allocate ahead: somebody else may still take the space.
    fn ask(&self, promised: u64) -> Result<(), Errno> {
        let stat = fstatvfs(&self.file)?;
        let free = stat.blocks_available().saturating_mul(stat.fragment_size());
        if free >= promised.saturating_add(STEP) { Ok(()) } else { Err(Errno::ENOSPC) }
    }
}
