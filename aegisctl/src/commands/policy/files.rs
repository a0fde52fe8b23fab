//! Policy files as the daemon finds them: a file, or the policy files of a directory in the order of their names, and below
//! `delegated/TEAM` those of teams.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aegis_policy::{DELEGATED, Source, is_policy_file};

use crate::failure::Failure;

/// Reads files and directories.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        let failed = |error: io::Error| Failure::No(format!("cannot read {}: {error}", path.display()));
        let files = if path.is_dir() { directory(path).map_err(failed)? } else { vec![path.clone()] };
        for file in files {
            let text = fs::read_to_string(&file)
                .map_err(|error| Failure::No(format!("cannot read {}: {error}", file.display())))?;
            sources.push(Source { name: file.display().to_string(), text });
        }
    }
    if sources.is_empty() {
        return Err(Failure::No("there is no policy file (*.yaml, *.yml, *.json, *.rego) there".to_owned()));
    }
    Ok(sources)
}

fn directory(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = policies(path)?;
    let delegated = path.join(DELEGATED);
    if delegated.is_dir() {
        // A file that belongs to no team is told of, not passed over.
        files.extend(policies(&delegated)?);
        for team in entries(&delegated)?.into_iter().filter(|team| team.is_dir()) {
            files.extend(policies(&team)?);
        }
    }
    Ok(files)
}

fn policies(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = entries(directory)?;
    files.retain(|file| file.is_file() && is_policy_file(file));
    Ok(files)
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}
