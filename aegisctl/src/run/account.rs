//! The user that the command runs as.

use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{self, Uid, User};

use super::stopped;
use crate::failure::Failure;

/// A user of this host.
#[derive(Debug)]
pub struct Account {
    user: User,
}

impl Account {
    /// Finds a user by name or by uid.
    pub fn find(name: &str) -> Result<Self, Failure> {
        let found = match name.parse::<u32>() {
            Ok(uid) => User::from_uid(Uid::from_raw(uid)),
            Err(_) => User::from_name(name),
        };
        match found {
            Ok(Some(user)) => Ok(Self { user }),
            Ok(None) => Err(Failure::No(format!("there is no user {name:?}\n  next: useradd --system {name}"))),
            Err(error) => Err(Failure::No(format!("cannot look up user {name:?}: {error}"))),
        }
    }

    /// Is it uid 0, by whatever name?
    pub fn is_root(&self) -> bool {
        self.user.uid.is_root()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.user.name
    }

    /// Its home directory.
    pub fn home(&self) -> &PathBuf {
        &self.user.dir
    }

    /// Its shell.
    pub fn shell(&self) -> &PathBuf {
        &self.user.shell
    }

    /// Changes this process to the user: groups first, for which the old user is needed. All three ids, so that there
    /// is no way back.
    pub fn become_it(&self) -> Result<(), Failure> {
        let (uid, gid) = (self.user.uid, self.user.gid);
        let change = || -> nix::Result<()> {
            let name = CString::new(self.user.name.as_bytes()).map_err(|_| nix::errno::Errno::EINVAL)?;
            unistd::initgroups(&name, gid)?;
            unistd::setresgid(gid, gid, gid)?;
            unistd::setresuid(uid, uid, uid)
        };
        change()
            .map_err(|error| stopped(&format!("become user {}", self.user.name), error, "run aegisctl as root (sudo)"))
    }
}
