//! What security owns and what teams may do with it: templates with typed parameters, and bounds for teams' own policies.
//!
//! Whose file it is follows from where it lies ([`crate::Source::team`]), not from what it says. A team's file can hold
//! policies within the bounds that security has set for the team, and uses of templates that security lets the team use.
//! Neither can widen anything: security's rules are tried first, whatever the priorities.

mod bounds;
mod parameter;
mod placeholder;
mod scope;

use aegis_dlp::OwnDetectors;

use crate::glob::NameGlob;
use crate::schema::{Document, words};
use crate::source::cursor::Cursor;
use crate::source::node::{Node, Step};
use crate::source::routes::Routes;

pub(crate) use bounds::Bounds;
pub(crate) use parameter::compare;
pub(crate) use scope::Scope;

use parameter::Parameter;
use placeholder::{Filling, Given};

/// Keys of a template that are not those of the policy which it makes.
const OWN_KEYS: [&str; 4] = ["name", "teams", "agents", "parameters"];
/// The keys of a use.
const USE_KEYS: [&str; 4] = ["template", "name", "agents", "with"];

/// A template, read and tried out.
pub(crate) struct Template<'a> {
    name: &'a str,
    /// Who may use it, besides security.
    teams: Vec<NameGlob>,
    /// The agents that a use may name.
    agents: Vec<NameGlob>,
    parameters: Vec<Parameter>,
    at: Cursor<'a>,
}

/// All that security's files define for others.
#[derive(Default)]
pub(crate) struct Library<'a> {
    pub(crate) templates: Vec<Template<'a>>,
    pub(crate) bounds: Vec<Bounds>,
}

impl<'a> Library<'a> {
    /// Takes in what a file of security defines.
    pub(crate) fn read(&mut self, root: &Cursor<'a>, own: &OwnDetectors) {
        for item in root.child("bounds").map(|list| list.items()).unwrap_or_default() {
            if let Some(read) = bounds::read(&item, own) {
                if self.bounds.iter().any(|other| other.name == read.name) {
                    item.problem_with(
                        "second bounds of this name",
                        "taken",
                        "names of bounds are unique over all files",
                    );
                }
                self.bounds.push(read);
            }
        }
        for item in root.child("templates").map(|list| list.items()).unwrap_or_default() {
            if let Some(read) = read(&item) {
                if self.templates.iter().any(|other| other.name == read.name) {
                    item.problem_with("a second template of this name", "taken", "names are unique over all files");
                }
                self.templates.push(read);
            }
        }
    }

    /// Tries every template out with sample values, so that what is wrong with one is said where it stands, used or not.
    pub(crate) fn try_out(&self, scope: &Scope<'_>, document: &Document) {
        for template in &self.templates {
            let sample =
                |parameter: &'_ Parameter| parameter.default.clone().unwrap_or_else(|| parameter.kind.sample());
            let given: Vec<Given<'_>> = template
                .parameters
                .iter()
                .map(|parameter| Given { name: &parameter.name, value: sample(parameter), from: None })
                .collect();
            let name = Node::String(template.name.to_owned());
            let agents = template.at.child("agents").map_or(Node::Null, |at| at.node.clone());
            let (made, routes) = template.make(name, agents, &given, None);
            let problems = template.at.problems().made(routes, format!("template `{}`", template.name));
            // Nothing of the trial stays: it must not take names away from policies.
            let mut trial = document.empty_like();
            crate::schema::policy(&Cursor::root(&made, &problems), scope, &mut trial);
            template.at.problems().extend(problems.into_list());
        }
    }

    /// Reads one entry of `use`.
    pub(crate) fn apply(&self, at: &Cursor<'a>, scope: &Scope<'_>, document: &mut Document) {
        let fields = at.fields(&USE_KEYS);
        let name = fields.require("name").and_then(|at| words::name(at, "a policy's name"));
        let agents = fields.require("agents");
        let wanted = fields.require("template").and_then(|at| Some((at, at.string()?)));
        let (Some(name), Some(agents), Some((place, wanted))) = (name, agents, wanted) else { return };
        let Some(template) = self.templates.iter().find(|template| template.name == wanted) else {
            let known: Vec<&str> = self.templates.iter().map(|template| template.name).collect();
            let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
            place.problem_with(format!("there is no template `{wanted}`"), "unknown", format!("known: {known}"));
            return;
        };
        if let Some(team) = scope.team()
            && !template.teams.iter().any(|glob| glob.matches(team))
        {
            place.problem_with(
                format!("template `{wanted}` is not for team `{team}`"),
                "not for this team",
                "its owner may add the team to the template's `teams`",
            );
            return;
        }
        template.check_agents(agents);
        let Some(given) = template.given(at, fields.get("with")) else { return };
        let (made, mut routes) = template.make(Node::String(name.to_owned()), agents.node.clone(), &given, Some(at));
        routes.copied(&[Step::Value(1)], agents.steps());
        let problems = at.problems().made(routes, format!("template `{wanted}`"));
        crate::schema::policy(&Cursor::root(&made, &problems), &scope.of_template(), document);
        at.problems().extend(problems.into_list());
    }
}

