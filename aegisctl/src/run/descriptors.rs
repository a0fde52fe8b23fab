//! What the command inherits: its standard streams, files and pipes; nothing that leads around the enforcement.

// Borrowing a descriptor by its number has no safe form.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileTypeExt;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::statfs::{BPF_FS_MAGIC, CGROUP2_SUPER_MAGIC, FsType, PROC_SUPER_MAGIC, fstatfs};

use socket2::{Domain, SockRef};

use super::stopped;
use crate::failure::Failure;

const STANDARD_STREAMS: [(i32, &str); 3] = [(0, "standard input"), (1, "standard output"), (2, "standard error")];

const KERNEL_FILE_SYSTEMS: [FsType; 3] = [CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC, PROC_SUPER_MAGIC];

/// As many descriptors as a process of the agent may have. The daemon looks through all of them for sockets that were
/// handed in, and must be done with that in time.
const DESCRIPTORS_MAX: u64 = 65_536;

/// Refuses a standard stream that is a network socket, as of a command started by inetd or socket activation: it was made
/// outside the cgroup, and what is written to it is seen by no hook.
pub fn refuse_network_streams() -> Result<(), Failure> {
    for (number, name) in STANDARD_STREAMS {
        // SAFETY: borrowed for this one question; a closed descriptor is answered with an error.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if SockRef::from(&fd).domain().is_ok_and(|domain| domain != Domain::UNIX) {
            return Err(stopped(
                "inherit the standard streams",
                format!("{name} is a network socket, which was made outside of the agent's cgroup"),
                "put a pipe between (cat |, | cat)",
            ));
        }
    }
    Ok(())
}

/// Marks every descriptor above standard error to be closed at execution, but plain files and pipes. A socket made
/// outside the cgroup is not the agent's, a directory leads past the private mounts, a bpf or pidfd handle is power.
pub fn keep_plain_files() -> Result<(), Failure> {
    close_others().map_err(|error| stopped("close inherited descriptors", error, "mount /proc"))
}

/// Bounds the number of descriptors, for good: the command has no capability to raise it again.
pub fn limit() -> Result<(), Failure> {
    let lower = || {
        let (soft, hard) = bounded(getrlimit(Resource::RLIMIT_NOFILE)?);
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard)
    };
    lower().map_err(|error| stopped("limit the number of descriptors", error, "report this as a bug"))
}

fn bounded((soft, hard): (u64, u64)) -> (u64, u64) {
    (soft.min(DESCRIPTORS_MAX), hard.min(DESCRIPTORS_MAX))
}

fn close_others() -> io::Result<()> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // SAFETY: the number was open a moment ago and this thread is the only one; if it was the directory's own
        // descriptor it is closed now, and the calls answer EBADF.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if !is_plain(number, fd) {
            match fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
                Ok(_) | Err(nix::errno::Errno::EBADF) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn is_plain(number: i32, fd: BorrowedFd<'_>) -> bool {
    let Ok(metadata) = fs::metadata(format!("/proc/self/fd/{number}")) else {
        return false;
    };
    let kind = metadata.file_type();
    let kernels = || fstatfs(fd).map_or(true, |fs| KERNEL_FILE_SYSTEMS.contains(&fs.filesystem_type()));
    kind.is_fifo() || kind.is_file() && !kernels()
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn limits_are_lowered_and_never_raised() {
        assert_eq!(bounded((1024, 524_288)), (1024, 65_536));
        assert_eq!(bounded((u64::MAX, u64::MAX)), (65_536, 65_536));
        assert_eq!(bounded((20, 30)), (20, 30));
    }
}
