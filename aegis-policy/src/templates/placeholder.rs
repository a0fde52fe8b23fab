//! `${name}` in a template: where it may stand, and what becomes of it.
//!
//! What is replaced is a parsed value, never text of the file: no value can add a key, a rule or a line.

use crate::source::cursor::Cursor;
use crate::source::node::{Node, Step};
use crate::source::routes::Routes;
use crate::templates::parameter::{Kind, Parameter};

/// A piece of a string.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Name(&'t str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut list = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        if !before.is_empty() {
            list.push(Piece::Text(before));
        }
        list.push(Piece::Name(name));
        rest = behind;
    }
    if !rest.is_empty() {
        list.push(Piece::Text(rest));
    }
    list
}

/// Whether a parameter of this kind may stand under this key of a rule: alone, or within a longer string.
fn fits(key: &str, kind: &Kind, alone: bool) -> bool {
    let kind = match kind {
        Kind::List { of, .. } if alone => of,
        Kind::List { .. } => return false,
        plain => plain,
    };
    let (word, number) = (matches!(kind, Kind::Word { .. }), matches!(kind, Kind::Number { .. }));
    match key {
        "hosts" => word || (alone && matches!(kind, Kind::Host { .. })),
        "paths" => word || (number && !alone) || (alone && matches!(kind, Kind::Path { .. })),
        "methods" => alone && matches!(kind, Kind::Method { .. }),
        "ports" => alone && number,
        "headers" | "query" => word || (number && !alone) || (alone && matches!(kind, Kind::Text { .. })),
        "body" => alone && !matches!(kind, Kind::Host { .. } | Kind::Path { .. } | Kind::Method { .. }),
        "tool" => word,
        "reason" => word || number || matches!(kind, Kind::Text { .. }),
        _ => false,
    }
}

/// Notes every `${name}` of the template that names nothing, or stands where no parameter may.
pub(super) fn check(template: &Cursor<'_>, parameters: &[Parameter]) {
    for (key, value) in template.pairs() {
        match key.node {
            Node::String(name) if super::OWN_KEYS.contains(&name.as_str()) => {}
            Node::String(name) if name == "rules" => {
                for rule in value.list() {
                    check_rule(&rule, parameters);
                }
            }
            _ => everywhere(&value, &mut |at| refuse(at)),
        }
    }
}

fn check_rule(rule: &Cursor<'_>, parameters: &[Parameter]) {
    for (key, value) in rule.pairs() {
        let Node::String(name) = key.node else { continue };
        let mut plain = |at: &Cursor<'_>| check_text(name, at, parameters);
        match name.as_str() {
            "headers" | "query" => {
                for (field, test) in value.pairs() {
                    everywhere(&field, &mut |at| refuse(at));
                    match test.node {
                        Node::String(_) => plain(&test),
                        _ => everywhere(&test, &mut |at| refuse(at)),
                    }
                }
            }
            "body" => {
                for (field, part) in value.list().iter().flat_map(|test| {
                    let regex = test.child("op").is_some_and(|op| *op.node == Node::String("matches".to_owned()));
                    test.pairs().into_iter().map(move |(field, part)| ((field, regex), part))
                }) {
                    let value = *field.0.node == Node::String("value".to_owned()) && !field.1;
                    match value {
                        true => everywhere(&part, &mut plain),
                        false => everywhere(&part, &mut |at| refuse(at)),
                    }
                }
            }
            _ => everywhere(&value, &mut plain),
        }
    }
}

/// Every string below `at`, keys too.
fn everywhere<'a>(at: &Cursor<'a>, look: &mut impl FnMut(&Cursor<'a>)) {
    if let Node::String(_) = at.node {
        look(at);
    }
    for item in at.list() {
        everywhere(&item, look);
    }
    for (key, value) in at.pairs() {
        everywhere(&key, look);
        everywhere(&value, look);
    }
}

fn refuse(at: &Cursor<'_>) {
    if let Node::String(text) = at.node
        && text.contains("${")
    {
        at.problem_with(
            "a parameter can't stand here",
            "fixed by the template",
            "parameters stand in hosts, ports, methods, paths, in values of headers, query and body, in tool and reason",
        );
    }
}

