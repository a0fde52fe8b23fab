//! Policies as files: one, or those of a directory. A file that is called a policy and cannot be read as one is an error: passed
//! over, the rules in it that refuse would be gone without a word.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use aegis_policy::{DELEGATED, Source, is_policy_file};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use super::load::PolicyError;

/// Policies are read by humans; what is larger is not one.
const MAX_POLICY_BYTES: u64 = 16 << 20;
/// Those of a directory together, in bytes: a team could fill the memory with what is refused later.
const MAX_ALL_BYTES: usize = 64 << 20;
/// Files in a policy directory.
const MAX_FILES: usize = 1000;
/// What lies in a directory, policies or not.
const MAX_ENTRIES: usize = 10_000;
/// A pipe without a writer does not make us wait, a terminal does not become ours.
const FLAGS: OFlag = OFlag::O_RDONLY.union(OFlag::O_CLOEXEC).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

/// The file in `place`, or the policy files of that directory in the order of their names, and those of the teams in
/// `delegated/TEAM` below it. Names are relative to `place`.
pub(super) fn read(place: &Path) -> Result<Vec<Source>, PolicyError> {
    if !fs::metadata(place).map_err(|error| failed(place, &error))?.is_dir() {
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok(vec![source(&Found::of_owner(place.to_owned()), name)?]);
    }
    let files = listed(place)?;
    if files.is_empty() {
        let fix = "fix: put a policy there, or leave `policies` out for the starter policy";
        return Err(refused(place, format!("holds no .yaml, .yml or .json file; {fix}")));
    }
    if files.len() > MAX_FILES {
        return Err(refused(place, format!("holds {} policy files; at most {MAX_FILES} are read", files.len())));
    }
    let (mut sources, mut bytes) = (Vec::with_capacity(files.len()), 0_usize);
    for found in &files {
        let name = found.path.strip_prefix(place).unwrap_or(&found.path).to_str().map(str::to_owned);
        let source = source(found, name.ok_or_else(|| refused(&found.path, "its name is not UTF-8".to_owned()))?)?;
        bytes = bytes.saturating_add(source.text.len());
        if bytes > MAX_ALL_BYTES {
            return Err(refused(place, format!("its policies are longer than {MAX_ALL_BYTES} bytes together")));
        }
        sources.push(source);
    }
    Ok(sources)
}

/// A policy file.
struct Found {
    path: PathBuf,
    /// The directory of the team whose file it is. A team writes names, not ways: a link of its own to `/proc/kmsg` or to
    /// another team's file is not followed.
    team: Option<PathBuf>,
}

impl Found {
    fn of_owner(path: PathBuf) -> Self {
        Self { path, team: None }
    }

    fn open(&self) -> io::Result<File> {
        let Some((team, name)) = self.team.as_deref().zip(self.path.file_name()) else {
            return Ok(open(&self.path, FLAGS, Mode::empty())?.into());
        };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let team = open(team, flags, Mode::empty())?;
        // Links that stay in the directory are how Kubernetes lays files out.
        let beneath = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_XDEV;
        Ok(openat2(team.as_fd(), name, OpenHow::new().flags(FLAGS).resolve(beneath))?.into())
    }
}

/// Security's files first, then the teams'.
fn listed(place: &Path) -> Result<Vec<Found>, PolicyError> {
    let policies = |directory: &Path| {
        entries(directory).map(|all| all.into_iter().filter(|path| is_policy_file(path)).collect::<Vec<_>>())
    };
    let mut files: Vec<Found> = policies(place)?.into_iter().map(Found::of_owner).collect();
    let delegated = place.join(DELEGATED);
    if fs::symlink_metadata(&delegated).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(files);
    }
    for path in entries(&delegated)? {
        if is_policy_file(&path) {
            // It belongs to no team; it is read all the same, and refused with that reason.
            files.push(Found { path, team: Some(delegated.clone()) });
            continue;
        }
        let kind = fs::symlink_metadata(&path).map_err(|error| failed(&path, &error))?.file_type();
        if kind.is_symlink() {
            return Err(refused(
                &path,
                format!("is a link; fix: make it a directory, or take it out of `{DELEGATED}`"),
            ));
        }
        if kind.is_dir() {
            files.extend(policies(&path)?.into_iter().map(|file| Found { path: file, team: Some(path.clone()) }));
        }
    }
    Ok(files)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, PolicyError> {
    let read = fs::read_dir(directory).map_err(|error| failed(directory, &error))?;
    let all: io::Result<Vec<PathBuf>> =
        read.take(MAX_ENTRIES + 1).map(|entry| entry.map(|entry| entry.path())).collect();
    let mut all = all.map_err(|error| failed(directory, &error))?;
    if all.len() > MAX_ENTRIES {
        return Err(refused(directory, format!("holds more than {MAX_ENTRIES} files")));
    }
    all.sort();
    Ok(all)
}

