//! Whether one rule holds wherever another one does. Where that can't be seen for certain the answer is no.

use std::cmp::Ordering;

use serde_json::Number;

use crate::glob::NameGlob;
use crate::rule::{BodyTest, FieldTest, Order, Policy, Rule, ValueTest};
use crate::templates::compare;

/// Whether `first` is for every agent that `second` is for, as far as both policies apply to the agent.
pub(super) fn same_agents(first: (&Policy, &Rule), second: (&Policy, &Rule)) -> bool {
    let ((policy, rule), (other, narrow)) = (first, second);
    if rule.policy == narrow.policy {
        return within(&rule.agents, &narrow.agents) && within(&rule.tenants, &narrow.tenants);
    }
    // A rule's own lists narrow its policy's: both have to take in what the other rule is left with.
    let agents = if narrow.agents.is_empty() { &other.agents } else { &narrow.agents };
    let tenants = if narrow.tenants.is_empty() { &other.tenants } else { &narrow.tenants };
    let label =
        |(key, glob): &(String, NameGlob)| other.labels.iter().any(|(own, inner)| own == key && glob.covers(inner));
    all_covered(&policy.agents, agents)
        && within(&policy.tenants, tenants)
        && within(&rule.agents, agents)
        && within(&rule.tenants, tenants)
        && policy.labels.iter().all(label)
}

/// `outer` empty takes in everything; `inner` empty is everything.
fn within(outer: &[NameGlob], inner: &[NameGlob]) -> bool {
    outer.is_empty() || (!inner.is_empty() && all_covered(outer, inner))
}

fn all_covered(outer: &[NameGlob], inner: &[NameGlob]) -> bool {
    inner.iter().all(|glob| outer.iter().any(|wide| wide.covers(glob)))
}

/// Whether `first` holds for every request for which `second` does (agents apart).
///
/// All fields are named here, so that a new condition can't be forgotten.
pub(super) fn holds_wherever(first: &Rule, second: &Rule) -> bool {
    let Rule {
        id: _,
        policy: _,
        agents: _,
        tenants: _,
        tool: _,
        reason: _,
        priority: _,
        private: _,
        decision: _,
        profile: _,
        mode: _,
        fail_mode: _,
        handling: _,
        hosts,
        ports,
        transport,
        methods,
        paths,
        headers,
        query,
        body,
        rego,
        tools,
        scopes,
        any_scope,
        actors,
        regions,
        when,
        usage,
    } = first;
    // What is in doubt is met in a rule that refuses and not met in one that permits: then the second may hold alone.
    let doubt = first.doubt_meets() || !second.doubt_meets();
    let hosts = second.hosts.iter().all(|host| hosts.iter().any(|outer| outer.covers(host)));
    let ports = second.ports.iter().all(|port| ports.contains(port));
    let methods = methods.is_empty()
        || (!second.methods.is_empty() && second.methods.iter().all(|method| methods.contains(method)));
    let covered = |path| paths.iter().any(|outer| outer.covers(path));
    let paths = paths.is_empty() || (doubt && !second.paths.is_empty() && second.paths.iter().all(covered));
    let plain = headers.is_empty() && query.is_empty() && body.is_empty() && rego.is_none();
    let content = plain
        || (doubt
            && headers.iter().all(|test| field_holds(test, &second.headers))
            && query.iter().all(|test| field_holds(test, &second.query))
            && body.iter().all(|test| second.body.iter().any(|other| body_holds(test, other)))
            && (rego.is_none() || *rego == second.rego));
    // Who acts, with what and when: either nothing is asked, or exactly the same.
    let caller = tools.is_empty() && actors.is_empty() && any_scope.is_empty() && regions.is_empty();
    let same_caller = doubt
        && *tools == second.tools
        && *actors == second.actors
        && *any_scope == second.any_scope
        && *regions == second.regions;
    let scopes = scopes.is_empty() || (doubt && scopes.iter().all(|scope| second.scopes.contains(scope)));
    let moment = when.is_empty() || (doubt && *when == second.when);
    let usage = usage.is_empty() || (doubt && usage.iter().all(|test| second.usage.contains(test)));
    *transport == second.transport
        && hosts
        && ports
        && methods
        && paths
        && content
        && (caller || same_caller)
        && scopes
        && moment
        && usage
}

fn field_holds(test: &FieldTest, others: &[FieldTest]) -> bool {
    others.contains(test)
}

/// Whether `test` holds where `other` does.
fn body_holds(test: &BodyTest, other: &BodyTest) -> bool {
    if test == other {
        return true;
    }
    if test.path != other.path {
        return false;
    }
    match (&test.test, &other.test) {
        (ValueTest::Compares(order, bound), ValueTest::Compares(narrow, inner)) => {
            implied((*order, bound), (*narrow, inner))
        }
        (ValueTest::In(wide), ValueTest::In(narrow)) => narrow.iter().all(|value| wide.contains(value)),
        (ValueTest::In(wide), ValueTest::Equals(value)) => wide.contains(value),
        _ => false,
    }
}

/// Whether every number in the relation `narrow` is in the relation `wide`.
fn implied(wide: (Order, &Number), narrow: (Order, &Number)) -> bool {
    let Some(order) = compare(narrow.1, wide.1) else { return false };
    match (wide.0, narrow.0) {
        (Order::AtMost, Order::AtMost | Order::Less) | (Order::Less, Order::Less) => order != Ordering::Greater,
        (Order::Less, Order::AtMost) => order == Ordering::Less,
        (Order::AtLeast, Order::AtLeast | Order::More) | (Order::More, Order::More) => order != Ordering::Less,
        (Order::More, Order::AtLeast) => order == Ordering::Greater,
        _ => false,
    }
}
