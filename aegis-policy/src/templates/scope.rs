//! By whose authority a policy is read.

use std::sync::Arc;

use crate::raw_rego::Modules;
use crate::rule::{Policy, Rule};
use crate::source::cursor::Cursor;
use crate::templates::{Bounds, Library};

/// Whose policy it is, what it is held to, and which Rego its rules can name.
pub(crate) struct Scope<'l> {
    team: Option<Arc<str>>,
    /// The bounds for the team; `None` where the text is security's own.
    bounds: Option<Vec<&'l Bounds>>,
    modules: &'l Modules,
}

impl<'l> Scope<'l> {
    /// What security writes.
    pub(crate) fn security(modules: &'l Modules) -> Scope<'l> {
        Scope { team: None, bounds: None, modules }
    }

    /// What a team writes.
    pub(crate) fn team_of(team: &str, library: &'l Library<'_>, modules: &'l Modules) -> Scope<'l> {
        let bounds = library.bounds.iter().filter(|bounds| bounds.are_for(team)).collect();
        Scope { team: Some(team.into()), bounds: Some(bounds), modules }
    }

    /// The same, for what a template makes: its text is security's, so it is bounded by its parameters alone.
    pub(super) fn of_template(&self) -> Scope<'l> {
        Scope { team: self.team.clone(), bounds: None, modules: self.modules }
    }

    /// The team; `None` for security.
    pub(crate) fn team(&self) -> Option<&Arc<str>> {
        self.team.as_ref()
    }

    /// Notes where the policy is outside of its bounds.
    pub(crate) fn check_policy(&self, at: &Cursor<'_>, policy: &Policy) {
        let Some(bounds) = &self.bounds else { return };
        if bounds.is_empty() {
            let team = self.team.as_deref().unwrap_or_default();
            at.problem_with(
                format!("there are no bounds for policies of team `{team}`"),
                "not granted",
                "use a template, or ask the owner of the policy for `bounds` that name the team",
            );
        }
        for one in bounds {
            if let Some((key, why)) = one.refuse_policy(&policy.name, &policy.agents) {
                outside(at, key, one, &why);
            }
        }
    }

    /// Notes where a rule is outside of its bounds, or its Rego is not to be had.
    pub(crate) fn check_rule(&self, at: &Cursor<'_>, rule: &Rule) {
        for one in self.bounds.iter().flatten() {
            for (key, why) in one.refuse_rule(rule) {
                outside(at, key, one, &why);
            }
        }
        if let (Some(condition), Some(place)) = (&rule.rego, at.child("rego")) {
            self.modules.check(&place, condition, rule.doubt_meets());
        }
    }
}

/// At the key that is to blame, or at the whole where the key is not written down.
fn outside(at: &Cursor<'_>, key: &str, bounds: &Bounds, why: &str) {
    let place = at.child(key).unwrap_or_else(|| at.clone());
    place.problem_with(
        format!("outside of bounds `{}`: {why}", bounds.name),
        "outside the bounds",
        "stay within them, or ask their owner",
    );
}
