//! Conditions of one rule that can't hold together: a rule that never holds.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::lint::{Look, Said, Severity};
use crate::rule::{BodyTest, Measure, Order, Rule, Segment, Span, ValueTest};
use crate::templates::compare;

pub(super) fn look(look: &mut Look<'_>) {
    for rule in look.rules.clone() {
        if let Some((first, second)) = contradiction(rule) {
            // Doubt meets conditions of a rule that refuses, so that one may hold all the same.
            let never = if rule.doubt_meets() { "holds only for values in doubt" } else { "never holds" };
            let said = Said {
                code: "AEG036",
                severity: Severity::Warning,
                message: format!("`{first}` and `{second}` can't both be true: the rule {never}"),
                fix: "make two rules of it, or take one condition out",
            };
            look.note(rule, "body", said);
        }
        if let Some((key, first, second)) = usage_contradiction(rule) {
            let said = Said {
                code: "AEG036",
                severity: Severity::Warning,
                message: format!("`{first}` and `{second}` can't both be true: the rule never holds"),
                fix: "make two rules of it, or take one condition out",
            };
            look.note(rule, key, said);
        }
    }
}

fn contradiction(rule: &Rule) -> Option<(String, String)> {
    // A path through a list says something of every element, and there may be none.
    let single: Vec<&BodyTest> = rule.body.iter().filter(|test| !test.path.contains(&Segment::Every)).collect();
    let tests = &single;
    tests.iter().enumerate().find_map(|(at, first)| {
        let rest = tests.get(at + 1..).unwrap_or_default();
        let second = rest.iter().find(|second| first.path == second.path && excludes(first, second))?;
        Some((first.to_string(), second.to_string()))
    })
}

fn excludes(first: &BodyTest, second: &BodyTest) -> bool {
    one_way(&first.test, &second.test) || one_way(&second.test, &first.test)
}

fn one_way(first: &ValueTest, second: &ValueTest) -> bool {
    match (first, second) {
        (ValueTest::Exists(false), other) => *other != ValueTest::Exists(false) && is_plain(other),
        (ValueTest::Equals(value), other) => fails(other, value),
        (ValueTest::In(values), other) => values.iter().all(|value| fails(other, value)),
        (ValueTest::Compares(order, bound), ValueTest::Compares(other, limit)) => {
            apart((*order, bound), (*other, limit))
        }
        _ => false,
    }
}

/// Whether the condition needs its value to be there.
fn is_plain(test: &ValueTest) -> bool {
    matches!(
        test,
        ValueTest::Exists(true)
            | ValueTest::Equals(_)
            | ValueTest::Differs(_)
            | ValueTest::Compares(..)
            | ValueTest::In(_)
            | ValueTest::NotIn(_)
            | ValueTest::Matches(_)
            | ValueTest::StartsWith(_)
            | ValueTest::EndsWith(_)
    )
}

/// Whether a value certainly does not meet the condition.
fn fails(test: &ValueTest, value: &Value) -> bool {
    match (test, value) {
        (ValueTest::Equals(other), value) => differ(other, value),
        (ValueTest::Differs(other), value) => same(other, value),
        (ValueTest::In(list), value) => list.iter().all(|other| differ(other, value)),
        (ValueTest::NotIn(list), value) => list.iter().any(|other| same(other, value)),
        (ValueTest::Compares(order, bound), Value::Number(number)) => {
            compare(number, bound).is_some_and(|stands| !meets(*order, stands))
        }
        (ValueTest::Compares(..), _) => true,
        (ValueTest::StartsWith(start), Value::String(text)) => !text.starts_with(start.as_str()),
        (ValueTest::EndsWith(end), Value::String(text)) => !text.ends_with(end.as_str()),
        _ => false,
    }
}

/// Equal for certain; `5` and `5.0` are neither that nor different.
fn same(a: &Value, b: &Value) -> bool {
    a == b
}

fn differ(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare(a, b).is_some_and(|order| order != Ordering::Equal),
        _ => a != b,
    }
}

fn meets(order: Order, stands: Ordering) -> bool {
    match order {
        Order::Less => stands == Ordering::Less,
        Order::AtMost => stands != Ordering::Greater,
        Order::More => stands == Ordering::Greater,
        Order::AtLeast => stands != Ordering::Less,
    }
}

/// Whether no number is in both relations.
fn apart(first: (Order, &Number), second: (Order, &Number)) -> bool {
    let Some(order) = compare(first.1, second.1) else { return false };
    match (first.0, second.0) {
        (Order::AtMost, Order::AtLeast) => order == Ordering::Less,
        (Order::Less | Order::AtMost, Order::More | Order::AtLeast) => order != Ordering::Greater,
        (Order::AtLeast, Order::AtMost) => order == Ordering::Greater,
        (Order::More | Order::AtLeast, Order::Less | Order::AtMost) => order != Ordering::Less,
        _ => false,
    }
}

/// Two bounds on the same use that leave nothing between them.
fn usage_contradiction(rule: &Rule) -> Option<(&'static str, String, String)> {
    let same = |a: (Measure, Span), b: (Measure, Span)| a == b;
    rule.usage.iter().enumerate().find_map(|(at, first)| {
        let rest = rule.usage.get(at + 1..).unwrap_or_default();
        let second = rest.iter().find(|second| {
            same((first.of, first.per), (second.of, second.per))
                && apart((first.order, &first.bound.into()), (second.order, &second.bound.into()))
        })?;
        Some(("usage", first.to_string(), second.to_string()))
    })
}
