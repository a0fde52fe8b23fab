//! A small world of rules and requests, in which rules often meet and often just miss.

use std::time::SystemTime;

use aegis_policy::{Usage, Usd, Used};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::common::{Ask, ask};

/// A rule, as data that both sides read.
#[derive(Debug, Clone)]
pub struct Model {
    pub agent: &'static str,
    pub tenant: Option<&'static str>,
    pub hosts: Vec<&'static str>,
    pub methods: Vec<&'static str>,
    pub paths: Vec<&'static str>,
    pub header: Option<(&'static str, bool)>,
    pub body: Vec<Body>,
    pub around: Around,
    pub priority: i64,
    pub decision: &'static str,
    pub shadow: bool,
}

/// A condition on the body.
#[derive(Debug, Clone)]
pub struct Body {
    pub path: &'static str,
    pub op: &'static str,
    /// The value, or the path of another.
    pub value: Result<Value, &'static str>,
}

/// The conditions that do not look into the request.
#[derive(Debug, Clone, Default)]
pub struct Around {
    pub own_agent: Option<&'static str>,
    pub own_tenant: Option<&'static str>,
    pub scopes: Vec<&'static str>,
    pub any_scope: Vec<&'static str>,
    pub actor: Option<&'static str>,
    pub regions: Vec<&'static str>,
    pub tools: Vec<&'static str>,
    pub when: Option<Window>,
    /// `of`, `per`, `op`, `value`.
    pub usage: Option<(&'static str, &'static str, &'static str, f64)>,
}

#[derive(Debug, Clone)]
pub struct Window {
    pub days: Vec<&'static str>,
    pub hours: Option<&'static str>,
    pub zone: Option<&'static str>,
    pub from: Option<&'static str>,
    pub until: Option<&'static str>,
}

pub const REGIONS: [(&str, &[&str]); 2] = [("r1", &["a.test", "203.0.113.0/24"]), ("r2", &["*.a.test"])];

/// Name, hosts, methods, paths.
pub type Tool = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

pub const TOOLS: [Tool; 4] = [
    ("t1", &["a.test"], &[], &["/x/**"]),
    ("t2", &["*.a.test", "a.test"], &["GET"], &[]),
    ("t1", &["*.b.a.test"], &["POST"], &["/x", "/"]),
    ("u", &["203.0.113.0/24"], &[], &[]),
];

const HOSTS: [&str; 5] = ["a.test", "*.a.test", "*.b.a.test", "*", "203.0.113.0/24"];
const PATHS: [&str; 5] = ["/", "/x", "/x/*", "/x/**", "/*/y"];
const TARGETS: [&str; 9] = ["/", "/x", "/x/", "/x/y", "/x/y/z", "/%78/y", "/x/../y", "/x//y", "/x%2fy"];

fn one<T: Clone + std::fmt::Debug + 'static>(list: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(list.to_vec())
}

/// Seldom: a rule with many conditions never holds.
fn seldom<T: Clone + std::fmt::Debug + 'static>(list: &[T]) -> impl Strategy<Value = Option<T>> + use<T> {
    prop::option::weighted(0.12, one(list))
}

fn few<T: Clone + std::fmt::Debug + 'static>(list: &[T]) -> impl Strategy<Value = Vec<T>> + use<T> {
    let some = prop::collection::vec(one(list), 1..3);
    prop_oneof![8 => Just(Vec::new()), 1 => some]
}