fn check_text(key: &str, at: &Cursor<'_>, parameters: &[Parameter]) {
    let Node::String(text) = at.node else { return };
    let pieces = pieces(text);
    if !text.contains("${") {
        return;
    }
    let names = pieces.iter().filter_map(|piece| if let Piece::Name(name) = piece { Some(*name) } else { None });
    let mut found = false;
    for name in names {
        found = true;
        match parameters.iter().find(|parameter| parameter.name == name) {
            None => at.problem_with(
                format!("`{name}` is no parameter of this template"),
                "unknown parameter",
                format!(
                    "known here: {}",
                    parameters.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ")
                ),
            ),
            Some(parameter) if fits(key, &parameter.kind, pieces.len() == 1) => {}
            Some(parameter) => at.problem(
                format!("`{name}` is a {}, which can't stand here", parameter.kind.name()),
                "not in this place",
            ),
        }
    }
    if !found {
        at.problem("`${` is not closed", "expected `${name}`");
    }
}

/// A parameter's value, and where the file has it; `None` for a default.
#[derive(Debug)]
pub(super) struct Given<'v> {
    pub(super) name: &'v str,
    pub(super) value: Node,
    pub(super) from: Option<Vec<Step>>,
}

/// Puts values into a template's nodes and keeps account of where everything comes from.
pub(super) struct Filling<'v> {
    pub(super) given: &'v [Given<'v>],
    pub(super) routes: Routes,
    /// Whether problems belong to the template's own text rather than to who uses it.
    pub(super) own: bool,
}

impl Filling<'_> {
    /// The node at `from` of the template as it becomes at `to` of what is made.
    pub(super) fn fill(&mut self, node: &Node, from: &[Step], to: &[Step]) -> Node {
        match node {
            Node::String(text) => self.text(text, to).unwrap_or_else(|| node.clone()),
            Node::List(items) => self.list(items, from, to),
            Node::Map(entries) => {
                let entry = |(at, (key, value)): (usize, &(Node, Node))| {
                    (key.clone(), self.fill(value, &below(from, Step::Value(at)), &below(to, Step::Value(at))))
                };
                Node::Map(entries.iter().enumerate().map(entry).collect())
            }
            plain => plain.clone(),
        }
    }

    /// A list that stands alone in a place for one item brings all of its items.
    fn list(&mut self, items: &[Node], from: &[Step], to: &[Step]) -> Node {
        let mut made = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let (origin, place) = (below(from, Step::Item(at)), below(to, Step::Item(made.len())));
            if self.own {
                self.routes.copied(&place, &origin);
            }
            match (item, self.fill(item, &origin, &place)) {
                (Node::String(_), Node::List(values)) => {
                    for (number, value) in values.into_iter().enumerate() {
                        let place = below(to, Step::Item(made.len()));
                        self.owe(item, &place, Some(Step::Item(number)));
                        made.push(value);
                    }
                }
                (_, value) => made.push(value),
            }
        }
        Node::List(made)
    }

    fn text(&mut self, text: &str, to: &[Step]) -> Option<Node> {
        let pieces = pieces(text);
        if let [Piece::Name(name)] = pieces.as_slice() {
            let value = self.value(name)?.value.clone();
            self.owe(&Node::String(text.to_owned()), to, None);
            return Some(value);
        }
        if !pieces.iter().any(|piece| matches!(piece, Piece::Name(_))) {
            return None;
        }
        let mut whole = String::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => whole.push_str(text),
                Piece::Name(name) => match &self.value(name)?.value {
                    Node::String(text) => whole.push_str(text),
                    Node::Number(number) => whole.push_str(&number.to_string()),
                    _ => return None,
                },
            }
        }
        Some(Node::String(whole))
    }

    fn value(&self, name: &str) -> Option<&Given<'_>> {
        self.given.iter().find(|given| given.name == name)
    }

    /// What stands at `to` is put down to whoever gave the value that the template's text `item` names.
    fn owe(&mut self, item: &Node, to: &[Step], step: Option<Step>) {
        let Node::String(text) = item else { return };
        if let [Piece::Name(name)] = pieces(text).as_slice()
            && let Some(from) = self.value(name).and_then(|given| given.from.clone())
        {
            let from = step.map_or(from.clone(), |step| below(&from, step));
            self.routes.copied(to, &from);
        }
    }
}

fn below(steps: &[Step], step: Step) -> Vec<Step> {
    steps.iter().copied().chain([step]).collect()
}
