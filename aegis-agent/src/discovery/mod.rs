//! Agents that nobody registers: systemd units and containers that appear below the enforced cgroup and fit a pattern of the
//! configuration.
//!
//! ```text
//! tree (cgroups that may be agents) -> names (unit or container) -> runtime (a container's labels) -> pattern (which agent)
//! ```
//!
//! Nothing here enrols anybody: `daemon::discovery` does. A cgroup's name proves who made it only where no agent could have
//! made it, so `tree` gives none below an agent, below a unit, or in a place that others than root may write.

mod names;
mod pattern;
mod runtime;
mod tree;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use names::{Seen, Unit};
pub use pattern::{Facts, Glob, Kind, Template, all_fit};
pub use runtime::{Answer, Container, inspect};
pub use tree::{Candidate, Scan, is_gone, scan};

/// The most refusals that are shown.
pub const SHOWN: usize = 256;

/// A cgroup that fits a pattern and is no agent: its processes stay denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub cgroup: PathBuf,
    /// The agent that it would be, where that is known.
    pub agent: Option<String>,
    pub why: String,
}

/// What was refused at the last look, for `status`.
#[derive(Debug, Default)]
pub struct Refusals(ArcSwap<Vec<Refused>>);

impl Refusals {
    #[must_use]
    pub fn all(&self) -> Arc<Vec<Refused>> {
        self.0.load_full()
    }

    pub(crate) fn set(&self, mut refused: Vec<Refused>) {
        refused.truncate(SHOWN);
        self.0.store(Arc::new(refused));
    }
}
