//! Which rules the cases of a policy reach.

use std::collections::{BTreeMap, BTreeSet};

use super::Outcome;
use crate::Snapshot;

/// How often each rule decided.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// In the order in which they are tried.
    rules: Vec<String>,
    reached: BTreeMap<String, usize>,
}

impl Coverage {
    /// For the rules of `snapshot`; none reached yet.
    pub fn new(snapshot: &Snapshot) -> Self {
        Self { rules: snapshot.rule_names().map(str::to_owned).collect(), reached: BTreeMap::new() }
    }

    /// Counts the rule that decided, whether it was expected or not.
    pub fn count(&mut self, outcome: &Outcome) {
        if let Some(rule) = &outcome.rule {
            *self.reached.entry(rule.clone()).or_default() += 1;
        }
    }

    /// All rules.
    pub fn rules(&self) -> &[String] {
        &self.rules
    }

    /// Those that decided no case.
    pub fn unreached(&self) -> Vec<&str> {
        self.rules.iter().filter(|rule| !self.reached.contains_key(*rule)).map(String::as_str).collect()
    }

    /// Adds what the cases of another set of policies reached.
    pub fn add(&mut self, other: Coverage) {
        let known: BTreeSet<String> = self.rules.iter().cloned().collect();
        self.rules.extend(other.rules.into_iter().filter(|rule| !known.contains(rule)));
        for (rule, times) in other.reached {
            *self.reached.entry(rule).or_default() += times;
        }
    }

    /// Rules that decided a case, in per cent, rounded down; 100 where there is no rule.
    pub fn percent(&self) -> u8 {
        let all = self.rules.len();
        let reached = all - self.unreached().len();
        u8::try_from((reached * 100).checked_div(all).unwrap_or(100)).unwrap_or(100)
    }
}