fn read<'a>(at: &Cursor<'a>) -> Option<Template<'a>> {
    let name = at.child("name").and_then(|at| words::name(&at, "a template's name"));
    if at.child("name").is_none() {
        at.problem("`name` is missing", "needs `name`");
    }
    let globs = |key: &str| match at.child(key) {
        Some(list) => list.items().iter().filter_map(words::glob).collect::<Vec<_>>(),
        None => {
            at.problem(format!("`{key}` is missing"), &format!("needs `{key}`"));
            Vec::new()
        }
    };
    let (teams, agents) = (globs("teams"), globs("agents"));
    let mut parameters: Vec<Parameter> = Vec::new();
    for (name, key, value) in at.child("parameters").map(|map| map.entries()).unwrap_or_default() {
        let good = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !good || name.is_empty() {
            key.problem("a parameter's name is of lower-case letters, digits and `_`", "not a parameter's name");
        }
        parameters.extend(parameter::read(name, &value));
    }
    placeholder::check(at, &parameters);
    Some(Template { name: name?, teams, agents, parameters, at: at.clone() })
}

impl<'a> Template<'a> {
    fn check_agents(&self, agents: &Cursor<'_>) {
        for item in agents.list() {
            let Node::String(name) = item.node else { continue };
            if !self.agents.iter().any(|outer| outer.covers(&NameGlob::new(name))) {
                let within: Vec<&str> = self.agents.iter().map(NameGlob::pattern).collect();
                item.problem_with(
                    format!("template `{}` is not for agents `{name}`", self.name),
                    "outside its bounds",
                    format!("its agents are within {}", within.join(", ")),
                );
            }
        }
    }

    /// The values of all parameters; noted where one is wrong or missing.
    fn given(&'a self, whole: &Cursor<'_>, with: Option<&Cursor<'_>>) -> Option<Vec<Given<'a>>> {
        let known: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let fields = with.map(|with| with.fields(&known));
        let mut given = Vec::new();
        for parameter in &self.parameters {
            let name = parameter.name.as_str();
            match (fields.as_ref().and_then(|fields| fields.get(name)), &parameter.default) {
                (Some(at), _) => given.extend(parameter.kind.accept(at, name).map(|value| Given {
                    name,
                    value,
                    from: Some(at.steps().to_vec()),
                })),
                (None, Some(value)) => given.push(Given { name, value: value.clone(), from: None }),
                (None, None) => with.unwrap_or(whole).problem_with(
                    format!("template `{}` needs a value for `{name}`", self.name),
                    "parameter missing",
                    format!("add `with: {{{name}: ...}}`"),
                ),
            }
        }
        (given.len() == self.parameters.len()).then_some(given)
    }

    /// The policy that the template makes. Problems belong to `user`, or to the template's own text.
    fn make(&self, name: Node, agents: Node, given: &[Given<'_>], user: Option<&Cursor<'_>>) -> (Node, Routes) {
        let mut filling = Filling { given, routes: Routes::default(), own: user.is_none() };
        filling.routes.owed(&[], user.unwrap_or(&self.at).steps());
        let key = |text: &str| Node::String(text.to_owned());
        let mut entries = vec![(key("name"), name), (key("agents"), agents)];
        for (key, value) in self.at.pairs() {
            if matches!(key.node, Node::String(name) if OWN_KEYS.contains(&name.as_str())) {
                continue;
            }
            let (key_to, to) = ([Step::Key(entries.len())], [Step::Value(entries.len())]);
            if user.is_none() {
                filling.routes.copied(&key_to, key.steps());
                filling.routes.copied(&to, value.steps());
            }
            entries.push((key.node.clone(), filling.fill(value.node, value.steps(), &to)));
        }
        (Node::Map(entries), filling.routes)
    }
}
