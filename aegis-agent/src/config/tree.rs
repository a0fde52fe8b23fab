//! From YAML text to the raw configuration, without stopping at the first fault.
//!
//! The text becomes a tree; each leaf of the tree is then deserialised alone, under its own path, so that a
//! fault in one says nothing about the next. What cannot be read is reported and left at its default.

use std::fmt;

use serde_yaml::{Mapping, Value, from_value, to_value};

use super::problems::Problem;
use super::raw::{RawAgent, RawBundle, RawBundleKey, RawConfig, RawContainers, RawDirect, RawTrusted, RawUnits};
use super::yaml;

/// One step of a path into the YAML.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

#[derive(Clone, Debug, Default)]
struct Place(Vec<Step>);

impl Place {
    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The smallest document that has `leaf` in this place.
    fn document(&self, leaf: Value) -> Value {
        self.0.iter().rev().fold(leaf, |value, step| match step {
            Step::Key(key) => Value::Mapping(Mapping::from_iter([(Value::from(key.as_str()), value)])),
            Step::Index(_) => Value::Sequence(vec![value]),
        })
    }

    /// What an element of the list in this place looks like; `None` where the elements are plain.
    fn element(&self) -> Option<Value> {
        match self.0.as_slice() {
            [Step::Key(agents)] if agents == "agents" => to_value(RawAgent::default()).ok(),
            [Step::Key(discovery), Step::Key(units)] if discovery == "discovery" && units == "units" => {
                to_value(RawUnits::default()).ok()
            }
            [Step::Key(discovery), Step::Key(containers)] if discovery == "discovery" && containers == "containers" => {
                to_value(RawContainers::default()).ok()
            }
            [Step::Key(tokens), Step::Key(trusted)] if tokens == "tokens" && trusted == "trusted" => {
                to_value(RawTrusted::default()).ok()
            }
            [Step::Key(policies), Step::Key(keys)] if policies == "policies" && keys == "keys" => {
                to_value(RawBundleKey::default()).ok()
            }
            [_, .., Step::Key(direct)] if direct == "direct" => to_value(RawDirect::default()).ok(),
            _ => None,
        }
    }

    /// What a section in this place looks like, where a plain value can stand as well.
    fn section(&self) -> Option<Value> {
        match self.0.as_slice() {
            [Step::Key(policies)] if policies == "policies" => to_value(RawBundle::default()).ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if i == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The raw form of `text` and everything that is wrong with it at this stage.
pub(super) fn read(text: &str) -> (RawConfig, Vec<Problem>) {
    let parsed = match yaml::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => return (RawConfig::default(), vec![whole_file(error.to_string())]),
    };
    let mut problems: Vec<Problem> = (parsed.duplicates.iter())
        .map(|duplicate| Problem {
            path: duplicate.path.clone(),
            line: duplicate.line,
            message: "is set twice; keep one".to_owned(),
        })
        .collect();
    let schema = to_value(RawConfig::default()).unwrap_or_default();
    let mut pruner = Pruner { text, problems: Vec::new() };
    let tree = pruner.prune(parsed.value, &schema, &Place::default()).unwrap_or(Value::Mapping(Mapping::new()));
    problems.append(&mut pruner.problems);
    match from_value(tree) {
        Ok(raw) => (raw, problems),
        Err(error) => {
            problems.push(whole_file(error.to_string()));
            (RawConfig::default(), problems)
        }
    }
}

fn whole_file(message: String) -> Problem {
    Problem { path: String::new(), line: None, message }
}

/// The line of the key at `path`, or of the nearest thing around it that the text has.
pub(super) fn line_of(text: &str, path: &str) -> Option<usize> {
    let mut path = path;
    loop {
        if let Some(line) = yaml::line_of_key(text, path) {
            return Some(line);
        }
        path = path.rfind(['.', '[']).and_then(|end| path.get(..end))?;
    }
}

struct Pruner<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Pruner<'_> {
    fn problem(&mut self, place: &Place, message: String) {
        let path = place.to_string();
        self.problems.push(Problem { line: line_of(self.text, &path), path, message });
    }

    /// `value` without what cannot be read; `None` where nothing of it is left.
    fn prune(&mut self, value: Value, schema: &Value, place: &Place) -> Option<Value> {
        let section = if value.is_mapping() { place.section() } else { None };
        match (value, section.as_ref().unwrap_or(schema)) {
            (Value::Mapping(entries), Value::Mapping(known)) if !known.is_empty() => {
                Some(self.prune_section(entries, known, place))
            }
            // `listen:` with nothing after it is how a section is emptied by commenting out its keys.
            (Value::Null, Value::Mapping(known)) if !known.is_empty() => None,
            (Value::Sequence(items), _) if place.element().is_some() => Some(self.prune_list(items, place)),
            (leaf, _) => match from_value::<RawConfig>(place.document(leaf.clone())) {
                Ok(_) => Some(leaf),
                Err(error) => {
                    let message = error.to_string().replace("u64", "a whole number, 0 or more");
                    self.problem(place, message);
                    None
                }
            },
        }
    }

    fn prune_section(&mut self, entries: Mapping, known: &Mapping, place: &Place) -> Value {
        let mut kept = Mapping::new();
        for (key, value) in entries {
            let name = key.as_str().unwrap_or_default().to_owned();
            let place = place.then(Step::Key(name.clone()));
            let Some(schema) = known.get(&key) else {
                let names: Vec<&str> = known.keys().filter_map(Value::as_str).collect();
                let hint = did_you_mean(&name, names.iter().copied());
                self.problem(&place, format!("unknown key{hint}; allowed here: {}", names.join(", ")));
                continue;
            };
            if let Some(value) = self.prune(value, schema, &place) {
                kept.insert(key, value);
            }
        }
        Value::Mapping(kept)
    }

    /// Every element keeps its place, so that later problems name the right index.
    fn prune_list(&mut self, items: Vec<Value>, place: &Place) -> Value {
        let schema = place.element().unwrap_or_default();
        let pruned = items.into_iter().enumerate().map(|(i, item)| {
            let place = place.then(Step::Index(i));
            self.prune(item, &schema, &place).unwrap_or(Value::Mapping(Mapping::new()))
        });
        Value::Sequence(pruned.collect())
    }
}

/// `; did you mean ...?` with the likeliest of `known`, or nothing where none is near.
pub(super) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min()
        .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}
