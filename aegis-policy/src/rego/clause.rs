//! One condition of a rule as Rego.
//!
//! A value can be met, not met, or in doubt (a path with two readings, a header sent twice, a body that is no JSON, a
//! number given as a string). No line can raise an error: Rego takes one for "undefined", which a rule that refuses could not afford, so
//! types are tested before they are relied on and patterns are compiled when the policy is read. Doubt never helps the agent: it is "not met" in a rule that permits and "met" in one that refuses.

use std::sync::Arc;

use serde_json::Value;

use crate::glob::{NameGlob, PathTest};
use crate::host::HostPattern;
use crate::rego::{body, caller, quote};
use crate::rule::{FieldTest, Measure, Policy, Rule, Segment, Span, TextTest};

/// A condition.
#[derive(Debug)]
pub(crate) struct Clause {
    /// The condition as a person would write it.
    pub(crate) says: String,
    /// What it looks at.
    pub(crate) probe: Probe,
    /// The condition holds when all lines of any one alternative do.
    pub(crate) any: Vec<Vec<String>>,
    /// What these lines call.
    pub(crate) helpers: Vec<Helper>,
}

impl Clause {
    pub(crate) fn new(says: impl Into<String>, probe: Probe, any: Vec<Vec<String>>) -> Clause {
        Clause { says: says.into(), probe, any, helpers: Vec::new() }
    }
}

/// A rule or function of a condition's own. (The virtual machine of regorus 0.14.1 may run in circles where one body has two
/// comprehensions, so what they would say is said by these.)
#[derive(Debug)]
pub(crate) struct Helper {
    pub(crate) name: &'static str,
    pub(crate) parameter: Option<&'static str>,
    pub(crate) any: Vec<Vec<String>>,
}

/// Stands for the name of the condition where its lines call a helper. In a string of a policy it would be escaped.
pub(crate) const OWN_NAME: char = '\u{1}';

impl Helper {
    /// What a condition's lines call it.
    pub(crate) fn call(name: &str) -> String {
        format!("{OWN_NAME}_{name}")
    }
}

/// What part of the input a condition looks at.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    /// Nothing of the request: agent and host, which the index decided.
    Index,
    Port,
    Method,
    Path,
    Scopes,
    /// The sub-agent that acts.
    Actor,
    Region,
    Tool,
    /// The clock, in this zone.
    Time(Arc<str>),
    Usage(Measure, Span),
    /// Whatever an author's Rego looks at.
    Rego,
    Header(String),
    Query(String),
    /// The value at the first path, and what stands at the others.
    Body(Vec<Vec<Segment>>),
}

/// The conditions that the index stands for: the agent's own list of policies, agent, tenant, labels, host, and that the rule is for requests.
pub(crate) fn guards(policy: &Policy, rule: &Rule) -> Vec<Clause> {
    let listed = vec![
        vec!["count(input.agent.policies) == 0".into()],
        vec![format!("{} in input.agent.policies", quote(&policy.name))],
    ];
    let mut all =
        vec![Clause::new("policies", Probe::Index, listed), names("agents", "input.agent.name", &policy.agents)];
    if !policy.tenants.is_empty() {
        all.push(names("tenants", "input.agent.tenant", &policy.tenants));
    }
    // A rule's own lists narrow its policy's.
    if !rule.agents.is_empty() {
        all.push(names("agents", "input.agent.name", &rule.agents));
    }
    if !rule.tenants.is_empty() {
        all.push(names("tenants", "input.agent.tenant", &rule.tenants));
    }
    for (key, glob) in &policy.labels {
        all.push(names("labels", &format!("input.agent.labels[{}]", quote(key)), std::slice::from_ref(glob)));
    }
    let any = rule.hosts.iter().map(host).collect();
    all.push(Clause::new("hosts", Probe::Index, any));
    all
}

fn names(says: &str, value: &str, globs: &[NameGlob]) -> Clause {
    let test = |glob: &NameGlob| match glob.is_literal() {
        true => vec![format!("{value} == {}", quote(glob.pattern()))],
        false => vec![matches(&glob.regex(), value)],
    };
    Clause::new(says, Probe::Index, globs.iter().map(test).collect())
}

