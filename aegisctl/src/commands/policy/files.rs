//! Policy files as the daemon finds them: a file, or the policy files of a directory in the order of their names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aegis_policy::{Source, is_policy_file};

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
        return Err(Failure::No("there is no policy file (*.yaml, *.yml, *.json) there".to_owned()));
    }
    Ok(sources)
}

fn directory(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file.is_file() && is_policy_file(&file) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
