//! A compiled set of policies: immutable, shared between threads, one version.

use std::sync::Arc;

use crate::source::diagnostics::{Diagnostics, Source};
use crate::{Agent, Connect, ConnectPlan, Content, Denial, DenialKind, Explanation, Intent, NameVerdict, Needs, Verdict};

/// Compiled policies.
#[derive(Debug)]
pub struct Snapshot {
    version: Arc<str>,
}

/// Compiles policy files. All problems of all files are reported together.
///
/// # Errors
/// [`Diagnostics`] when anything in any file is wrong; nothing is skipped with a warning.
pub fn compile(_sources: &[Source]) -> Result<Snapshot, Diagnostics> {
    Ok(Snapshot { version: "".into() })
}

impl Snapshot {
    fn closed(&self) -> Denial {
        Denial::new(DenialKind::Policy, "no rule", &*self.version)
    }
    /// The version, shown in every record.
    pub fn version(&self) -> &str {
        &self.version
    }
    /// How many rules there are.
    pub fn rules(&self) -> usize {
        0
    }
    /// The Rego modules, by name.
    pub fn rego(&self) -> impl Iterator<Item = (&str, &str)> {
        std::iter::empty()
    }
    /// What to do with a connection.
    pub fn connect(&self, _agent: &Agent, _connect: &Connect<'_>) -> ConnectPlan {
        ConnectPlan::Deny(self.closed())
    }
    /// Whether a name may be resolved.
    pub fn name(&self, _agent: &Agent, _host: &str) -> NameVerdict {
        NameVerdict::Refuse(self.closed())
    }
    /// What `decide` must be given.
    pub fn needs(&self, _intent: &Intent<'_>) -> Needs {
        Needs::default()
    }
    /// Decides a request.
    pub fn decide(&self, _intent: &Intent<'_>, _content: &Content<'_>) -> Verdict {
        Verdict::Denial(self.closed())
    }
    /// Explains a decision.
    pub fn explain(&self, _intent: &Intent<'_>, _content: &Content<'_>) -> Explanation {
        Explanation::default()
    }
}
