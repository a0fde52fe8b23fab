//! Policies as files: one, or those of a directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aegis_policy::{DELEGATED, Source};

use super::load::PolicyError;

/// Policies are read by humans; what is larger is not one.
const MAX_POLICY_BYTES: u64 = 16 << 20;
/// Files in a policy directory.
const MAX_FILES: usize = 1000;

/// The file in `place`, or the policy files of that directory in the order of their names, and those of the teams in
/// `delegated/TEAM` below it. Names are relative to `place`.
pub(super) fn read(place: &Path) -> Result<Vec<Source>, PolicyError> {
    let failed = |path: &Path, why: String| PolicyError::Read { path: path.to_owned(), why };
    let meta = fs::metadata(place).map_err(|error| failed(place, error.to_string()))?;
    if meta.is_file() {
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok(vec![source(place, name)?]);
    }
    let files = listed(place).map_err(|error| failed(place, error.to_string()))?;
    if files.is_empty() {
        let fix = "fix: put a policy there, or leave `policies` out for the starter policy";
        return Err(failed(place, format!("holds no .yaml, .yml or .json file; {fix}")));
    }
    if files.len() > MAX_FILES {
        return Err(failed(place, format!("holds {} policy files; at most {MAX_FILES} are read", files.len())));
    }
    let named = |path: &PathBuf| {
        let name = path.strip_prefix(place).unwrap_or(path).to_str().map(str::to_owned);
        source(path, name.ok_or_else(|| failed(path, "its name is not UTF-8".to_owned()))?)
    };
    files.iter().map(named).collect()
}

/// Security's files first, then the teams'.
fn listed(place: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = policies(place)?;
    let delegated = place.join(DELEGATED);
    if delegated.is_dir() {
        // A file here belongs to no team; it is read all the same, and refused with that reason.
        files.extend(policies(&delegated)?);
        for team in entries(&delegated)?.into_iter().filter(|path| path.is_dir()) {
            files.extend(policies(&team)?);
        }
    }
    Ok(files)
}

fn policies(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = entries(directory)?;
    files.retain(|path| aegis_policy::is_policy_file(path) && path.is_file());
    Ok(files)
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    all.sort();
    Ok(all)
}

fn source(path: &Path, name: String) -> Result<Source, PolicyError> {
    let failed = |why: String| PolicyError::Read { path: path.to_owned(), why };
    let length = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if length > MAX_POLICY_BYTES {
        return Err(failed(format!("{length} bytes is too long for a policy (at most {MAX_POLICY_BYTES})")));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Ok(Source { name, text })
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
}
