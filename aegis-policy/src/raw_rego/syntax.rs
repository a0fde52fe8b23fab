//! Rego as a tree: what an author's text names, calls and reads. Nothing here evaluates anything.

use std::collections::HashMap;

use regorus::unstable::{Expr, Import, Literal, Module, Parser, Query, Rule, RuleBody, RuleHead, Span};

/// What is wrong with Rego text, and where (1-based).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// Everything that some Rego names.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Functions called, by their dotted name.
    pub(super) calls: Vec<(Place, String)>,
    /// Ways into `data`; `None` for a step that is not fixed.
    pub(super) data: Vec<(Place, Vec<Option<String>>)>,
    /// The first steps into `input`; `None` for one that is not fixed, and for all of it.
    pub(super) input: Vec<Option<String>>,
    /// Variables, and rules of the same module.
    pub(super) variables: Vec<(Place, String)>,
    /// `with` modifiers.
    pub(super) with: Vec<Place>,
}

/// The name of the document that is asked about.
pub(super) const INPUT: &str = "input";

/// 1-based line and column.
pub(super) type Place = (usize, usize);

/// What an import brings, by the name that it brings it under.
pub(super) type Aliases = HashMap<String, Vec<String>>;

pub(super) fn parse(file: &str, text: &str) -> Result<Module, Fault> {
    let read = || {
        let source = regorus::Source::from_contents(file.to_owned(), text.to_owned())?;
        let mut parser = Parser::new(&source)?;
        parser.enable_rego_v1()?;
        parser.parse()
    };
    read().map_err(|error| Fault::of(&error.to_string()))
}

impl Fault {
    pub(super) fn new((line, column): Place, message: impl Into<String>) -> Fault {
        Fault { line, column, message: message.into() }
    }

    /// From the engine's message: `--> FILE:LINE:COLUMN`, the line, a caret, `error: WHAT`.
    pub(super) fn of(text: &str) -> Fault {
        let place = text.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
        let mut numbers = place.unwrap_or_default().rsplit(':').map(|number| number.trim().parse::<usize>());
        let column = numbers.next().and_then(Result::ok).unwrap_or(1);
        let line = numbers.next().and_then(Result::ok).unwrap_or(1);
        let message = text.lines().filter_map(|line| line.trim_start().strip_prefix("error: ")).next_back();
        let message = message.unwrap_or_else(|| text.lines().next_back().unwrap_or(text)).trim();
        Fault { line, column, message: message.to_owned() }
    }

    /// The file that the engine's message names.
    pub(super) fn file_of(text: &str) -> Option<&str> {
        let place = text.lines().find_map(|line| line.trim_start().strip_prefix("--> "))?;
        place.rsplitn(3, ':').nth(2)
    }
}

pub(super) fn place(span: &Span) -> Place {
    let number = |value: u32| usize::try_from(value).unwrap_or(1);
    (number(span.line), number(span.col))
}

/// The components of `a.b.c`; `None` for one that is not fixed, which is given to `dynamic` to look at.
fn chain<'e>(expr: &'e Expr, dynamic: &mut Vec<&'e Expr>) -> (&'e Expr, Vec<Option<String>>) {
    let mut steps = Vec::new();
    let mut at = expr;
    loop {
        match at {
            Expr::RefDot { refr, field, .. } => {
                steps.push(Some(field.0.text().to_owned()));
                at = refr.as_ref();
            }
            Expr::RefBrack { refr, index, .. } => {
                let fixed = match index.as_ref() {
                    Expr::String { value, .. } | Expr::RawString { value, .. } => {
                        value.as_string().ok().map(|text| text.to_string())
                    }
                    other => {
                        dynamic.push(other);
                        None
                    }
                };
                steps.push(fixed);
                at = refr.as_ref();
            }
            root => {
                steps.reverse();
                return (root, steps);
            }
        }
    }
}

/// Where a path begins.
fn start(expr: &Expr) -> Place {
    place(chain(expr, &mut Vec::new()).0.span())
}

/// The fixed components of a path such as a package's or a rule's name.
pub(super) fn path(expr: &Expr) -> Vec<String> {
    let (root, steps) = chain(expr, &mut Vec::new());
    let first = match root {
        Expr::Var { span, .. } => Some(span.text().to_owned()),
        _ => None,
    };
    first.into_iter().chain(steps.into_iter().map_while(|step| step)).collect()
}

