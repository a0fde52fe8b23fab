//! The socket file: one daemon a socket, and none taken from a daemon that lives.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Group;
use tokio::net::UnixListener;

/// The bound socket. Dropping it takes the file away.
#[derive(Debug)]
pub struct ControlSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    // Held as long as the socket: two daemons that start together cannot both find the file stale.
    _lock: Flock<File>,
}

/// Why the control socket cannot be bound. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon answers there.
    #[error("another aegis-agent already serves {}: stop it, or set another `control.socket`", .0.display())]
    InUse(PathBuf),
    /// Something else has the name.
    #[error("{} exists and is no socket: remove it, or set another `control.socket`", .0.display())]
    NotASocket(PathBuf),
    /// The file system refused.
    #[error("cannot {what} {}: {source}; the daemon needs a writable directory for `control.socket`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

impl ControlSocket {
    /// Binds `path`, making its directory (0755) where it is missing and replacing a socket that nobody serves.
    ///
    /// The file is 0666 because `POST /v1/token` is for every agent's user; what a caller may do is decided per call
    /// by its credentials. Must be called within a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            fs::create_dir_all(parent).map_err(at("create", parent))?;
            fs::set_permissions(parent, Permissions::from_mode(0o755)).map_err(at("set the mode of", parent))?;
        }
        let lock = lock(path)?;
        clear_stale(path)?;
        let listener = UnixListener::bind(path).map_err(at("bind", path))?;
        fs::set_permissions(path, Permissions::from_mode(0o666)).map_err(at("set the mode of", path))?;
        Ok(Self { listener, path: path.to_owned(), _lock: lock })
    }

    /// Where it is bound.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Nothing is lost if it stays: the next start replaces a socket that nobody serves.
        let _ = fs::remove_file(&self.path);
    }
}

fn at<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> BindError + 'a {
    move |source| BindError::Io { what, path: path.to_owned(), source }
}

fn lock(path: &Path) -> Result<Flock<File>, BindError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    // 0600: whoever can open it could hold the lock and keep the daemon from starting.
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(at("open", &name))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| BindError::InUse(path.to_owned()))
}

fn clear_stale(path: &Path) -> Result<(), BindError> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at("look at", path)(error)),
    };
    if !kind.is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(BindError::InUse(path.to_owned()));
    }
    fs::remove_file(path).map_err(at("remove the stale", path))
}

/// The gid of `control.group`.
///
/// # Errors
/// When there is no such group: an administrator's typing error must not silently leave nobody in charge.
pub fn group_id(name: &str) -> io::Result<u32> {
    match Group::from_name(name)? {
        Some(group) => Ok(group.gid.as_raw()),
        None => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no group {name:?}: create it (groupadd {name}) or change `control.group`"),
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_living_socket_is_refused_and_a_stale_one_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made/control.sock");
        let first = ControlSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(matches!(ControlSocket::bind(&path), Err(BindError::InUse(_))));
        drop(first);
        // A daemon that was killed leaves its file: nobody listens on it.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        drop(ControlSocket::bind(&path).unwrap());
        // A listener that takes no lock (another program's) counts as living too.
        let foreign = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(ControlSocket::bind(&path), Err(BindError::InUse(_))));
        drop(foreign);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(ControlSocket::bind(&path), Err(BindError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn unknown_groups_are_an_error() {
        assert_eq!(group_id("root").unwrap(), 0);
        assert!(group_id("no-such-group-here").is_err());
    }
}
