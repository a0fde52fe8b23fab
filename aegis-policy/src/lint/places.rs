//! Where policies, rules and templates stand in the files.

use std::collections::HashMap;

use crate::source::diagnostics::Source;
use crate::source::node::{Node, Step, locate};

/// A place in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    /// 1-based.
    pub(super) line: usize,
    /// 1-based.
    pub(super) column: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Places {
    files: Vec<(Source, Node)>,
    /// By a policy's name: the file and the way to the policy, or to the use of a template that makes it.
    policies: HashMap<String, (usize, Vec<Step>)>,
}

impl Places {
    /// Of files that compile.
    pub(super) fn of(sources: &[Source]) -> Places {
        let mut places = Places::default();
        for source in sources.iter().filter(|source| source.is_document()) {
            let Ok(node) = Node::parse(&source.text) else { continue };
            let file = places.files.len();
            for list in ["policies", "use"] {
                let (at, items) = items(&node, list);
                for (number, item) in items.iter().enumerate() {
                    if let Some((_, Node::String(name))) = value(item, "name") {
                        places.policies.insert(name.clone(), (file, vec![at, Step::Item(number)]));
                    }
                }
            }
            places.files.push((source.clone(), node));
        }
        places
    }

    /// The value of a policy's key, or the policy.
    pub(super) fn policy(&self, policy: &str, key: &str) -> Place {
        let Some((file, way)) = self.policies.get(policy) else { return Place::default() };
        let steps = self.below(*file, way, key).unwrap_or_else(|| way.clone());
        self.place(*file, &steps)
    }

    /// The value of a rule's key; the rule where it has none, the policy's where it stands there, the use of a template where
    /// that is where the rule comes from.
    pub(super) fn rule(&self, policy: &str, id: &str, key: &str) -> Place {
        let Some((file, way)) = self.policies.get(policy) else { return Place::default() };
        let name = id.strip_prefix(policy).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id);
        let Some(rule) = self.rule_named(*file, way, name) else { return self.place(*file, way) };
        let own = self.below(*file, &rule, key);
        let of_policy = || self.below(*file, way, key).filter(|_| key != "name");
        self.place(*file, &own.or_else(of_policy).unwrap_or(rule))
    }

    /// Every entry of a list at the top of the files, by name.
    pub(super) fn named(&self, list: &str) -> Vec<(String, Place)> {
        let mut all = Vec::new();
        for (file, (_, node)) in self.files.iter().enumerate() {
            let (at, entries) = items(node, list);
            for (number, item) in entries.iter().enumerate() {
                if let Some((_, Node::String(name))) = value(item, "name") {
                    all.push((name.clone(), self.place(file, &[at, Step::Item(number)])));
                }
            }
        }
        all
    }

    /// The templates that are used.
    pub(super) fn used(&self) -> Vec<&str> {
        let uses = self.files.iter().flat_map(|(_, node)| items(node, "use").1);
        uses.filter_map(|item| match value(item, "template") {
            Some((_, Node::String(name))) => Some(name.as_str()),
            _ => None,
        })
        .collect()
    }

    fn rule_named(&self, file: usize, policy: &[Step], name: &str) -> Option<Vec<Step>> {
        let node = follow(&self.files.get(file)?.1, policy)?;
        let (step, Node::List(rules)) = value(node, "rules")? else { return None };
        let named = |rule: &Node| matches!(value(rule, "name"), Some((_, Node::String(own))) if own == name);
        let number = rules.iter().position(named)?;
        Some(policy.iter().copied().chain([step, Step::Item(number)]).collect())
    }

    fn below(&self, file: usize, way: &[Step], key: &str) -> Option<Vec<Step>> {
        let (step, _) = value(follow(&self.files.get(file)?.1, way)?, key)?;
        Some(way.iter().copied().chain([step]).collect())
    }

    fn place(&self, file: usize, steps: &[Step]) -> Place {
        let Some((source, _)) = self.files.get(file) else { return Place::default() };
        let (line, column) = locate(&source.text, steps);
        Place { file: source.name.clone(), line, column }
    }
}

fn value<'n>(node: &'n Node, key: &str) -> Option<(Step, &'n Node)> {
    let Node::Map(map) = node else { return None };
    let at = map.iter().position(|(name, _)| matches!(name, Node::String(name) if name == key))?;
    map.get(at).map(|(_, value)| (Step::Value(at), value))
}

fn items<'n>(node: &'n Node, key: &str) -> (Step, &'n [Node]) {
    match value(node, key) {
        Some((step, Node::List(items))) => (step, items),
        _ => (Step::Value(0), &[]),
    }
}

fn follow<'n>(node: &'n Node, steps: &[Step]) -> Option<&'n Node> {
    steps.iter().try_fold(node, |node, step| match (step, node) {
        (Step::Item(at), Node::List(items)) => items.get(*at),
        (Step::Value(at), Node::Map(map)) => map.get(*at).map(|(_, value)| value),
        _ => None,
    })
}
