//! The workspace's Rust files, with tests and comments told apart from the code.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const SKIPPED: &[&str] = &["target", ".git", "node_modules", "fixtures"];

/// One Rust file.
pub struct Source {
    /// Path relative to the workspace.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

impl Source {
    /// The lines before a test module, numbered from 1; none for a file that is a test as a whole.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.path.iter().filter_map(|part| part.to_str()).any(is_of_tests);
        self.text
            .lines()
            .take_while(move |line| !is_test && !line.starts_with("#[cfg(test)]"))
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// [`code`](Self::code) without lines that are comments.
    pub fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn is_of_tests(part: &str) -> bool {
    matches!(part, "tests" | "benches" | "tests.rs") || part.ends_with("_tests.rs")
}

/// Reads every Rust file below `root`.
pub fn read(root: &Path) -> Result<Vec<Source>> {
    files(root, "rs")?
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(root.join(&path)).with_context(|| format!("reading {}", path.display()))?;
            Ok(Source { path, text })
        })
        .collect()
}

/// Files with an extension, relative to `root`, in order.
pub fn files(root: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))? {
            let entry = entry?;
            let path = entry.path();
            let skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
            if entry.file_type()?.is_dir() && !skipped {
                directories.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}