fn body() -> impl Strategy<Value = Body> {
    let single = one(&[
        ("==", json!(5)),
        ("!=", json!(5)),
        ("<=", json!(5)),
        (">", json!(4.5)),
        (">=", json!(9_007_199_254_740_993_u64)),
        ("==", json!("x")),
        ("in", json!(["x", "y"])),
        ("not_in", json!(["x", "y"])),
        ("matches", json!("^x")),
        ("starts_with", json!("x")),
        ("ends_with", json!("z")),
        ("length <=", json!(1)),
        ("length ==", json!(2)),
        ("length >", json!(0)),
        ("contains", json!("x")),
        ("contains", json!(5)),
        ("contains_any", json!(["x", "y"])),
        ("subset_of", json!(["x", "y"])),
        ("exists", json!(true)),
        ("exists", json!(false)),
    ]);
    let relation = one(&["==", "!=", "<", "<=", ">", ">="]);
    let path = || one(&["v", "v", "v", "v.0", "v.*", "v.*.n", "*", "v.*.*"]);
    let fixed = (path(), single).prop_map(|(path, (op, value))| Body { path, op, value: Ok(value) });
    let other = (path(), relation, one(&["w", "v.0", "w.n"]));
    prop_oneof![
        5 => fixed,
        1 => other.prop_map(|(path, op, other)| Body { path, op, value: Err(other) }),
    ]
}

fn window() -> impl Strategy<Value = Window> {
    (
        prop_oneof![Just(vec![]), Just(vec!["mon-fri"]), Just(vec!["fri-mon"]), Just(vec!["mon", "sun"])],
        prop::option::of(one(&["08:00-18:00", "22:00-06:00", "02:00-03:00", "00:00-24:00"])),
        prop::option::of(one(&["Europe/Berlin", "America/New_York", "UTC"])),
        prop::option::weighted(0.3, one(&["2026-10-25", "2026-11-22"])),
        prop::option::weighted(0.3, one(&["2026-11-22", "2026-11-23"])),
    )
        .prop_map(|(days, hours, zone, from, until)| {
            // A window needs something to open it.
            let hours = if days.is_empty() && from.is_none() && until.is_none() {
                hours.or(Some("08:00-18:00"))
            } else {
                hours
            };
            Window { days, hours, zone, from, until }
        })
}

fn around() -> impl Strategy<Value = Around> {
    let usage = one(&[
        ("requests", "minute", "<", 5.0),
        ("requests", "day", ">=", 5.0),
        ("bytes_out", "hour", "<=", 100.0),
        ("cost_usd", "day", ">", 0.3),
    ]);
    (
        seldom(&["a", "b*"]),
        seldom(&["t*"]),
        few(&["s1", "s2"]),
        few(&["s1", "s3"]),
        seldom(&["*/x", "a/x", "*"]),
        few(&["r1", "r2"]),
        few(&["t1", "t*", "u"]),
        prop::option::weighted(0.12, window()),
        prop::option::weighted(0.12, usage),
    )
        .prop_map(|(own_agent, own_tenant, scopes, any_scope, actor, regions, tools, when, usage)| Around {
            own_agent,
            own_tenant,
            scopes,
            any_scope,
            actor,
            regions,
            tools,
            when,
            usage,
        })
}

pub fn rule() -> impl Strategy<Value = Model> {
    (
        (one(&["a", "b", "*"]), seldom(&["t1"])),
        prop::collection::vec(one(&HOSTS), 1..3),
        prop::collection::vec(one(&["GET", "POST"]), 0..2),
        prop::collection::vec(one(&PATHS), 0..3),
        prop::option::weighted(0.3, (one(&["1", "2"]), any::<bool>())),
        prop_oneof![1 => Just(vec![]), 1 => prop::collection::vec(body(), 1..3)],
        around(),
        0i64..3,
        one(&["allow", "deny", "approval_needed"]),
        prop::bool::weighted(0.2),
    )
        .prop_map(|((agent, tenant), hosts, methods, paths, header, body, around, priority, decision, shadow)| {
            Model { agent, tenant, hosts, methods, paths, header, body, around, priority, decision, shadow }
        })
}

