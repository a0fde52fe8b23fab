//! Which doubtful parts of the input some Rego reads, by itself and by the rules that it names.

use crate::raw_rego::RawCondition;
use crate::raw_rego::modules::Modules;
use crate::raw_rego::syntax::{self, Aliases, Names};

/// What can be in doubt, as `input` and `input.ambiguous` name it.
pub(super) const ALL: [&str; 5] = ["body", "path", "query", "time", "tool"];

/// A way into `data`.
type Way = Vec<Option<String>>;

/// What one rule of a module reads and names.
#[derive(Debug)]
pub(super) struct Reading {
    rule: String,
    parts: Vec<&'static str>,
    leads: Vec<Way>,
}

impl Reading {
    /// Of a rule of `package`, which may name its neighbours.
    pub(super) fn new(package: &[String], rule: String, names: &Names) -> Reading {
        let neighbours = names.variables.iter().chain(&names.calls).map(|(_, name)| name);
        let beside = |name: &String| package.iter().chain([name]).cloned().map(Some).collect::<Way>();
        let leads = names.data.iter().map(|(_, way)| way.clone()).chain(neighbours.map(beside)).collect();
        Reading { rule, parts: parts(&names.input), leads }
    }

    /// Further parts of the input: what an import brings under another name.
    pub(super) fn imports(&mut self, first: &[Option<String>]) {
        self.parts.extend(parts(first));
    }
}

/// The parts that these first steps into the input lead to.
fn parts(first: &[Option<String>]) -> Vec<&'static str> {
    let read = |part: &&str| first.iter().any(|step| step.as_ref().is_none_or(|step| step == part));
    ALL.into_iter().filter(|part| read(part)).collect()
}

impl Modules {
    /// What the condition may read that can be in doubt. What cannot be read as Rego may read everything.
    pub(super) fn doubts(&self, condition: &RawCondition) -> Vec<&'static str> {
        let Ok(module) = syntax::parse("rego", &condition.module_text()) else { return ALL.to_vec() };
        let names = module.policy.iter().map(|rule| Names::of_rule(rule, &Aliases::new()));
        let own: Vec<Reading> = names.map(|names| Reading::new(&[], String::new(), &names)).collect();
        let mut waiting: Vec<&Reading> = own.iter().collect();
        let mut seen: Vec<&Reading> = Vec::new();
        while let Some(reading) = waiting.pop() {
            if seen.iter().any(|known| std::ptr::eq(*known, reading)) {
                continue;
            }
            seen.push(reading);
            waiting.extend(reading.leads.iter().flat_map(|way| self.readings(way)));
        }
        ALL.into_iter().filter(|part| seen.iter().any(|reading| reading.parts.contains(part))).collect()
    }

    /// The rules that a way leads to: a name may have several.
    fn readings<'m>(&'m self, way: &[Option<String>]) -> impl Iterator<Item = &'m Reading> {
        let named = |package: &[String]| {
            let (inside, rest) = way.split_at_checked(package.len())?;
            let here = !package.is_empty() && inside.iter().zip(package).all(|(a, b)| a.as_ref() == Some(b));
            rest.first().filter(|_| here).cloned().flatten()
        };
        let found: Vec<&'m Reading> = self
            .packages_read()
            .filter_map(|(package, readings)| Some((named(package)?, readings)))
            .flat_map(|(name, readings)| readings.iter().filter(move |reading| reading.rule == name))
            .collect();
        found.into_iter()
    }
}
