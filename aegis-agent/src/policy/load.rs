//! From the configured place to a compiled policy, or to every problem of it.

use std::fs;
use std::path::{Path, PathBuf};

use aegis_policy::{Diagnostics, Snapshot, Source, compile};
use miette::{GraphicalReportHandler, GraphicalTheme};

/// Policies are read by humans; what is larger is not one.
const MAX_POLICY_BYTES: u64 = 16 << 20;
/// Files in a policy directory.
const MAX_FILES: usize = 1000;

/// Why a policy was not taken. Its text says where, with line, column and caret.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{path}: {why}")]
    Read { path: PathBuf, why: String },
    #[error("the policy is broken\n{}", drawn(.0))]
    Broken(Diagnostics),
}

impl PolicyError {
    /// One line for each problem, for where there is no room for a drawing.
    pub(super) fn in_lines(&self) -> String {
        match self {
            Self::Read { .. } => self.to_string(),
            Self::Broken(diagnostics) => {
                diagnostics.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// Every problem with its line and a caret under the place.
fn drawn(diagnostics: &Diagnostics) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    let draw = |problem| {
        let mut text = String::new();
        handler.render_report(&mut text, problem).map(|()| text)
    };
    diagnostics.problems().iter().map(|problem| draw(problem).unwrap_or_else(|_| problem.to_string())).collect()
}

pub(super) fn load(place: Option<&Path>) -> Result<Snapshot, PolicyError> {
    let sources = match place {
        None => vec![Source { name: "starter.yaml (embedded)".into(), text: aegis_policy::STARTER.into() }],
        Some(place) => read(place)?,
    };
    compile(&sources).map_err(PolicyError::Broken)
}

fn read(place: &Path) -> Result<Vec<Source>, PolicyError> {
    let fail = |why: &dyn std::fmt::Display| PolicyError::Read { path: place.to_owned(), why: why.to_string() };
    let meta = fs::metadata(place).map_err(|error| fail(&error))?;
    if meta.is_file() {
        return Ok(vec![source(place)?]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(place).map_err(|error| fail(&error))? {
        let path = entry.map_err(|error| fail(&error))?.path();
        if aegis_policy::is_policy_file(&path) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(fail(
            &"holds no .yaml, .yml or .json file; fix: put a policy there, or leave `policies` out for the starter policy",
        ));
    }
    if files.len() > MAX_FILES {
        return Err(fail(&format!("holds {} policy files; at most {MAX_FILES} are read", files.len())));
    }
    files.sort();
    files.iter().map(|path| source(path)).collect()
}

fn source(path: &Path) -> Result<Source, PolicyError> {
    let fail = |why: String| PolicyError::Read { path: path.to_owned(), why };
    let length = fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
    if length > MAX_POLICY_BYTES {
        return Err(fail(format!("{length} bytes is too long for a policy (at most {MAX_POLICY_BYTES})")));
    }
    let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    Ok(Source { name: path.display().to_string(), text })
}
