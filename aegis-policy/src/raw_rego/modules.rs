//! The modules of authors, and what a condition may make of them.

use regorus::unstable::{Literal, Module, Rule as RegoRule};

use crate::engine::Authored;
use crate::raw_rego::builtins::{ALLOWED, allowed};
use crate::raw_rego::doubt::Reading;
use crate::raw_rego::recursion::recursion;
use crate::raw_rego::syntax::{self, Aliases, Fault, Names, Place};
use crate::raw_rego::{RawCondition, Shape, note};
use crate::rule::Rule;
use crate::source::cursor::Cursor;
use crate::source::diagnostics::{Problem, Source};

/// All raw Rego modules of a set of files.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    list: Vec<Author>,
}

/// One author's module.
#[derive(Debug)]
struct Author {
    file: String,
    text: String,
    package: Vec<String>,
    rules: Vec<String>,
    readings: Vec<Reading>,
}

/// A module with its tree, while it is checked.
pub(super) struct Parsed<'s> {
    pub(super) source: &'s Source,
    pub(super) module: Module,
    aliases: Aliases,
}

impl Modules {
    /// Reads the modules among `sources`. Nothing of them is taken when anything is wrong with one.
    pub(crate) fn read(sources: &[Source]) -> (Modules, Vec<Problem>) {
        let (mut modules, mut problems, mut parsed) = (Modules::default(), Vec::new(), Vec::new());
        for source in sources.iter().filter(|source| source.is_rego()) {
            match Parsed::read(source, &modules) {
                Ok((one, author)) => {
                    modules.list.push(author);
                    parsed.push(one);
                }
                Err(fault) => problems.push(problem(source, &fault)),
            }
        }
        for one in &parsed {
            problems.extend(one.faults(&modules).iter().map(|fault| problem(one.source, fault)));
        }
        if problems.is_empty() {
            problems.extend(recursion(&parsed).map(|(source, fault)| problem(source, &fault)));
        }
        if problems.is_empty() && !modules.list.is_empty() {
            problems.extend(modules.compile_alone(sources));
        }
        (modules, problems)
    }

    /// Package and text of each.
    pub(crate) fn packages(&self) -> impl Iterator<Item = (String, String)> {
        self.list.iter().map(|author| (author.package.join("."), author.text.clone()))
    }

    /// The packages, and what their rules read.
    pub(super) fn packages_read(&self) -> impl Iterator<Item = (&[String], &[Reading])> {
        self.list.iter().map(|author| (author.package.as_slice(), author.readings.as_slice()))
    }

    /// What the conditions of these rules are made of: nothing where none has any.
    pub(crate) fn for_rules<'r>(&self, rules: impl Iterator<Item = &'r Rule>) -> Authored {
        let conditions = packages_of(rules);
        if conditions.is_empty() {
            return Authored::default();
        }
        Authored { texts: self.texts().chain(conditions).collect() }
    }

    /// File and text of each.
    fn texts(&self) -> impl Iterator<Item = (String, String)> {
        self.list.iter().map(|author| (author.file.clone(), author.text.clone()))
    }

    /// Notes what is wrong with a rule's condition: what it calls, what it names, or that the engine does not take it.
    pub(crate) fn check(&self, at: &Cursor<'_>, condition: &RawCondition, doubt_meets: bool) {
        let text = condition.module_text();
        let Ok(module) = syntax::parse("rego", &text) else { return };
        let names: Vec<Names> = module.policy.iter().map(|rule| Names::of_rule(rule, &Aliases::new())).collect();
        let mut faults: Vec<Fault> = names.iter().flat_map(|names| self.faults_of(names, &[])).collect();
        if doubt_meets {
            faults.extend(undecidable(condition, &module));
        }
        if faults.is_empty() {
            faults.extend(self.compile(condition).err());
        }
        for fault in &faults {
            note(at, fault);
        }
    }

    fn compile(&self, condition: &RawCondition) -> Result<(), Fault> {
        let own = [("rego".to_owned(), condition.module())];
        let authored = Authored { texts: self.texts().chain(own).collect() };
        authored.check(&format!("data.{}.holds", condition.package)).map_err(|error| Fault::of(&error.to_string()))
    }

    /// Finds what only the engine sees (an unknown variable, a wrong number of arguments) in rules that nothing names yet.
    fn compile_alone(&self, sources: &[Source]) -> Option<Problem> {
        let nothing = [("rego".to_owned(), "package aegis.custom\n\nholds if true\n".to_owned())];
        let authored = Authored { texts: self.texts().chain(nothing).collect() };
        let error = authored.check("data.aegis.custom.holds").err()?.to_string();
        let file = Fault::file_of(&error);
        let source = sources.iter().find(|source| Some(source.name.as_str()) == file);
        let source = source.or_else(|| sources.iter().find(|source| source.is_rego()))?;
        Some(problem(source, &Fault::of(&error)))
    }

    fn faults_of(&self, names: &Names, own: &[String]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (place, called) in &names.calls {
            if !own.contains(called) && !allowed(called) {
                let message = format!("`{called}` may not be called; known here: {}", ALLOWED.join(" "));
                faults.push(Fault::new(*place, message));
            }
        }
        for (place, way) in &names.data {
            if !self.has(way) {
                let way: Vec<&str> = way.iter().map(|step| step.as_deref().unwrap_or("[...]")).collect();
                faults.push(Fault::new(*place, format!("there is no rule `data.{}` in any module", way.join("."))));
            }
        }
        faults.extend(names.with.iter().map(|place| Fault::new(*place, "`with` may not be used")));
        faults
    }

    /// Whether the way leads to a rule of some module. There is nothing else in `data`, so what does not is a mistake.
    fn has(&self, way: &[Option<String>]) -> bool {
        self.list.iter().any(|author| {
            let (package, rest) = way.split_at_checked(author.package.len()).unwrap_or((&[], &[]));
            let inside = !package.is_empty() && package.iter().zip(&author.package).all(|(a, b)| a.as_ref() == Some(b));
            let rule = rest.first().and_then(Option::as_ref);
            inside && rule.is_some_and(|rule| author.rules.contains(rule))
        })
    }
}