fn host(pattern: &HostPattern) -> Vec<String> {
    match pattern {
        HostPattern::Exact(name) => vec![format!("input.host == {}", quote(name))],
        HostPattern::Below(domain) => vec![format!("endswith(input.host, {})", quote(domain))],
        HostPattern::Any => vec!["not input.host_is_address".into()],
        HostPattern::Net(net) => {
            vec!["input.host_is_address".into(), format!("net.cidr_contains({}, input.host)", quote(&net.to_string()))]
        }
    }
}

/// The conditions on the request itself.
pub(crate) fn clauses(rule: &Rule) -> Vec<Clause> {
    let doubt = rule.doubt_meets();
    let ports: Vec<Value> = rule.ports.iter().map(|port| Value::from(*port)).collect();
    let mut all = vec![Clause::new(
        format!("port in {}", Value::from(ports.clone())),
        Probe::Port,
        vec![vec![member("input.port", &ports)]],
    )];
    if !rule.methods.is_empty() {
        let methods: Vec<Value> = rule.methods.iter().map(|method| Value::from(method.as_str())).collect();
        all.push(Clause::new(
            format!("method in {}", rule.methods.join(" ")),
            Probe::Method,
            vec![vec![member("input.method", &methods)]],
        ));
    }
    if !rule.paths.is_empty() {
        all.push(paths(rule, doubt));
    }
    all.extend(caller::clauses(rule, doubt));
    all.extend(rule.headers.iter().map(|test| field("headers", test, doubt)));
    all.extend(rule.query.iter().map(|test| field("query", test, doubt)));
    all.extend(rule.body.iter().map(|test| body::clause(test, doubt)));
    all.extend(rule.rego.iter().map(|condition| Clause::new(condition.says(), Probe::Rego, condition.ways(doubt))));
    all
}

fn paths(rule: &Rule, doubt: bool) -> Clause {
    let test = |test: &PathTest| match test {
        PathTest::Equals(text) => vec![format!("input.path == {}", quote(text))],
        PathTest::StartsWith(text) => vec![format!("startswith(input.path, {})", quote(text))],
        PathTest::Regex(regex) => vec![matches(regex, "input.path")],
    };
    let mut any: Vec<Vec<String>> = rule.paths.iter().map(|glob| test(glob.test())).collect();
    any.extend(doubt.then(|| vec!["input.ambiguous.path".into()]));
    let patterns: Vec<&str> = rule.paths.iter().map(|glob| glob.pattern()).collect();
    Clause::new(format!("path in {}", patterns.join(" ")), Probe::Path, any)
}

/// A rule that permits wants the field exactly once; one that refuses is content with any of several.
fn field(under: &str, test: &FieldTest, doubt: bool) -> Clause {
    let values = format!("input.{under}[{}]", quote(&test.name));
    let (what, any) = match (&test.test, doubt) {
        (TextTest::Equals(text), false) => (text, vec![vec![format!("{values} == [{}]", quote(text))]]),
        (TextTest::Equals(text), true) => (text, vec![vec![format!("{} in {values}", quote(text))]]),
        (TextTest::Matches(regex), false) => {
            (regex, vec![vec![format!("count({values}) == 1"), matches(regex, &format!("{values}[0]"))]])
        }
        (TextTest::Matches(regex), true) => {
            (regex, vec![vec![format!("some value in {values}"), matches(regex, "value")]])
        }
    };
    let mut any = any;
    let (verb, probe) = match under {
        "headers" => ("header", Probe::Header(test.name.clone())),
        _ => ("query", Probe::Query(test.name.clone())),
    };
    if doubt && under == "query" {
        any.push(vec!["input.ambiguous.query".into()]);
    }
    let operator = if matches!(test.test, TextTest::Equals(_)) { "==" } else { "matches" };
    Clause::new(format!("{verb} {} {operator} {what}", test.name), probe, any)
}

pub(super) fn member(value: &str, values: &[Value]) -> String {
    match values {
        [only] => format!("{value} == {only}"),
        several => {
            let list: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("{value} in [{}]", list.join(", "))
        }
    }
}

pub(super) fn matches(regex: &str, value: &str) -> String {
    format!("regex.match({}, {value})", quote(regex))
}
