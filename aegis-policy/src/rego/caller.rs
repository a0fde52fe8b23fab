//! Conditions on what is not in the request's own words, as Rego: which tool it is, who acts, where, when, and how much was
//! used before.

use serde_json::Value;

use crate::glob::NameGlob;
use crate::rego::clause::{Clause, Probe, matches, member};
use crate::rego::quote;
use crate::rule::{Rule, UsageTest};
use crate::window::{Dates, Window, next_days};

pub(super) fn clauses(rule: &Rule, doubt: bool) -> Vec<Clause> {
    let mut all = Vec::new();
    all.extend((!rule.scopes.is_empty()).then(|| scopes(rule)));
    all.extend((!rule.any_scope.is_empty()).then(|| any_scope(rule)));
    all.extend((!rule.actors.is_empty()).then(|| actors(rule)));
    all.extend((!rule.regions.is_empty()).then(|| regions(rule, doubt)));
    all.extend((!rule.tools.is_empty()).then(|| tools(rule, doubt)));
    all.extend((!rule.when.is_empty()).then(|| when(rule, doubt)));
    all.extend(rule.usage.iter().map(usage));
    all
}

fn scopes(rule: &Rule) -> Clause {
    let all = rule.scopes.iter().map(|scope| has_scope(scope)).collect();
    Clause::new(format!("scopes {}", rule.scopes.join(" and ")), Probe::Scopes, vec![all])
}

fn any_scope(rule: &Rule) -> Clause {
    let any = rule.any_scope.iter().map(|scope| vec![has_scope(scope)]).collect();
    Clause::new(format!("scope {}", rule.any_scope.join(" or ")), Probe::Scopes, any)
}

fn has_scope(scope: &str) -> String {
    format!("{} in input.agent.scopes", quote(scope))
}

fn actors(rule: &Rule) -> Clause {
    let any = vec![vec![one_of(&rule.actors, "input.agent.actor")]];
    Clause::new(format!("actor in {}", listed(&rule.actors)), Probe::Actor, any)
}

fn regions(rule: &Rule, doubt: bool) -> Clause {
    let names: Vec<Value> = rule.regions.iter().map(|region| Value::from(&**region)).collect();
    let mut any = vec![vec![member("input.region", &names)]];
    any.extend(doubt.then(|| vec!["not input.region".into()]));
    Clause::new(format!("region in {}", rule.regions.join(" ")), Probe::Region, any)
}

/// A tool may have two names: the one that was declared for its place, and its own in the protocol. A rule that permits
/// wants each of them on its list, and none in doubt; for one that refuses either is enough.
fn tools(rule: &Rule, doubt: bool) -> Clause {
    let (declared, own) = ("input.tool.declared", "input.tool.own");
    let (is_declared, is_own) = (one_of(&rule.tools, declared), one_of(&rule.tools, own));
    let clear = "not input.ambiguous.tool".to_owned();
    let any = match doubt {
        false => vec![
            vec![is_declared.clone(), is_own.clone(), clear.clone()],
            vec![is_declared, format!("not {own}"), clear.clone()],
            vec![is_own, format!("not {declared}"), clear],
        ],
        true => vec![vec![is_declared], vec![is_own], vec!["input.ambiguous.tool".into()]],
    };
    Clause::new(format!("tool in {}", listed(&rule.tools)), Probe::Tool, any)
}

fn when(rule: &Rule, doubt: bool) -> Clause {
    let says: Vec<&str> = rule.when.iter().map(|window| window.says.as_str()).collect();
    let mut any: Vec<Vec<String>> = rule.when.iter().flat_map(window).collect();
    any.extend(doubt.then(|| vec!["input.ambiguous.time".into()]));
    let zone = rule.when.first().map(|window| window.zone.name.clone()).unwrap_or_default();
    Clause::new(format!("when {}", says.join(" or ")), Probe::Time(zone), any)
}

/// A window over midnight belongs to the day on which it begins, by its weekday and by its date.
fn window(window: &Window) -> Vec<Vec<String>> {
    let wall = format!("input.time.zones[{}]", quote(&window.zone.name));
    let on = |dates: Dates, days: &[i8], hours: &[String]| {
        let days: Vec<Value> = days.iter().map(|day| Value::from(*day)).collect();
        let mut lines = Vec::new();
        lines.extend(dates.from.map(|from| format!("input.time.unix >= {from}")));
        lines.extend(dates.until.map(|until| format!("input.time.unix < {until}")));
        lines.extend((!days.is_empty()).then(|| member(&format!("{wall}.weekday"), &days)));
        lines.extend_from_slice(hours);
        lines
    };
    match window.hours {
        None => vec![on(window.dates, &window.days, &[])],
        Some((from, until)) => {
            let (after, before) = (format!("{wall}.minute >= {from}"), format!("{wall}.minute < {until}"));
            match from < until {
                true => vec![on(window.dates, &window.days, &[after, before])],
                false => vec![
                    on(window.dates, &window.days, &[after]),
                    on(window.dates_after, &next_days(&window.days), &[before]),
                ],
            }
        }
    }
}

fn usage(test: &UsageTest) -> Clause {
    let UsageTest { of, per, order, bound } = test;
    let line = format!("input.usage.{}.{} {} {bound}", per.key(), of.key(), order.symbol());
    Clause::new(test.to_string(), Probe::Usage(*of, *per), vec![vec![line]])
}

fn listed(globs: &[NameGlob]) -> String {
    let patterns: Vec<&str> = globs.iter().map(NameGlob::pattern).collect();
    patterns.join(" ")
}

/// That a text fits one of the patterns, as one line.
fn one_of(globs: &[NameGlob], value: &str) -> String {
    if globs.iter().all(NameGlob::is_literal) {
        let names: Vec<Value> = globs.iter().map(|glob| Value::from(glob.pattern())).collect();
        return member(value, &names);
    }
    let regexes: Vec<String> = globs.iter().map(NameGlob::regex).collect();
    matches(&regexes.join("|"), value)
}
