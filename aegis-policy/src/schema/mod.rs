//! The YAML language: from nodes to checked policies. Every problem is noted at its place; nothing is guessed.

mod conditions;
mod declarations;
mod descriptors;
mod detectors;
pub(crate) mod dlp;
mod handling;
mod moment;
mod policy;
mod rule;
pub(crate) mod words;

pub(crate) use policy::read as policy;

use aegis_dlp::{Descriptors, OwnDetectors};

use crate::declared::{Regions, Tool};
use crate::raw_rego::Modules;
use crate::rule::{Policy, Rule};
use crate::schema::declarations::Declarations;
use crate::schema::detectors::Detectors;
use crate::source::cursor::{Cursor, Problems};
use crate::source::diagnostics::{DELEGATED, Diagnostics, Problem, Source};
use crate::source::node::Node;
use crate::templates::{Library, Scope};

/// What a file of those who own the policy may hold.
const KEYS: [&str; 9] =
    ["version", "policies", "use", "templates", "bounds", "tools", "regions", "detectors", "protobuf"];
/// What a team's file may hold.
const TEAM_KEYS: [&str; 3] = ["version", "policies", "use"];

/// All files together.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The versions that the owners' files give themselves, in order.
    pub(crate) versions: Vec<String>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) regions: Regions,
    /// The detectors that the files declare.
    pub(crate) own: OwnDetectors,
    /// What the descriptor sets that the files name say of protocol buffers.
    pub(crate) descriptors: Descriptors,
    /// The raw Rego modules that rules name.
    pub(crate) modules: Modules,
}

impl Document {
    /// The same declarations and no policy.
    pub(crate) fn empty_like(&self) -> Document {
        let (regions, own, descriptors) = (self.regions.clone(), self.own.clone(), self.descriptors.clone());
        Document { regions, own, descriptors, ..Document::default() }
    }
}

/// A YAML file, and what was found wrong with it.
struct File<'s> {
    source: &'s Source,
    node: Node,
    problems: Problems<'s>,
}

/// Reads all files; either all of them are right or nothing is taken.
pub(crate) fn read(sources: &[Source]) -> Result<Document, Diagnostics> {
    let (modules, mut problems) = Modules::read(sources);
    let mut files = Vec::new();
    for source in sources.iter().filter(|source| source.is_document()) {
        match Node::parse(&source.text) {
            Ok(node) => files.push(File { source, node, problems: Problems::new(source) }),
            Err(stop) => {
                let label = "the parser stopped here".to_owned();
                problems.push(Problem::at(source, stop.line, stop.column, stop.message, label, None));
            }
        }
    }
    let mut document = read_files(&files, sources, &modules);
    document.modules = modules;
    problems.extend(files.into_iter().flat_map(|file| file.problems.into_list()));
    if problems.is_empty() { Ok(document) } else { Err(Diagnostics::new(problems)) }
}

/// First what the owners' files define for all files, then the policies of all.
fn read_files(files: &[File<'_>], sources: &[Source], modules: &Modules) -> Document {
    let mut document = Document::default();
    let roots: Vec<(Cursor<'_>, Option<&str>)> =
        files.iter().map(|file| (Cursor::root(&file.node, &file.problems), file.source.team())).collect();
    let owners = || roots.iter().filter(|(_, team)| team.is_none());
    let mut detectors = Detectors::default();
    owners().for_each(|(root, _)| detectors.read(root, sources));
    document.own = detectors.finish();
    document.descriptors = descriptors::read(owners().map(|(root, _)| root), sources);
    let mut library = Library::default();
    let mut declarations = Declarations::default();
    for (root, _) in owners() {
        library.read(root, &document.own);
        declarations.read(root);
    }
    (document.tools, document.regions) = (declarations.tools, declarations.regions);
    let owner = Scope::security(modules);
    library.try_out(&owner, &document);
    for (root, team) in &roots {
        match team {
            None => read_file(root, &KEYS, &owner, &library, &mut document),
            Some("") => root.problem_with(
                format!("a file in `{DELEGATED}` belongs to no team"),
                "whose is it?",
                format!("put it into `{DELEGATED}/TEAM/`"),
            ),
            Some(team) => {
                read_file(root, &TEAM_KEYS, &Scope::team_of(team, &library, modules), &library, &mut document);
            }
        }
    }
    document
}

fn read_file<'a>(root: &Cursor<'a>, keys: &[&str], scope: &Scope<'_>, library: &Library<'a>, document: &mut Document) {
    let fields = root.fields(keys);
    let version = fields.get("version").and_then(|at| words::name(at, "a version"));
    // A team that names the whole policy would make its text pass for another one in every record.
    document.versions.extend(version.filter(|_| scope.team().is_none()).map(str::to_owned));
    let others = keys.iter().any(|key| !["version", "policies"].contains(key) && fields.get(key).is_some());
    let policies = if others { fields.get("policies") } else { fields.require("policies") };
    for item in policies.map(Cursor::items).unwrap_or_default() {
        policy::read(&item, scope, document);
    }
    for item in fields.get("use").map(Cursor::items).unwrap_or_default() {
        library.apply(&item, scope, document);
    }
}
