//! Rules of modules that need their own value: they have none, and could keep the engine busy.

use std::collections::HashSet;

use crate::raw_rego::modules::Parsed;
use crate::raw_rego::syntax::{self, Fault, Names, Place};
use crate::source::diagnostics::Source;

/// A rule and what it needs, by their full names.
struct Rule<'s> {
    name: String,
    needs: Vec<String>,
    place: Place,
    source: &'s Source,
}

/// The first rule that needs its own value, by any way around.
pub(super) fn recursion<'s>(parsed: &[Parsed<'s>]) -> Option<(&'s Source, Fault)> {
    let rules: Vec<Rule<'_>> = parsed.iter().flat_map(rules_of).collect();
    let rule = rules.iter().find(|rule| needs_itself(rule, &rules))?;
    let short = rule.name.rsplit('.').next().unwrap_or(&rule.name);
    Some((rule.source, Fault::new(rule.place, format!("rule `{short}` needs its own value"))))
}

fn rules_of<'s>(module: &Parsed<'s>) -> Vec<Rule<'s>> {
    let package = syntax::path(&module.module.package.refr).join(".");
    let own: HashSet<String> = module.rules().map(|(_, name, _)| name).collect();
    let rule = |(place, name, names): (Place, String, Names)| {
        let local = names.variables.iter().chain(&names.calls).filter(|(_, other)| own.contains(other));
        let local = local.map(|(_, other)| format!("{package}.{other}"));
        let steps = |way: &[Option<String>]| way.iter().map_while(Option::clone).collect::<Vec<_>>().join(".");
        let needs = local.chain(names.data.iter().map(|(_, way)| steps(way))).collect();
        Rule { name: format!("{package}.{name}"), needs, place, source: module.source }
    };
    module.rules().map(rule).collect()
}

fn needs_itself(start: &Rule<'_>, rules: &[Rule<'_>]) -> bool {
    let (mut seen, mut next) = (HashSet::new(), vec![start]);
    while let Some(rule) = next.pop() {
        for needed in &rule.needs {
            if leads_to(needed, &start.name) {
                return true;
            }
            let found = rules.iter().filter(|other| leads_to(needed, &other.name));
            next.extend(found.filter(|other| seen.insert((&other.name, other.place))));
        }
    }
    false
}

/// Whether the way ends at the rule or in its value.
fn leads_to(way: &str, rule: &str) -> bool {
    way.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
