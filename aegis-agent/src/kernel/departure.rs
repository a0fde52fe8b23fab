//! Processes that leave the enforced subtree: the kernel tells of them, the daemon ends those that did not do it
//! themselves.

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
    sync::PoisonError,
};

use aegis_common::{Membership, membership};

use super::{Kernel, KernelError, syscall};

/// What becomes of a process that leaves its agent's cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDeparture {
    /// It is killed.
    #[default]
    Kill,
    /// It is only reported, and is nobody's from then on.
    Report,
}

impl Kernel {
    /// Notes whose the processes are that are in a cgroup already, so that their leaving is seen.
    pub(super) fn note_members(&self, cgroup: &Path) -> Result<(), KernelError> {
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let is_agents = |id: u64| agents.cgroups.get(&id, 0).is_ok_and(|agent| agent != 0);
        self.members
            .note_all(cgroup, &is_agents)
            .map_err(KernelError::io(format!("note who is in {}", cgroup.display())))
    }

    /// Ends a process that has left its agent's cgroup, as an event of [`super::EventKind::Departed`] told; `false` when it is
    /// not to be ended, or has ended.
    ///
    /// # Errors
    /// When the process' note cannot be read.
    pub fn end_departed(&self, pid: u32) -> Result<bool, KernelError> {
        self.members.end(pid).map_err(KernelError::io(format!("end the departed process {pid}")))
    }
}

impl Kernel {
    /// Whether the process behind this pidfd has left its agent's cgroup, whatever becomes of it.
    ///
    /// # Errors
    /// When the process' note cannot be read.
    pub fn has_departed(&self, process: BorrowedFd<'_>) -> io::Result<bool> {
        self.members.has_left(process)
    }
}

/// The notes that lie with the processes below the root.
pub(super) struct Members {
    notes: OwnedFd,
    kill: bool,
}

impl Members {
    pub(super) fn new(notes: OwnedFd, on_departure: OnDeparture) -> Self {
        Self { notes, kill: on_departure == OnDeparture::Kill }
    }

    /// Notes every process that is in this cgroup or below it. For those that were there before the programs were: who
    /// comes later, by a move or a fork, is noted by the kernel.
    pub(super) fn note_all(&self, cgroup: &Path, is_agents: &dyn Fn(u64) -> bool) -> io::Result<()> {
        self.note_below(cgroup, None, is_agents)
    }

    fn note_below(&self, cgroup: &Path, outer: Option<u64>, is_agents: &dyn Fn(u64) -> bool) -> io::Result<()> {
        let Ok(own) = fs::metadata(cgroup).map(|directory| directory.ino()) else { return Ok(()) };
        let agents = if is_agents(own) { Some(own) } else { outer };
        let note = Membership { cgroup_id: agents.unwrap_or(own), stage: membership::INSIDE, padding: 0 };
        // What ends or goes away meanwhile leaves nothing to note.
        let pids = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
        for process in pids.lines().filter_map(|pid| syscall::pidfd_open(pid.parse().ok()?).ok()) {
            match syscall::task_note(self.notes.as_fd(), process.as_fd(), &note) {
                // The kernel's word for a process that has ended is ENOENT here.
                Err(error) if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => return Err(error),
                _ => {}
            }
        }
        let Ok(entries) = fs::read_dir(cgroup) else { return Ok(()) };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            self.note_below(&entry.path(), agents, is_agents)?;
        }
        Ok(())
    }

    fn has_left(&self, process: BorrowedFd<'_>) -> io::Result<bool> {
        let note: Option<Membership> = syscall::noted(self.notes.as_fd(), process)?;
        Ok(note.is_some_and(|note| note.stage == membership::GONE))
    }

    /// Ends a process if it is one that has left. Its number may have passed on to another since it was told of: the
    /// note does not.
    pub(super) fn end(&self, pid: u32) -> io::Result<bool> {
        if !self.kill {
            return Ok(false);
        }
        let Ok(process) = syscall::pidfd_open(pid) else { return Ok(false) };
        if !self.has_left(process.as_fd())? {
            return Ok(false);
        }
        syscall::pidfd_kill(process.as_fd()).map(|()| true)
    }
}
