//! A policy that compiles, or everything that is wrong with it.

use std::path::{Path, PathBuf};

use aegis_policy::bundle::{BundleError, KeyError};
use aegis_policy::{Diagnostics, Snapshot, Source, compile};
use miette::{GraphicalReportHandler, GraphicalTheme};

use super::files;
use crate::fetch::FetchError;

/// Where a policy was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Embedded,
    File,
    Bundle,
}

/// A policy that compiles, with the files that it was compiled from.
#[derive(Debug)]
pub struct Loaded {
    pub snapshot: Snapshot,
    /// Named relative to the policies' directory.
    pub sources: Vec<Source>,
    pub kind: Kind,
    /// What a bundle calls itself.
    pub revision: Option<String>,
}

/// Why a policy was not taken. Its text says where, with line, column and caret.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{path}: {why}")]
    Read { path: PathBuf, why: String },
    #[error("the policy is broken\n{}", drawn(.0))]
    Broken(Diagnostics),
    #[error("the bundle {from} is refused: {why}")]
    Bundle { from: String, why: BundleError },
    #[error(
        "the bundle {from} is refused: it is older than what this host had from there (serial {serial}, after {highest}): an \
         attacker may replay it; build it anew, or see docs/bundles.md to go back"
    )]
    Older { from: String, serial: u64, highest: u64 },
    #[error(
        "the bundle {from} is refused: its serial {serial} is that of another bundle which this host had from there; build \
         it with a higher one"
    )]
    Reused { from: String, serial: u64 },
    #[error("{url}: {why}")]
    Fetch { url: String, why: FetchError },
    #[error("policies.keys, {path}: {why}")]
    Key { path: PathBuf, why: KeyError },
    #[error("the bundle of {from} cannot be kept, so it is not used: {why}")]
    Keep { from: String, why: String },
    #[error("there is no policy to start with: {now}; {kept}")]
    Nothing { now: Box<PolicyError>, kept: String },
}

impl PolicyError {
    /// One line for each problem, for where there is no room for a drawing.
    pub(super) fn in_lines(&self) -> String {
        match self {
            Self::Broken(diagnostics) => {
                diagnostics.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            }
            other => other.to_string(),
        }
    }

    /// A bundle whose policy is broken is told of as any broken policy is.
    pub(super) fn of_bundle(from: &str, why: BundleError) -> Self {
        match why {
            BundleError::Policy(diagnostics) => Self::Broken(diagnostics),
            why => Self::Bundle { from: from.to_owned(), why },
        }
    }
}

/// Loads from `place`: a file, a directory of policy files, or the embedded starter policy.
///
/// # Errors
/// Every problem of the policy, with its place.
pub fn load(place: Option<&Path>) -> Result<Loaded, PolicyError> {
    let (sources, kind) = match place {
        Some(path) => (files::read(path)?, Kind::File),
        None => (vec![Source { name: "starter.yaml".into(), text: aegis_policy::STARTER.into() }], Kind::Embedded),
    };
    let snapshot = compile(&sources).map_err(PolicyError::Broken)?;
    Ok(Loaded { snapshot, sources, kind, revision: None })
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