/// What imports bring; `import rego.v1` and future keywords bring nothing.
pub(super) fn aliases(imports: &[Import]) -> Aliases {
    let alias = |import: &Import| {
        let path = path(&import.refr);
        let name = match &import.r#as {
            Some(name) => name.text().to_owned(),
            None => path.last()?.clone(),
        };
        path.first().filter(|root| *root == "data").map(|_| (name, path.get(1..).unwrap_or_default().to_vec()))
    };
    imports.iter().filter_map(alias).collect()
}

/// The name that a rule defines.
pub(super) fn name(rule: &Rule) -> String {
    let reference = match rule {
        Rule::Spec {
            head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. },
            ..
        }
        | Rule::Default { refr, .. } => refr,
    };
    path(reference).into_iter().next().unwrap_or_default()
}

impl Names {
    /// Of a rule, everywhere in it.
    pub(super) fn of_rule(rule: &Rule, aliases: &Aliases) -> Names {
        let mut names = Names::default();
        let mut reader = Reader { names: &mut names, aliases, deep: true };
        match rule {
            Rule::Default { value, .. } => reader.expr(value),
            Rule::Spec { head, bodies, .. } => {
                match head {
                    RuleHead::Compr { assign, refr, .. } => {
                        reader.indexes(refr);
                        assign.iter().for_each(|assign| reader.expr(&assign.value));
                    }
                    RuleHead::Set { key, .. } => key.iter().for_each(|key| reader.expr(key)),
                    RuleHead::Func { assign, .. } => assign.iter().for_each(|assign| reader.expr(&assign.value)),
                }
                for RuleBody { assign, query, .. } in bodies {
                    assign.iter().for_each(|assign| reader.expr(&assign.value));
                    reader.query(query);
                }
            }
        }
        names
    }

    /// Of an expression, without what comprehensions name for themselves.
    pub(super) fn outside_comprehensions(expr: &Expr) -> Names {
        let mut names = Names::default();
        Reader { names: &mut names, aliases: &Aliases::new(), deep: false }.expr(expr);
        names
    }
}

struct Reader<'n> {
    names: &'n mut Names,
    aliases: &'n Aliases,
    /// Whether comprehensions are looked into.
    deep: bool,
}

impl Reader<'_> {
    fn query(&mut self, query: &Query) {
        for statement in &query.stmts {
            self.names.with.extend(statement.with_mods.iter().map(|with| place(&with.span)));
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn { key, value, collection, .. } => {
                    key.iter().for_each(|key| self.expr(key));
                    self.expr(value);
                    self.expr(collection);
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr),
                Literal::Every { domain, query, .. } => {
                    self.expr(domain);
                    self.query(query);
                }
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().for_each(|item| self.expr(item)),
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.expr(key);
                    self.expr(value);
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } if self.deep => {
                self.expr(term);
                self.query(query);
            }
            Expr::ObjectCompr { key, value, query, .. } if self.deep => {
                self.expr(key);
                self.expr(value);
                self.query(query);
            }
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {}
            Expr::Call { fcn, params, .. } => {
                let (called, span) = (path(fcn), start(fcn));
                match called.split_first() {
                    Some((root, rest)) if root == "data" || self.aliases.contains_key(root) => {
                        self.lead_into_data(span, root, rest.iter().cloned().map(Some).collect());
                    }
                    _ => self.names.calls.push((span, called.join("."))),
                }
                params.iter().for_each(|param| self.expr(param));
            }
            Expr::UnaryExpr { expr, .. } => self.expr(expr),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expr(lhs);
                self.expr(rhs);
            }
            Expr::Membership { key, value, collection, .. } => {
                key.iter().for_each(|key| self.expr(key));
                self.expr(value);
                self.expr(collection);
            }
        }
    }

    fn indexes(&mut self, expr: &Expr) {
        let mut dynamic = Vec::new();
        chain(expr, &mut dynamic);
        dynamic.into_iter().for_each(|index| self.expr(index));
    }

    fn reference(&mut self, expr: &Expr) {
        let mut dynamic = Vec::new();
        let (root, steps) = chain(expr, &mut dynamic);
        match root {
            Expr::Var { span, .. } if span.text() == "data" || self.aliases.contains_key(span.text()) => {
                self.lead_into_data(place(span), span.text(), steps);
            }
            Expr::Var { span, .. } => {
                if span.text() == INPUT {
                    self.names.input.push(steps.into_iter().next().flatten());
                }
                self.names.variables.push((place(span), span.text().to_owned()));
            }
            other => self.expr(other),
        }
        dynamic.into_iter().for_each(|index| self.expr(index));
    }

    fn lead_into_data(&mut self, place: Place, root: &str, steps: Vec<Option<String>>) {
        let imported = self.aliases.get(root).into_iter().flatten().cloned().map(Some);
        self.names.data.push((place, imported.chain(steps).collect()));
    }
}
