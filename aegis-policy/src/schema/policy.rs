//! One policy: whom it is for, and its rules.

use crate::rule::Policy;
use crate::schema::{Document, dlp, rule, words};
use crate::source::cursor::Cursor;
use crate::templates::Scope;

const KEYS: [&str; 9] = ["name", "agents", "tenants", "labels", "mode", "priority", "dlp", "tokens", "rules"];

/// Reads one policy, held to what `scope` allows.
pub(crate) fn read(at: &Cursor<'_>, scope: &Scope<'_>, document: &mut Document) {
    let fields = at.fields(&KEYS);
    let name = fields.require("name").and_then(|at| words::name(at, "a policy's name")).unwrap_or_default();
    if document.policies.iter().any(|other| &*other.name == name)
        && let Some(at) = fields.get("name")
    {
        at.problem_with(format!("a second policy `{name}`"), "taken", "policy names are unique over all files");
    }
    fields.require("agents");
    let labels = fields.get("labels").map(Cursor::entries).unwrap_or_default();
    let policy = Policy {
        name: name.into(),
        team: scope.team().cloned(),
        agents: fields.list("agents", words::glob),
        tenants: fields.list("tenants", words::glob),
        labels: labels.iter().filter_map(|(key, _, value)| Some(((*key).to_owned(), words::glob(value)?))).collect(),
        mode: fields.get("mode").and_then(words::mode).unwrap_or_default(),
        tokens: fields.get("tokens").map(words::tokens).unwrap_or_default(),
    };
    let defaults = rule::Defaults {
        index: document.policies.len(),
        name,
        mode: policy.mode,
        priority: fields.get("priority").and_then(|at| at.integer("a whole number")).unwrap_or(0),
        dlp: fields.get("dlp").map(|at| dlp::read(at, &document.own, &document.descriptors)).unwrap_or_default(),
        own: &document.own,
        descriptors: &document.descriptors,
        regions: &document.regions,
    };
    scope.check_policy(at, &policy);
    document.policies.push(policy);
    if let Some(rules) = fields.require("rules") {
        for item in rules.items() {
            if let Some(rule) = rule::read(&item, &defaults, &document.rules) {
                scope.check_rule(&item, &rule);
                document.rules.push(rule);
            }
        }
    }
}
