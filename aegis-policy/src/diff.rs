//! What differs between two sets of policy files: by policy, rule and key as their authors wrote them, and line by line.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value};
use similar::TextDiff;

use crate::Source;

/// Characters of a value that are shown.
const SHOWN: usize = 200;
/// Lines around a changed one.
const CONTEXT: usize = 3;

/// What one set of files has and another has not. Policies are named `policy`, rules `policy/rule`, all else that a file
/// holds by its file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Only in the later set.
    pub added: Vec<String>,
    /// Only in the earlier set.
    pub removed: Vec<String>,
    /// In both, with other keys.
    pub changed: Vec<Changed>,
    /// Rules of both that stand in another order, which decides between rules of one priority.
    pub reordered: Vec<String>,
}

/// A policy or rule whose keys differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// `policy`, `policy/rule`, or the file.
    pub name: String,
    /// Its keys that differ, by name.
    pub keys: Vec<ChangedKey>,
}

/// One key: as JSON, cut short; none where it is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedKey {
    /// The key.
    pub key: String,
    /// The earlier value.
    pub before: Option<String>,
    /// The later value.
    pub after: Option<String>,
}

/// Everything that can differ, by name, and the rules in the order in which they stand.
#[derive(Default)]
struct Inventory {
    parts: BTreeMap<String, Map<String, Value>>,
    rules: Vec<String>,
}

impl Difference {
    /// Compares files that compile. What cannot be read as YAML (a Rego module) is compared as text.
    pub fn between(before: &[Source], after: &[Source]) -> Difference {
        let (before, after) = (Inventory::of(before), Inventory::of(after));
        let only = |here: &Inventory, there: &Inventory| -> Vec<String> {
            here.parts.keys().filter(|name| !there.parts.contains_key(*name)).cloned().collect()
        };
        let both = before.parts.iter().filter_map(|(name, keys)| Some((name, keys, after.parts.get(name)?)));
        let changed = both.map(|(name, before, after)| Changed { name: name.clone(), keys: keys(before, after) });
        Difference {
            added: only(&after, &before),
            removed: only(&before, &after),
            changed: changed.filter(|changed| !changed.keys.is_empty()).collect(),
            reordered: reordered(&before, &after),
        }
    }

    /// Whether both say the same.
    pub fn is_empty(&self) -> bool {
        *self == Difference::default()
    }
}

/// The files line by line, as `diff -u` writes it; empty where they are equal.
pub fn unified(before: &[Source], after: &[Source]) -> String {
    let texts = |sources: &[Source]| -> BTreeMap<String, String> {
        sources.iter().map(|source| (source.name.clone(), source.text.clone())).collect()
    };
    let (before, after) = (texts(before), texts(after));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut out = String::new();
    for name in names {
        let text = |files: &BTreeMap<String, String>| files.get(name).cloned().unwrap_or_default();
        let label = |files: &BTreeMap<String, String>, side: &str| match files.get(name) {
            Some(_) => format!("{side}/{name}"),
            None => "/dev/null".to_owned(),
        };
        let (old, new) = (text(&before), text(&after));
        if old == new {
            continue;
        }
        let diff = TextDiff::from_lines(old.as_str(), new.as_str());
        let mut unified = diff.unified_diff();
        unified.context_radius(CONTEXT).header(&label(&before, "a"), &label(&after, "b"));
        // Writing to a string cannot fail.
        let _ = write!(out, "{unified}");
    }
    out
}

impl Inventory {
    fn of(sources: &[Source]) -> Inventory {
        let mut inventory = Inventory::default();
        for source in sources {
            let parsed = source.is_document().then(|| serde_yaml::from_str::<Value>(&source.text));
            match parsed {
                Some(Ok(Value::Object(file))) => inventory.file(&source.name, file),
                _ => {
                    let text = Value::String(source.text.clone());
                    inventory.part(source.name.clone(), Map::from_iter([("text".to_owned(), text)]));
                }
            }
        }
        inventory
    }

    fn file(&mut self, name: &str, mut file: Map<String, Value>) {
        let policies = file.remove("policies");
        // The version names the whole; that it differs is no news.
        file.remove("version");
        if !file.is_empty() {
            self.part(name.to_owned(), file);
        }
        for policy in policies.iter().filter_map(Value::as_array).flatten() {
            let Value::Object(mut policy) = policy.clone() else { continue };
            let Some(Value::String(policy_name)) = policy.remove("name") else { continue };
            let rules = policy.remove("rules");
            for rule in rules.iter().filter_map(Value::as_array).flatten() {
                let Value::Object(mut rule) = rule.clone() else { continue };
                let Some(Value::String(rule_name)) = rule.remove("name") else { continue };
                let id = format!("{policy_name}/{rule_name}");
                self.rules.push(id.clone());
                self.part(id, rule);
            }
            self.part(policy_name, policy);
        }
    }

