//! Checks of what no compiler sees. Each gives its findings; nothing is repaired.

mod direction;
mod documents;
mod sizes;
mod sources;
mod threats;

use std::path::Path;

use anyhow::{Result, bail};

/// What a check found.
#[derive(Default)]
pub struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn error(&mut self, text: impl Into<String>) {
        self.errors.push(text.into());
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

/// Runs all checks and prints what they found; an error if there is one.
pub fn run(root: &Path) -> Result<()> {
    let mut findings = Findings::default();
    let sources = sources::read(root)?;
    direction::check(root, &sources, &mut findings)?;
    sizes::check(&sources, &mut findings);
    documents::check(root, &mut findings)?;
    threats::check(root, &sources, &mut findings);
    for warning in &findings.warnings {
        eprintln!("warning: {warning}");
    }
    for error in &findings.errors {
        eprintln!("error: {error}");
    }
    if !findings.errors.is_empty() {
        bail!("tidy found {} errors", findings.errors.len());
    }
    eprintln!("tidy: {} files, {} warnings", sources.len(), findings.warnings.len());
    Ok(())
}