fn source(found: &Found, name: String) -> Result<Source, PolicyError> {
    let path = &found.path;
    let file = found.open().map_err(|error| failed(path, &error))?;
    if !file.metadata().map_err(|error| failed(path, &error))?.is_file() {
        return Err(refused(path, "is no file; fix: take it out of the policies, or give it another name".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = file.take(MAX_POLICY_BYTES.saturating_add(1)).read_to_end(&mut bytes);
    if read.map_err(|error| failed(path, &error))? as u64 > MAX_POLICY_BYTES {
        return Err(refused(path, format!("is too long for a policy (at most {MAX_POLICY_BYTES} bytes)")));
    }
    Source::of_file(name, bytes).map_err(|error| refused(path, format!("is no text: {error}")))
}

fn failed(path: &Path, error: &io::Error) -> PolicyError {
    refused(path, error.to_string())
}

fn refused(path: &Path, why: String) -> PolicyError {
    PolicyError::Read { path: path.to_owned(), why }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_in_order_teams_last() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).is_err(), "an empty directory is an error, not an empty policy");
        fs::create_dir_all(dir.path().join("delegated/red")).unwrap();
        fs::create_dir_all(dir.path().join("elsewhere")).unwrap();
        for file in ["z.yaml", "a.json", "a.test.yaml", "README.md", "elsewhere/b.yaml", "delegated/red/b.yml"] {
            fs::write(dir.path().join(file), file).unwrap();
        }
        let names: Vec<String> = read(dir.path()).unwrap().into_iter().map(|source| source.name).collect();
        assert_eq!(names, ["a.json", "z.yaml", "delegated/red/b.yml"]);
        let one = read(&dir.path().join("z.yaml")).unwrap();
        assert_eq!((one[0].name.as_str(), one[0].text.as_str()), ("z.yaml", "z.yaml"));
    }

    /// What is passed over takes the rules that refuse with it.
    #[test]
    fn a_policy_that_cannot_be_read_is_an_error_wherever_it_lies() {
        use std::os::unix::fs::symlink;
        type Lay = fn(&Path);
        let lay: [(&str, Lay); 5] = [
            ("a link to nothing", |at| symlink("nowhere.yaml", at).unwrap()),
            ("a directory", |at| fs::create_dir(at).unwrap()),
            ("a pipe", |at| nix::unistd::mkfifo(at, Mode::S_IRUSR | Mode::S_IWUSR).unwrap()),
            ("a link to itself", |at| symlink(at, at).unwrap()),
            ("a socket", |at| drop(std::os::unix::net::UnixListener::bind(at).unwrap())),
        ];
        for (what, lay) in lay {
            for file in ["deny.yaml", "delegated/red/deny.yaml", "delegated/deny.yaml"] {
                let dir = tempfile::tempdir().unwrap();
                fs::create_dir_all(dir.path().join("delegated/red")).unwrap();
                fs::write(dir.path().join("a.yaml"), "a").unwrap();
                lay(&dir.path().join(file));
                let error = read(dir.path()).err().map(|error| error.to_string()).unwrap_or_default();
                assert!(error.contains(file), "{what}: {file}: {error}");
            }
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yaml"), "a").unwrap();
        symlink("nowhere", dir.path().join("delegated")).unwrap();
        assert!(read(dir.path()).is_err(), "teams' policies that are not there are no empty list");
    }

    /// Whoever may write a team's policies must not choose what the daemon reads, least of all what it waits for.
    #[test]
    fn a_teams_link_leads_nowhere_outside_its_directory() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("delegated/red/..data")).unwrap();
        fs::create_dir_all(at("delegated/blue")).unwrap();
        for file in ["a.yaml", "delegated/red/..data/in.yaml", "delegated/blue/b.yaml"] {
            fs::write(at(file), file).unwrap();
        }
        symlink("..data/in.yaml", at("delegated/red/in.yaml")).unwrap();
        symlink("a.yaml", at("same.yaml")).unwrap();
        let names: Vec<String> = read(dir.path()).unwrap().into_iter().map(|source| source.name).collect();
        assert_eq!(names, ["a.yaml", "same.yaml", "delegated/blue/b.yaml", "delegated/red/in.yaml"]);
        for target in
            ["/proc/kmsg", "/proc/self/environ", "../blue/b.yaml", "../../a.yaml", "/dev/zero", "/proc/self/fd/0"]
        {
            symlink(target, at("delegated/red/out.yaml")).unwrap();
            let error = read(dir.path()).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("delegated/red/out.yaml"), "{target}: {error}");
            fs::remove_file(at("delegated/red/out.yaml")).unwrap();
        }
        symlink(at("delegated/blue"), at("delegated/green")).unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("is a link"));
    }
}
