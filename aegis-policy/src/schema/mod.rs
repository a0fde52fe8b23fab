//! The YAML language: from nodes to checked policies. Every problem is noted at its place; nothing is guessed.

mod conditions;
mod policy;
mod rule;
mod words;

use crate::rule::{Policy, Rule};
use crate::source::cursor::{Cursor, Problems};
use crate::source::diagnostics::{Diagnostics, Problem, Source};
use crate::source::node::Node;

/// All files together.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The versions the files give themselves, in order, each once.
    pub(crate) versions: Vec<String>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) rules: Vec<Rule>,
}

/// Reads all files; either all of them are right or nothing is taken.
pub(crate) fn read(sources: &[Source]) -> Result<Document, Diagnostics> {
    let mut document = Document::default();
    let mut problems = Vec::new();
    for source in sources {
        problems.extend(read_file(source, &mut document));
    }
    if problems.is_empty() { Ok(document) } else { Err(Diagnostics::new(problems)) }
}

fn read_file(source: &Source, document: &mut Document) -> Vec<Problem> {
    let node = match Node::parse(&source.text) {
        Ok(node) => node,
        Err(stop) => {
            let label = "the parser stopped here".to_owned();
            return vec![Problem::at(source, stop.line, stop.column, stop.message, label, None)];
        }
    };
    let problems = Problems::new(source);
    {
        let root = Cursor::root(&node, &problems);
        let fields = root.fields(&["version", "policies"]);
        let version = fields.get("version").and_then(|at| words::name(at, "a version"));
        document.versions.extend(version.map(str::to_owned));
        if let Some(list) = fields.require("policies") {
            for item in list.items() {
                policy::read(&item, document);
            }
        }
    }
    problems.into_list()
}
