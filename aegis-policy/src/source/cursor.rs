//! Reading a tree of nodes while collecting every problem instead of stopping at the first.

use std::cell::RefCell;

use crate::source::diagnostics::{Problem, Source};
use crate::source::nearest;
use crate::source::node::{Node, Step, locate};
use crate::source::routes::Routes;

/// One file never shows more problems than a person reads.
const MAX_PROBLEMS: usize = 50;

/// The problems of one file, found so far.
pub(crate) struct Problems<'a> {
    source: &'a Source,
    found: RefCell<Vec<Problem>>,
    /// For a node that was put together from parts of the file: where these stand, and what it is.
    made: Option<(Routes, String)>,
}

/// A node and the way to it.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    pub(crate) node: &'a Node,
    steps: Vec<Step>,
    problems: &'a Problems<'a>,
}

/// The entries of a map whose keys are all known and stand once.
pub(crate) struct Fields<'a> {
    entries: Vec<(&'a str, Cursor<'a>)>,
    whole: Cursor<'a>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(source: &'a Source) -> Problems<'a> {
        Problems { source, found: RefCell::new(Vec::new()), made: None }
    }

    /// For a node that was put together from parts of the same file, which `what` names in front of each message.
    pub(crate) fn made(&self, routes: Routes, what: String) -> Problems<'a> {
        Problems { source: self.source, found: RefCell::new(Vec::new()), made: Some((routes, what)) }
    }

    fn add(&self, steps: &[Step], message: String, label: String, help: Option<String>) {
        match &self.made {
            None => self.add_at(locate(&self.source.text, steps), message, label, help),
            Some((routes, what)) => {
                let place = locate(&self.source.text, &routes.lead(steps));
                self.add_at(place, format!("{what}: {message}"), label, help);
            }
        }
    }

    fn add_at(&self, (line, column): (usize, usize), message: String, label: String, help: Option<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() < MAX_PROBLEMS {
            found.push(Problem::at(self.source, line, column, message, label, help));
        }
    }

    /// Notes a problem at a 1-based line and column of the file.
    pub(crate) fn add_here(&self, place: (usize, usize), message: String, label: &str, help: Option<String>) {
        self.add_at(place, message, label.to_owned(), help);
    }

    /// Takes over what was found elsewhere in this file.
    pub(crate) fn extend(&self, more: Vec<Problem>) {
        let mut found = self.found.borrow_mut();
        let room = MAX_PROBLEMS.saturating_sub(found.len());
        found.extend(more.into_iter().take(room));
    }

    pub(crate) fn source(&self) -> &'a Source {
        self.source
    }

    /// The problems in the order of the text.
    pub(crate) fn into_list(self) -> Vec<Problem> {
        let mut list = self.found.into_inner();
        list.sort_by_key(|problem| (problem.line, problem.column));
        list
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn root(node: &'a Node, problems: &'a Problems<'a>) -> Cursor<'a> {
        Cursor { node, steps: Vec::new(), problems }
    }

    pub(crate) fn problems(&self) -> &'a Problems<'a> {
        self.problems
    }

    /// The way from the file's root.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The 1-based line and column.
    pub(crate) fn place(&self) -> (usize, usize) {
        match &self.problems.made {
            None => locate(&self.problems.source.text, &self.steps),
            Some((routes, _)) => locate(&self.problems.source.text, &routes.lead(&self.steps)),
        }
    }

    /// The value under `name` in a map, the first where it stands twice; whoever reads the map notes what is wrong with it.
    pub(crate) fn child(&self, name: &str) -> Option<Cursor<'a>> {
        self.pairs().into_iter().find(|(key, _)| *key.node == Node::String(name.to_owned())).map(|(_, value)| value)
    }

    /// All keys and values of a map, as they stand; nothing is noted.
    pub(crate) fn pairs(&self) -> Vec<(Cursor<'a>, Cursor<'a>)> {
        let Node::Map(map) = self.node else { return Vec::new() };
        let pair = |(at, (key, value)): (usize, &'a (Node, Node))| {
            (self.below(Step::Key(at), key), self.below(Step::Value(at), value))
        };
        map.iter().enumerate().map(pair).collect()
    }

    /// All items of a list, as they stand; nothing is noted.
    pub(crate) fn list(&self) -> Vec<Cursor<'a>> {
        let Node::List(items) = self.node else { return Vec::new() };
        items.iter().enumerate().map(|(at, node)| self.below(Step::Item(at), node)).collect()
    }

    fn below(&self, step: Step, node: &'a Node) -> Cursor<'a> {
        let mut steps = self.steps.clone();
        steps.push(step);
        Cursor { node, steps, problems: self.problems }
    }

    /// Notes a problem here.
    pub(crate) fn problem(&self, message: impl Into<String>, label: &str) {
        self.problems.add(&self.steps, message.into(), label.to_owned(), None);
    }

    /// Notes a problem here, and how to put it right.
    pub(crate) fn problem_with(&self, message: impl Into<String>, label: &str, help: impl Into<String>) {
        self.problems.add(&self.steps, message.into(), label.to_owned(), Some(help.into()));
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.problem(format!("expected {what}, found {}", self.node.kind()), &format!("expected {what}"));
        None
    }

    pub(crate) fn string(&self) -> Option<&'a str> {
        match self.node {
            Node::String(text) => Some(text),
            Node::Number(_) | Node::Bool(_) => {
                self.problem_with(
                    format!("expected a string, found {}", self.node.kind()),
                    "expected a string",
                    "put it in quotes",
                );
                None
            }
            _ => self.expected("a string"),
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.node {
            Node::Bool(value) => Some(*value),
            _ => self.expected("true or false"),
        }
    }

    /// A whole number in the range of `T`.
    pub(crate) fn integer<T: TryFrom<i64>>(&self, what: &str) -> Option<T> {
        let Node::Number(number) = self.node else {
            return self.expected(what);
        };
        let value = number.as_i64().and_then(|value| T::try_from(value).ok());
        value.or_else(|| {
            self.problem(format!("{number} is not {what}"), &format!("expected {what}"));
            None
        })
    }

    /// The items of a list that is not empty. An empty list is refused: one reader takes it for "none", another for "any".
    pub(crate) fn items(&self) -> Vec<Cursor<'a>> {
        match self.node {
            Node::List(items) if items.is_empty() => {
                self.problem_with("the list is empty", "nothing in it", "leave the key out, or name at least one");
                Vec::new()
            }
            Node::List(items) => items.iter().enumerate().map(|(at, node)| self.below(Step::Item(at), node)).collect(),
            _ => self.expected("a list").unwrap_or_default(),
        }
    }

    /// The entries of a map with string keys, each once.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Cursor<'a>, Cursor<'a>)> {
        let Node::Map(map) = self.node else {
            return self.expected("a map").unwrap_or_default();
        };
        let mut entries: Vec<(&'a str, Cursor<'a>, Cursor<'a>)> = Vec::with_capacity(map.len());
        for (at, (key, value)) in map.iter().enumerate() {
            let (key, value) = (self.below(Step::Key(at), key), self.below(Step::Value(at), value));
            let Some(name) = key.string() else { continue };
            if entries.iter().any(|(seen, ..)| *seen == name) {
                key.problem_with(format!("`{name}` stands twice"), "repeated key", "each key may stand once in a map");
            } else {
                entries.push((name, key, value));
            }
        }
        entries
    }

    /// The entries of a map in which only `known` keys may stand.
    pub(crate) fn fields(&self, known: &[&str]) -> Fields<'a> {
        let mut entries = Vec::new();
        for (name, key, value) in self.entries() {
            if known.contains(&name) {
                entries.push((name, value));
            } else {
                key.problem_with(
                    format!("unknown key `{name}`"),
                    "unknown key",
                    nearest::known(name, "known here", known),
                );
            }
        }
        Fields { entries, whole: self.clone() }
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&Cursor<'a>> {
        self.entries.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Like `get`, and a problem of the whole map where it is missing.
    pub(crate) fn require(&self, name: &str) -> Option<&Cursor<'a>> {
        let found = self.get(name);
        if found.is_none() && matches!(self.whole.node, Node::Map(_)) {
            self.whole.problem(format!("`{name}` is missing"), &format!("needs `{name}`"));
        }
        found
    }

    /// The items of the list under `name`, each read by `read`; what can't be read is left out (and noted).
    pub(crate) fn list<T>(&self, name: &str, read: impl Fn(&Cursor<'a>) -> Option<T>) -> Vec<T> {
        self.get(name).map(|list| list.items().iter().filter_map(read).collect()).unwrap_or_default()
    }
}