impl<'s> Parsed<'s> {
    fn read(source: &'s Source, others: &Modules) -> Result<(Parsed<'s>, Author), Fault> {
        if source.team().is_some() {
            return Err(Fault::new(
                (1, 1),
                "raw Rego modules are not for teams: ask the owner of the policy to take it over",
            ));
        }
        let module = syntax::parse(&source.name, &source.text)?;
        let package = syntax::path(&module.package.refr);
        let place = syntax::place(&module.package.span);
        let reserved = ["aegis", "system", "data", "input"];
        if package.first().is_none_or(|root| reserved.contains(&root.as_str())) {
            let message = format!(
                "package `{}` is reserved; begin with a name of your own, as `package acme.x`",
                package.join(".")
            );
            return Err(Fault::new(place, message));
        }
        if others.list.iter().any(|other| other.package == package) {
            return Err(Fault::new(place, format!("a second module of package `{}`", package.join("."))));
        }
        for import in &module.imports {
            let path = syntax::path(&import.refr);
            if !matches!(path.first().map(String::as_str), Some("data" | "input" | "rego" | "future")) {
                return Err(Fault::new(syntax::place(&import.span), "imports are of `data`, `input` or `rego.v1`"));
            }
        }
        let mut rules: Vec<String> = module.policy.iter().map(|rule| syntax::name(rule)).collect();
        rules.dedup();
        let aliases = syntax::aliases(&module.imports);
        let imported: Vec<Option<String>> = module
            .imports
            .iter()
            .map(|import| syntax::path(&import.refr))
            .filter(|path| path.first().is_some_and(|root| root == syntax::INPUT))
            .map(|path| path.into_iter().nth(1))
            .collect();
        let mut readings: Vec<Reading> = module
            .policy
            .iter()
            .map(|rule| Reading::new(&package, syntax::name(rule), &Names::of_rule(rule, &aliases)))
            .collect();
        readings.iter_mut().for_each(|reading| reading.imports(&imported));
        let (file, text) = (source.name.clone(), source.text.clone());
        let author = Author { file, text, package, rules, readings };
        Ok((Parsed { source, module, aliases }, author))
    }

    /// Place, name, and what it names, of each rule.
    pub(super) fn rules(&self) -> impl Iterator<Item = (Place, String, Names)> {
        let read =
            |rule: &RegoRule| (syntax::place(rule.span()), syntax::name(rule), Names::of_rule(rule, &self.aliases));
        self.module.policy.iter().map(move |rule| read(rule))
    }

    fn faults(&self, modules: &Modules) -> Vec<Fault> {
        let own: Vec<String> = self.rules().map(|(_, name, _)| name).collect();
        self.rules().flat_map(|(_, _, names)| modules.faults_of(&names, &own)).collect()
    }
}

/// Package and text of the conditions of these rules, each once.
pub(crate) fn packages_of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> = Vec::new();
    for condition in rules.filter_map(|rule| rule.rego.as_ref()) {
        if !list.iter().any(|(package, _)| *package == *condition.package()) {
            list.push((condition.package().to_owned(), condition.module()));
        }
    }
    list
}

/// What makes it impossible to say for certain that a condition of a rule that refuses is not met: several statements, and
/// variables that stand for many values at once.
fn undecidable(condition: &RawCondition, module: &Module) -> Option<Fault> {
    let several =
        "in a rule that refuses, `rego` is one expression, met unless it is false: put the rest into a module";
    let after_header = (super::LINES_BEFORE + 1, 1);
    let RegoRule::Spec { bodies, .. } = module.policy.first()?.as_ref() else { return None };
    let expr = match (condition.shape, &bodies.first()?.query.stmts.first()?.literal) {
        (Shape::Several, _) => return Some(Fault::new(after_header, several)),
        (_, Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. }) => expr,
        _ => return Some(Fault::new(after_header, several)),
    };
    let names = Names::outside_comprehensions(expr);
    let (place, name) = names.variables.iter().find(|(_, name)| name != "input")?;
    Some(Fault::new(
        *place,
        format!("in a rule that refuses, `{name}` would stand for many values: iterate in a module"),
    ))
}

fn problem(source: &Source, fault: &Fault) -> Problem {
    Problem::at(source, fault.line, fault.column, format!("rego: {}", fault.message), "here".to_owned(), None)
}