/// Instants around midnight, the ends of windows and the days on which clocks change.
const INSTANTS: [&str; 12] = [
    "2026-11-23T10:00:00Z",
    "2026-11-23T06:59:59Z",
    "2026-11-23T17:00:00Z",
    "2026-11-22T23:30:00Z",
    "2026-11-23T04:59:59Z",
    "2026-11-23T05:00:00Z",
    "2026-11-21T22:00:00Z",
    "2026-10-25T00:30:00Z",
    "2026-10-25T01:30:00Z",
    "2026-03-29T01:00:00Z",
    "2026-11-01T06:30:00Z",
    "2026-10-24T22:00:00Z",
];

fn usage() -> impl Strategy<Value = Usage> {
    let used = || {
        (one(&[0, 4, 5, 6]), one(&[0, 100, 101]), one(&[0, 300_000, 300_001]))
            .prop_map(|(requests, bytes_out, micros)| Used { requests, bytes_out, cost_usd: Usd::from_micros(micros) })
    };
    (used(), used(), used()).prop_map(|(minute, hour, day)| Usage { minute, hour, day })
}

fn bodies() -> impl Strategy<Value = Option<&'static str>> {
    one(&[
        None,
        Some(r#"{"v":5}"#),
        Some(r#"{"v":5.0,"w":5}"#),
        Some(r#"{"v":4,"w":5}"#),
        Some(r#"{"v":9007199254740992,"w":9007199254740993}"#),
        Some(r#"{"v":"5"}"#),
        Some(r#"{"v":"x","w":"x"}"#),
        Some(r#"{"v":"xyz","w":"z"}"#),
        Some(r#"{"v":"é"}"#),
        Some(r#"{"v":null,"w":null}"#),
        Some(r#"{"v":[5]}"#),
        Some(r#"{"v":["x","y"],"w":"x"}"#),
        Some(r#"{"v":["x","z"]}"#),
        Some(r#"{"v":["x",5],"w":[5]}"#),
        Some(r#"{"v":[]}"#),
        Some(r#"{"v":[[5],["x"]]}"#),
        Some(r#"{"v":[{"n":5},{"n":4}],"w":{"n":5}}"#),
        Some(r#"{"v":[{"n":5},{}]}"#),
        Some(r#"{"v":[{"n":["x","y"]},{"n":["x"]}]}"#),
        Some(r#"{"v":[{"n":"x"},{"n":7}],"w":7}"#),
        Some(r#"{"v":{"n":5}}"#),
        Some(r#"{"v":false}"#),
        Some(r#"{}"#),
        Some("[]"),
        Some(r#"["x","y"]"#),
        Some("[5,6]"),
        Some("not json"),
    ])
}

pub fn request() -> impl Strategy<Value = Ask> {
    let target = (
        one(&["GET", "POST", "PUT"]),
        one(&["a.test", "x.a.test", "y.b.a.test", "c.test", "203.0.113.5", "198.51.100.5"]),
        one(&TARGETS),
        prop::collection::vec(one(&["1", "2", "3"]), 0..3),
        bodies(),
    );
    let scopes = prop::collection::vec(one(&["s1", "s2", "s3", "s"]), 0..3);
    let policies = prop_oneof![6 => Just(vec![]), 1 => Just(vec!["p0", "p2"])];
    let caller = (one(&["a", "b", "c"]), one(&["", "t1"]), scopes, seldom(&["a/x", "b"]), policies);
    // A clock that no calendar knows is seldom.
    let now = prop_oneof![20 => one(&INSTANTS).prop_map(Some), 1 => Just(None)];
    let tool = (seldom(&["t1", "other"]), prop::bool::weighted(0.1));
    (target, caller, tool, now, usage()).prop_map(|(target, caller, tool, now, usage)| {
        let (method, host, path, headers, body) = target;
        let (agent, tenant, scopes, actor, policies) = caller;
        let mut request = ask(&format!("{method} https://{host}{path}")).by(agent).scopes(&scopes).used(usage);
        request.agent.tenant = tenant.into();
        request.agent.actor = actor.map(str::to_owned);
        request.agent.policies = policies.into_iter().map(str::to_owned).collect();
        (request.tool, request.tool_in_doubt) = (tool.0.map(str::to_owned), tool.1);
        request.now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 50);
        if let Some(now) = now {
            request = request.at(now);
        }
        for value in headers {
            request = request.header("x-h", value);
        }
        match body {
            Some(body) => request.body(body),
            None => request,
        }
    })
}

/// The policies as text: one for each rule, `pN/r`.
pub fn yaml(rules: &[Model]) -> String {
    let policies: Vec<Value> = rules
        .iter()
        .enumerate()
        .map(|(number, rule)| {
            let tenants = rule.tenant.map(|tenant| json!([tenant]));
            with(
                json!({"name": format!("p{number}"), "agents": [rule.agent], "rules": [written(rule)]}),
                "tenants",
                tenants,
            )
        })
        .collect();
    let regions: Map<String, Value> = REGIONS.iter().map(|(name, hosts)| ((*name).to_owned(), json!(hosts))).collect();
    let tools: Vec<Value> = TOOLS
        .iter()
        .map(|(name, hosts, methods, paths)| {
            let tool = with(json!({"name": name, "hosts": hosts}), "methods", listed(methods));
            with(tool, "paths", listed(paths))
        })
        .collect();
    json!({"version": "v1", "regions": regions, "tools": tools, "policies": policies}).to_string()
}

fn written(rule: &Model) -> Value {
    let around = &rule.around;
    let fields = [
        ("methods", listed(&rule.methods)),
        ("paths", listed(&rule.paths)),
        (
            "headers",
            rule.header.map(|(value, regex)| match regex {
                true => json!({"x-h": {"matches": format!("^{value}$")}}),
                false => json!({"x-h": value}),
            }),
        ),
        ("body", listed(&rule.body.iter().map(body_test).collect::<Vec<Value>>())),
        ("agents", around.own_agent.map(|glob| json!([glob]))),
        ("tenants", around.own_tenant.map(|glob| json!([glob]))),
        ("scopes", listed(&around.scopes)),
        ("any_scope", listed(&around.any_scope)),
        ("actors", around.actor.map(|glob| json!([glob]))),
        ("regions", listed(&around.regions)),
        ("tools", listed(&around.tools)),
        ("when", around.when.as_ref().map(window_of)),
        (
            "usage",
            around.usage.map(|(of, per, op, value)| {
                let value =
                    if of == "cost_usd" { json!(value) } else { json!(value.to_string().parse::<u64>().unwrap()) };
                json!([{"of": of, "per": per, "op": op, "value": value}])
            }),
        ),
    ];
    let plain = json!({"name": "r", "hosts": rule.hosts, "priority": rule.priority, "decision": rule.decision,
        "mode": if rule.shadow { "shadow" } else { "enforce" }});
    fields.into_iter().fold(plain, |rule, (key, value)| with(rule, key, value))
}

fn body_test(test: &Body) -> Value {
    match &test.value {
        Ok(value) => json!({"path": test.path, "op": test.op, "value": value}),
        Err(other) => json!({"path": test.path, "op": test.op, "value_of": other}),
    }
}

fn window_of(window: &Window) -> Value {
    let fields = [
        ("days", listed(&window.days)),
        ("hours", window.hours.map(Value::from)),
        ("timezone", window.zone.map(Value::from)),
        ("from", window.from.map(Value::from)),
        ("until", window.until.map(Value::from)),
    ];
    fields.into_iter().fold(json!({}), |window, (key, value)| with(window, key, value))
}

fn listed<T: serde::Serialize>(list: &[T]) -> Option<Value> {
    (!list.is_empty()).then(|| json!(list))
}

fn with(mut object: Value, key: &str, value: Option<Value>) -> Value {
    if let Some(value) = value {
        object[key] = value;
    }
    object
}
