//! Which files hold cases, and which policies they are about.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aegis_policy::{DELEGATED, is_policy_file};

use crate::failure::Failure;

/// How deep directories are looked into.
const DEPTH: usize = 4;
/// The ends of files of cases.
const ENDS: [&str; 3] = ["test.yaml", "test.yml", "test.json"];

/// Policies that are loaded together, and the cases about them.
#[derive(Debug, PartialEq, Eq)]
pub struct Set {
    /// Files, or one directory.
    pub policies: Vec<PathBuf>,
    pub cases: Vec<PathBuf>,
}

/// The cases at `paths`, by what they are about.
pub fn sets(paths: &[PathBuf], together: bool) -> Result<Vec<Set>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let found =
            files_at(path, DEPTH).map_err(|error| Failure::No(format!("cannot read {}: {error}", path.display())))?;
        if found.is_empty() {
            let help = "write some into NAME.test.yaml beside NAME.yaml";
            return Err(Failure::No(format!("{}: there are no cases there; {help}", path.display())));
        }
        files.extend(found);
    }
    files.sort();
    files.dedup();
    let mut by_policies: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let about = policy_of(&file).filter(|_| !together).unwrap_or_else(|| directory.to_owned());
        by_policies.entry(about).or_default().push(file);
    }
    Ok(by_policies.into_iter().map(|(policies, cases)| Set { policies: vec![policies], cases }).collect())
}

/// The files of cases at `path`: itself, those beside a policy, those in a directory.
fn files_at(path: &Path, depth: usize) -> std::io::Result<Vec<PathBuf>> {
    if is_cases(path) {
        fs::metadata(path)?;
        return Ok(vec![path.to_owned()]);
    }
    if !fs::metadata(path)?.is_dir() {
        let beside = ENDS.iter().map(|end| path.with_extension(end)).filter(|file| file.is_file());
        return Ok(beside.collect());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if entry.file_type()?.is_dir() {
            if depth > 0 && !hidden {
                found.extend(files_at(&entry.path(), depth - 1)?);
            }
        } else if is_cases(&entry.path()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn is_cases(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ENDS.iter().any(|end| name.strip_suffix(end).is_some_and(|stem| stem.len() > 1 && stem.ends_with('.')))
}

/// `NAME.yaml` beside `NAME.test.yaml`. A team's file holds only within the bounds of those above it, so it is asked with them.
fn policy_of(cases: &Path) -> Option<PathBuf> {
    let delegated = cases.ancestors().find(|place| place.file_name().is_some_and(|name| name == DELEGATED));
    if let Some(root) = delegated.and_then(Path::parent) {
        return Some(if root.as_os_str().is_empty() { PathBuf::from(".") } else { root.to_owned() });
    }
    let plain = cases.with_extension("").with_extension("");
    let beside = ["yaml", "yml", "json"].map(|end| plain.with_extension(end));
    beside.into_iter().find(|policy| policy.is_file() && is_policy_file(policy))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_about_the_policy_beside_them_or_about_all_of_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("more")).unwrap();
        for name in
            ["a.yaml", "a.test.yaml", "b.yaml", "all.test.yaml", "more/c.yml", "more/c.test.yml", ".hidden.yaml"]
        {
            fs::write(at(name), "").unwrap();
        }
        let set = |policies: &str, cases: &[&str]| Set {
            policies: vec![at(policies)],
            cases: cases.iter().map(|name| at(name)).collect(),
        };
        let all = sets(&[root.path().to_owned()], false).unwrap();
        assert_eq!(
            all,
            [set("", &["all.test.yaml"]), set("a.yaml", &["a.test.yaml"]), set("more/c.yml", &["more/c.test.yml"])]
        );
        let all = sets(&[root.path().to_owned()], true).unwrap();
        assert_eq!(all, [set("", &["a.test.yaml", "all.test.yaml"]), set("more", &["more/c.test.yml"])]);
        assert_eq!(sets(&[at("a.yaml"), at("a.test.yaml")], false).unwrap(), [set("a.yaml", &["a.test.yaml"])]);
        assert!(sets(&[at("b.yaml")], false).unwrap_err().to_string().contains("there are no cases there"));
        assert!(sets(&[at("none")], false).unwrap_err().to_string().contains("cannot read"));
    }
}
