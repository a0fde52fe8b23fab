//! Raw Rego beside YAML, for what YAML can't say: only ever a *condition* of a rule, never a decision.
//!
//! A rule's `rego` is compiled into a package of its own; modules (`*.rego` beside the YAML) are what it can name. Doubt
//! never helps the agent here either: for a rule that permits a condition without a value is "not met", for one that refuses
//! only the value `false` is, and an evaluation that fails is a denial (see `engine.rs`).

mod builtins;
mod doubt;
mod modules;
mod recursion;
mod syntax;

use std::sync::Arc;

use regorus::unstable::{Expr, Literal, Module, Rule, RuleHead};
use sha2::{Digest, Sha256};

pub(crate) use modules::{Modules, packages_of};

use crate::source::cursor::Cursor;
use syntax::Fault;

/// The longest `rego` of a rule, in bytes. What is longer belongs into a module.
const MAX_TEXT: usize = 8 * 1024;
/// Lines of a condition's module before the author's first.
const LINES_BEFORE: usize = 3;

/// A rule's own Rego.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawCondition {
    text: Arc<str>,
    shape: Shape,
    package: Arc<str>,
    /// What it may read that can be in doubt: [`Modules::doubts`].
    doubts: Vec<&'static str>,
}

/// What the author wrote.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Shape {
    /// One expression.
    Value,
    /// `not` and one expression.
    Negation,
    /// Several statements, or one that names variables.
    Several,
}

/// Reads a rule's `rego`. Whether it may stand there is for [`Modules::check`].
pub(crate) fn read(at: &Cursor<'_>) -> Option<RawCondition> {
    let text = at.string()?;
    if text.trim().is_empty() || text.len() > MAX_TEXT {
        at.problem_with(
            format!("expected 1 to {MAX_TEXT} bytes of Rego"),
            "not a condition",
            "put what is longer into a module, a file `NAME.rego` beside this one",
        );
        return None;
    }
    let condition = RawCondition {
        text: text.into(),
        shape: Shape::Several,
        package: package(text).into(),
        doubts: doubt::ALL.to_vec(),
    };
    let module = match syntax::parse("rego", &condition.module_text()) {
        Ok(module) => module,
        Err(fault) => {
            note(at, &fault);
            return None;
        }
    };
    let Some(shape) = shape(&module) else {
        at.problem_with(
            "a rule's `rego` is one condition, not a module",
            "not a condition",
            "write expressions; rules and functions go into a file `NAME.rego` beside this one",
        );
        return None;
    };
    Some(RawCondition { shape, ..condition })
}

/// The package of a condition follows from its text: equal ones share it, and the order of rules has no part in it.
fn package(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("aegis.custom_{hex}")
}

/// `None` where the text broke out of the body that it was put into.
fn shape(module: &Module) -> Option<Shape> {
    let [rule] = module.policy.as_slice() else { return None };
    let Rule::Spec { head: RuleHead::Compr { assign: None, .. }, bodies, .. } = rule.as_ref() else { return None };
    let [body] = bodies.as_slice() else { return None };
    if body.assign.is_some() || !module.imports.is_empty() {
        return None;
    }
    Some(match body.query.stmts.as_slice() {
        [only] => match &only.literal {
            Literal::Expr { expr, .. } if !matches!(expr.as_ref(), Expr::AssignExpr { .. }) => Shape::Value,
            Literal::NotExpr { .. } => Shape::Negation,
            _ => Shape::Several,
        },
        _ => Shape::Several,
    })
}

impl RawCondition {
    /// The condition on one line, for people.
    pub(crate) fn says(&self) -> String {
        let lines: Vec<&str> = self.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        format!("rego {}", lines.join("; "))
    }

    pub(crate) fn package(&self) -> &str {
        &self.package
    }

    /// Each way in which the condition is met, as lines of a rule's body. What an author makes of a part that is not there
    /// (`not`, a comprehension, a default) is no answer where it is not there because nobody could read it.
    pub(crate) fn ways(&self, doubt_meets: bool) -> Vec<Vec<String>> {
        let in_doubt = self.doubts.iter().map(|part| format!("input.ambiguous.{part}"));
        match doubt_meets {
            false => {
                let certain = in_doubt.map(|line| format!("not {line}"));
                vec![[format!("data.{}.holds", self.package)].into_iter().chain(certain).collect()]
            }
            true => {
                let refuted = format!("not data.{}.refuted", self.package);
                [refuted].into_iter().chain(in_doubt).map(|line| vec![line]).collect()
            }
        }
    }

    /// Narrows the doubt that matters to what the condition and the rules that it names read.
    pub(crate) fn settle(&mut self, modules: &Modules) {
        self.doubts = modules.doubts(self);
    }

    /// The condition's module: `holds` where it is met for certain, `refuted` where it is certain that it is not.
    pub(crate) fn module(&self) -> String {
        let mut text = self.module_text();
        match self.shape {
            Shape::Value => {
                text.push_str(&format!("\nrefuted if {{\n\tvalue := (\n{}\n\t)\n\tvalue == false\n}}\n", self.text));
            }
            Shape::Negation => text.push_str("\nrefuted if not holds\n"),
            Shape::Several => {}
        }
        text
    }

    fn module_text(&self) -> String {
        format!("package {}\n\nholds if {{\n{}\n}}\n", self.package, self.text)
    }
}

/// Notes what is wrong with a rule's Rego at its line of the YAML file.
fn note(at: &Cursor<'_>, fault: &Fault) {
    let (line, column) = at.place();
    let text: Vec<&str> = at.problems().source().text.lines().collect();
    let from = |line: usize| text.get(line.saturating_sub(1)).copied().unwrap_or_default();
    let inner = fault.line.saturating_sub(LINES_BEFORE).max(1);
    let start: String = from(line).chars().skip(column.saturating_sub(1)).take(1).collect();
    let place = match start.as_str() {
        // A block: the author's lines follow, all indented by as much as the first.
        "|" | ">" => {
            let first = text.iter().skip(line).find(|line| !line.trim().is_empty()).copied().unwrap_or_default();
            let indent = first.chars().take_while(|c| *c == ' ').count();
            (line + inner, indent + fault.column)
        }
        quote => {
            let quoted = usize::from(quote == "\"" || quote == "'");
            if inner == 1 { (line, column + quoted + fault.column.saturating_sub(1)) } else { (line, column) }
        }
    };
    at.problems().add_here(place, format!("rego: {}", fault.message), "in this Rego", None);
}
