//! Private keys on disk: made once, readable by the owner only, never half written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// No key of ours comes near this; a larger file is not one of ours.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} can be read by others (mode {mode:04o}); fix: chmod 600 {path}")]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("{path} belongs to another user (uid {uid}), who can change it; fix: chown root {path}")]
    Owner { path: PathBuf, uid: u32 },
    #[error("{path} is not a key file: {why}")]
    Malformed { path: PathBuf, why: String },
}

impl SecretError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Creates `dir` and its parents, the last one readable by the owner only.
///
/// # Errors
/// When a directory cannot be made.
pub fn private_dir(dir: &Path) -> Result<(), SecretError> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(SecretError::io(parent))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(SecretError::io(dir)(error)),
        _ => Ok(()),
    }
}

/// The secret in `path`, or a new one from `make` where there is none yet.
///
/// # Errors
/// When the file cannot be read or written, or when others than its owner may read it.
pub fn load_or_create<E>(path: &Path, make: impl FnOnce() -> Result<String, E>) -> Result<String, SecretError>
where
    E: std::fmt::Display,
{
    if let Some(found) = read_if_there(path)? {
        return Ok(found);
    }
    let text = make().map_err(|error| SecretError::Malformed { path: path.to_owned(), why: error.to_string() })?;
    write_atomically(path, text.as_bytes(), 0o600)?;
    Ok(text)
}

/// The secret in `path`, a file that somebody else has put there.
///
/// # Errors
/// When it is not there, cannot be read, or others than its owner may read it.
pub fn read(path: &Path) -> Result<String, SecretError> {
    read_if_there(path)?.ok_or_else(|| SecretError::io(path)(io::ErrorKind::NotFound.into()))
}

/// The secret in `path`, where there is one.
///
/// # Errors
/// When it cannot be read, others than its owner may read it, or its owner is neither root nor who runs the daemon.
pub fn read_if_there(path: &Path) -> Result<Option<String>, SecretError> {
    // What is no file, such as a pipe, must not make us wait.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SecretError::io(path)(error)),
    };
    let meta = file.metadata().map_err(SecretError::io(path))?;
    if !meta.is_file() {
        return Err(SecretError::Malformed { path: path.to_owned(), why: "it is no file".to_owned() });
    }
    if !is_trusted_owner(meta.uid()) {
        return Err(SecretError::Owner { path: path.to_owned(), uid: meta.uid() });
    }
    if meta.mode() & 0o077 != 0 {
        return Err(SecretError::TooOpen { path: path.to_owned(), mode: meta.mode() & 0o7777 });
    }
    let mut text = String::new();
    file.take(MAX_SECRET_BYTES).read_to_string(&mut text).map_err(SecretError::io(path))?;
    Ok(Some(text))
}

/// Whether what belongs to `uid` is as good as ours: root can change everything anyway.
#[must_use]
pub fn is_trusted_owner(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

/// Writes a file whole or not at all: a crash leaves the old one or the new one.
///
/// # Errors
/// When the directory cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SecretError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let fail = SecretError::io(path);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&partial)
        .and_then(|mut file| {
            // An earlier crash may have left the partial file with another mode.
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&partial, path))
        // The name is in the directory only when that is on the disk too.
        .and_then(|()| path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all()));
    written.map_err(fail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let first = load_or_create(&path, || Ok::<_, String>("one".into())).unwrap();
        let second = load_or_create(&path, || Ok::<_, String>("two".into())).unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("one", "one"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load_or_create(&path, || Ok::<_, String>("new".into())).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "secret", "nothing is overwritten");
    }

    #[test]
    fn a_secret_of_another_user_and_what_is_no_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_atomically(&path, b"theirs", 0o600).unwrap();
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("(uid 65534), who can change it; fix: chown root"));
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(read(&pipe).unwrap_err().to_string().contains("no file"));
    }
}