    fn part(&mut self, name: String, keys: Map<String, Value>) {
        self.parts.entry(name).or_default().extend(keys);
    }
}

fn keys(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<ChangedKey> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    let shown = |keys: &Map<String, Value>, name: &String| keys.get(name).map(|value| short(&value.to_string()));
    let key = |name: &String| ChangedKey { key: name.clone(), before: shown(before, name), after: shown(after, name) };
    names.into_iter().filter(differs).map(key).collect()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The rules of both between the first and the last place where their order differs, in the later order.
fn reordered(before: &Inventory, after: &Inventory) -> Vec<String> {
    let common = |here: &Inventory, there: &Inventory| -> Vec<String> {
        here.rules.iter().filter(|rule| there.parts.contains_key(*rule)).cloned().collect()
    };
    let (before, after) = (common(before, after), common(after, before));
    let differs = |(a, b): (&String, &String)| a != b;
    let Some(first) = before.iter().zip(&after).position(differs) else { return Vec::new() };
    let last = before.iter().rev().zip(after.iter().rev()).position(differs).unwrap_or_default();
    after.get(first..after.len().saturating_sub(last)).unwrap_or_default().to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    const BEFORE: &str = "version: v1\npolicies:\n  - name: p\n    agents: [a]\n    rules:\n      - {name: x, hosts: [x.test], decision: allow}\n      - {name: y, hosts: [y.test], decision: allow}\n      - {name: z, hosts: [z.test], decision: deny}\n";

    #[test]
    fn rules_are_told_apart_by_name_and_key() {
        let after = BEFORE.replace("x.test", "xx.test").replace("name: z", "name: w").replace("[a]", "[a, b]");
        let found = Difference::between(&[source("p.yaml", BEFORE)], &[source("other.yaml", &after)]);
        assert_eq!((found.added, found.removed), (vec!["p/w".to_owned()], vec!["p/z".to_owned()]));
        let names: Vec<(&str, &str)> =
            found.changed.iter().flat_map(|c| c.keys.iter().map(|k| (c.name.as_str(), k.key.as_str()))).collect();
        assert_eq!(names, [("p", "agents"), ("p/x", "hosts")]);
        assert_eq!(found.changed[1].keys[0].before.as_deref(), Some("[\"x.test\"]"));
        assert!(found.reordered.is_empty());
    }

    #[test]
    fn spelling_and_file_names_make_no_difference() {
        let json = serde_json::to_string(&serde_yaml::from_str::<Value>(BEFORE).unwrap()).unwrap();
        assert!(Difference::between(&[source("p.yaml", BEFORE)], &[source("q.json", &json)]).is_empty());
    }

    #[test]
    fn the_order_of_rules_is_part_of_the_policy() {
        let (x, y) = ("{name: x, hosts: [x.test], decision: allow}", "{name: y, hosts: [y.test], decision: allow}");
        let after = BEFORE.replace(x, "SWAP").replace(y, x).replace("SWAP", y);
        let found = Difference::between(&[source("p", BEFORE)], &[source("p", &after)]);
        assert_eq!(found, Difference { reordered: vec!["p/y".into(), "p/x".into()], ..Difference::default() });
    }

    #[test]
    fn what_is_no_policy_is_compared_too() {
        let before = [source("a.yaml", &format!("bounds: {{x: 1}}\n{BEFORE}")), source("m.rego", "package m\n")];
        let after = [source("a.yaml", &format!("bounds: {{x: 2}}\n{BEFORE}")), source("m.rego", "package n\n")];
        let names: Vec<String> = Difference::between(&before, &after).changed.into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["a.yaml", "m.rego"]);
    }

    #[test]
    fn the_text_is_compared_line_by_line() {
        let text = unified(&[source("p.yaml", BEFORE)], &[source("p.yaml", &BEFORE.replace("z.test", "zz.test"))]);
        assert!(text.starts_with("--- a/p.yaml\n+++ b/p.yaml\n"), "{text}");
        assert!(
            text.contains("\n-      - {name: z, hosts: [z.test]") && text.contains("\n+      - {name: z, hosts: [zz")
        );
        assert!(unified(&[source("p", BEFORE)], &[source("p", BEFORE)]).is_empty());
        assert!(unified(&[], &[source("n.yaml", "a: 1\n")]).starts_with("--- /dev/null\n+++ b/n.yaml\n"));
    }
}
