//! Policy files as the daemon finds them: a file, or the policy files of a directory in the order of their names, and below
//! `delegated/TEAM` those of teams. As there, what is called a policy and cannot be read as one is an error.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use aegis_policy::{DELEGATED, Source, is_policy_file};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use crate::failure::Failure;

/// As the daemon's, in bytes.
const MAX_POLICY_BYTES: u64 = 16 << 20;
/// A pipe without a writer does not make us wait.
const FLAGS: OFlag = OFlag::O_RDONLY.union(OFlag::O_CLOEXEC).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

/// Reads files and directories.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        if path.is_dir() {
            for (file, team) in directory(path)? {
                sources.push(source(&file, in_directory(&file, team.as_deref()))?);
            }
        } else {
            // Named by the caller: a pipe is as good as a file.
            sources.push(source(path, File::open(path))?);
        }
    }
    if sources.is_empty() {
        return Err(Failure::No("there is no policy file (*.yaml, *.yml, *.json, *.rego) there".to_owned()));
    }
    Ok(sources)
}

/// The policy files, each with the directory of the team that wrote it.
fn directory(path: &Path) -> Result<Vec<(PathBuf, Option<PathBuf>)>, Failure> {
    let mut files: Vec<_> = policies(path)?.into_iter().map(|file| (file, None)).collect();
    let delegated = path.join(DELEGATED);
    if fs::symlink_metadata(&delegated).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(files);
    }
    for entry in entries(&delegated)? {
        if is_policy_file(&entry) {
            // A file that belongs to no team is told of, not passed over.
            files.push((entry, Some(delegated.clone())));
            continue;
        }
        let kind = fs::symlink_metadata(&entry).map_err(|error| failed(&entry, &error))?.file_type();
        if kind.is_symlink() {
            return Err(Failure::No(format!("{} is a link; make it a directory", entry.display())));
        }
        if kind.is_dir() {
            files.extend(policies(&entry)?.into_iter().map(|file| (file, Some(entry.clone()))));
        }
    }
    Ok(files)
}

fn policies(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    entries(directory).map(|all| all.into_iter().filter(|file| is_policy_file(file)).collect())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut entries = read().map_err(|error| failed(directory, &error))?;
    entries.sort();
    Ok(entries)
}

/// A team's links are not followed out of its directory.
fn in_directory(path: &Path, team: Option<&Path>) -> io::Result<File> {
    let file: File = match team.zip(path.file_name()) {
        None => open(path, FLAGS, Mode::empty())?.into(),
        Some((team, name)) => {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let team = open(team, flags, Mode::empty())?;
            let beneath =
                ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_XDEV;
            openat2(team.as_fd(), name, OpenHow::new().flags(FLAGS).resolve(beneath))?.into()
        }
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

fn source(path: &Path, file: io::Result<File>) -> Result<Source, Failure> {
    let mut bytes = Vec::new();
    let read = file.and_then(|file| file.take(MAX_POLICY_BYTES.saturating_add(1)).read_to_end(&mut bytes));
    if read.map_err(|error| failed(path, &error))? as u64 > MAX_POLICY_BYTES {
        let why = format!("{} is too long for a policy (at most {MAX_POLICY_BYTES} bytes)", path.display());
        return Err(Failure::No(why));
    }
    Source::of_file(path.display().to_string(), bytes)
        .map_err(|error| Failure::No(format!("{} is no text: {error}", path.display())))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::No(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_the_daemon_would_not_read_is_no_policy_here_either() {
        for (file, target) in [
            ("deny.yaml", "nowhere.yaml"),
            ("delegated/red/deny.yaml", "nowhere.yaml"),
            ("delegated/red/deny.yaml", "/proc/self/environ"),
            ("delegated/red/deny.yaml", "../../a.yaml"),
            ("delegated/green", "red"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("delegated/red")).unwrap();
            fs::write(dir.path().join("a.yaml"), "a").unwrap();
            fs::write(dir.path().join("delegated/red/b.yaml"), "b").unwrap();
            assert_eq!(read(&[dir.path().to_owned()]).unwrap().len(), 2);
            symlink(target, dir.path().join(file)).unwrap();
            let refused = read(&[dir.path().to_owned()]);
            let names = |why: &String| why.contains(file);
            assert!(matches!(&refused, Err(Failure::No(why)) if names(why)), "{file} -> {target}");
        }
    }
}
