//! What compiles and is still not what its author meant: rules that nothing reaches, hosts that are too wide, things left on.
//!
//! A finding is never a guess where it says "never": what is called unreachable is so by conditions that can be compared.

mod conditions;
mod detectors;
mod habits;
mod places;
mod reach;
mod subsume;
mod width;

use std::time::SystemTime;

use serde::Serialize;

use crate::rule::{Policy, Rule};
use crate::source::diagnostics::{Diagnostics, Source};
use places::Places;

/// How bad a finding is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not meant.
    Warning,
    /// A refusal that never refuses.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lint {
    /// `AEG001` and so on; docs/policy.md has the table.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// 1-based column.
    pub column: usize,
    /// The rule (`policy/rule`), the policy or the template.
    pub subject: String,
    /// What was found, and why it matters.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// What is looked through: rules in the order in which they are tried, with their policies.
struct Look<'d> {
    policies: &'d [Policy],
    rules: Vec<&'d Rule>,
    places: &'d Places,
    now: SystemTime,
    found: Vec<Lint>,
}

/// Looks through policies that compile. `now` is for what ends at a date.
///
/// # Errors
/// [`Diagnostics`] where they don't compile.
pub fn lint(sources: &[Source], now: SystemTime) -> Result<Vec<Lint>, Diagnostics> {
    let snapshot = crate::compile(sources)?;
    let (policies, rules) = (&snapshot.catalog.policies, &snapshot.catalog.rules);
    let places = Places::of(sources);
    let mut look = Look { policies, rules: rules.iter().collect(), places: &places, now, found: Vec::new() };
    reach::look(&mut look);
    width::look(&mut look);
    habits::look(&mut look);
    conditions::look(&mut look);
    let mut found = look.found;
    habits::unused_templates(&places, &mut found);
    detectors::look(snapshot.everything(), rules, sources, &places, &mut found);
    found.sort_by(|a, b| (&a.file, a.line, a.column, a.code).cmp(&(&b.file, b.line, b.column, b.code)));
    found.dedup();
    Ok(found)
}

/// What a finding says.
struct Said<'s> {
    code: &'static str,
    severity: Severity,
    message: String,
    fix: &'s str,
}

impl<'d> Look<'d> {
    fn policy(&self, rule: &Rule) -> Option<&'d Policy> {
        self.policies.get(rule.policy)
    }

    /// Notes a finding at `key` of a rule, or at the rule where the key is its policy's or its template's.
    fn note(&mut self, rule: &Rule, key: &str, said: Said<'_>) {
        let name = self.policy(rule).map(|policy| policy.name.to_string()).unwrap_or_default();
        let place = self.places.rule(&name, &rule.id, key);
        self.found.push(said.at(place, rule.id.to_string()));
    }

    fn note_policy(&mut self, policy: &Policy, key: &str, said: Said<'_>) {
        let place = self.places.policy(&policy.name, key);
        self.found.push(said.at(place, policy.name.to_string()));
    }
}

impl Said<'_> {
    fn at(self, place: places::Place, subject: String) -> Lint {
        let Said { code, severity, message, fix } = self;
        let places::Place { file, line, column } = place;
        Lint { code, severity, file, line, column, subject, message, fix: fix.to_owned() }
    }
}
