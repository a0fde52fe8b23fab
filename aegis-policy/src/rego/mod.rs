//! Rego text from rules: one else-chain, one body a rule, the first that holds wins.
//!
//! Every string of a policy enters as a JSON string literal, which is a Rego string literal: nothing in a policy
//! can become code.

mod body;
mod caller;
mod clause;

use std::fmt::Write;

use serde_json::json;

use clause::OWN_NAME;
pub(crate) use clause::{Clause, Probe, clauses, guards};

use crate::Mode;
use crate::rule::{Policy, Rule};

/// The chain over all rules.
pub(crate) const DECISION: &str = "decision";
/// The chain over the rules that are not in shadow.
pub(crate) const ENFORCED: &str = "enforced";

/// A Rego module for `rules` (each with its number), in the order in which they are tried.
///
/// With `policies` the module is complete: it tests agent and host as well. Without, these are left to the index.
pub(crate) fn module(package: &str, rules: &[(usize, &Rule)], policies: Option<&[Policy]>) -> String {
    let mut text = format!("package {package}\n\nimport rego.v1\n");
    for (_, rule) in rules {
        let hosts: Vec<String> = rule.hosts.iter().map(ToString::to_string).collect();
        line(
            &mut text,
            format_args!(
                "# {} ({}, {}): {}",
                comment(&rule.id),
                rule.decision.name(),
                rule.mode.name(),
                hosts.join(" ")
            ),
        );
    }
    let mut helpers = String::new();
    let bodies: Vec<(&Rule, Vec<String>)> = rules
        .iter()
        .map(|(number, rule)| {
            let mut all = policies.and_then(|list| list.get(rule.policy)).map(|p| guards(p, rule)).unwrap_or_default();
            all.extend(clauses(rule));
            (*rule, body(*number, &all, &mut helpers))
        })
        .collect();
    chain(&mut text, DECISION, bodies.iter());
    if bodies.iter().any(|(rule, _)| rule.mode == Mode::Shadow) {
        chain(&mut text, ENFORCED, bodies.iter().filter(|(rule, _)| rule.mode == Mode::Enforce));
    }
    text.push_str(&helpers);
    outcomes(&mut text, rules);
    text
}

/// A module with a rule for each clause on its own, for `explain`.
pub(crate) fn clause_module(package: &str, rules: &[(usize, &Rule)]) -> String {
    let mut text = format!("package {package}\n\nimport rego.v1\n");
    for (number, rule) in rules {
        for (at, clause) in clauses(rule).iter().enumerate() {
            condition(&mut text, &clause_name(*number, at), clause);
        }
    }
    text
}

/// The name of a rule that holds when one clause does.
pub(crate) fn clause_name(number: usize, clause: usize) -> String {
    format!("rule_{number}_{clause}")
}

/// The lines of a rule's body. A clause with several ways to hold becomes a rule of its own, and so does one that iterates:
/// the virtual machine of regorus 0.14.1 leaves an else-chain whose body iterates without a match.
fn body(number: usize, clauses: &[Clause], helpers: &mut String) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, clause) in clauses.iter().enumerate() {
        match clause.any.as_slice() {
            [only] if clause.helpers.is_empty() && !only.iter().any(|line| iterates(line)) => {
                lines.extend(only.iter().cloned());
            }
            _ => {
                let name = clause_name(number, at);
                condition(helpers, &name, clause);
                lines.push(name);
            }
        }
    }
    lines
}

/// Whether a line goes through a collection. A text in it may look like that too: then it costs a rule of its own.
fn iterates(line: &str) -> bool {
    line.contains("some ") || line.contains("every ")
}

/// A condition as a rule of its own, with what it calls.
fn condition(text: &mut String, name: &str, clause: &Clause) {
    alternatives(text, name, name, &clause.any);
    for helper in &clause.helpers {
        let parameter = helper.parameter.map(|parameter| format!("({parameter})")).unwrap_or_default();
        alternatives(text, &format!("{name}_{}{parameter}", helper.name), name, &helper.any);
    }
}

fn alternatives(text: &mut String, head: &str, own: &str, any: &[Vec<String>]) {
    for lines in any {
        line(text, format_args!("\n{head} if {{"));
        for condition in lines {
            line(text, format_args!("\t{}", condition.replace(OWN_NAME, own)));
        }
        line(text, format_args!("}}"));
    }
}

/// A chain without rules is left out: undefined is a denial.
fn chain<'a>(text: &mut String, name: &str, bodies: impl Iterator<Item = &'a (&'a Rule, Vec<String>)>) {
    let links: Vec<String> =
        bodies.map(|(rule, lines)| format!(":= {} if {{\n\t{}\n}}", quote(&rule.id), lines.join("\n\t"))).collect();
    if !links.is_empty() {
        line(text, format_args!("\n{name} {}", links.join(" else ")));
    }
}

/// What each rule decides, for readers of the module that have nothing else.
fn outcomes(text: &mut String, rules: &[(usize, &Rule)]) {
    line(text, format_args!("\nrules := {{"));
    for (_, rule) in rules {
        let row = json!({"decision": rule.decision, "mode": rule.mode, "reason": &*rule.reason, "tool": rule.tool.as_deref()});
        line(text, format_args!("\t{}: {row},", quote(&rule.id)));
    }
    line(text, format_args!("}}\n\noutcome := rules[{DECISION}]"));
}

/// A Rego string literal.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Names hold no control characters; this keeps a comment one line whatever they hold.
fn comment(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '\u{2028}' && *c != '\u{2029}').collect()
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String never fails.
    let _ = writeln!(text, "{arguments}");
}
