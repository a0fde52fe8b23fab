//! What rules read beside the request's own words: who acts with which scopes, which tool it is, where its host keeps data,
//! the time, and what was used before.

use std::collections::BTreeMap;

use regorus::Value;
use serde_json::{Value as Json, json};

use super::Asked;
use crate::Intent;
use crate::declared::{Declared, Named};
use crate::host::Host;
use crate::path::normalise;
use crate::rego::Probe;
use crate::rule::{Measure, Rule, Span};
use crate::usage::Used;
use crate::window::{Zone, moment};

/// Which of it the rules of a bucket read.
#[derive(Debug, Default)]
pub(super) struct Around {
    scopes: bool,
    actor: bool,
    region: bool,
    tool: bool,
    time: bool,
    zones: Vec<Zone>,
    usage: BTreeMap<Span, Vec<Measure>>,
}

type Object = BTreeMap<Value, Value>;

impl Around {
    pub(super) fn add(&mut self, probe: &Probe) {
        match probe {
            Probe::Scopes => self.scopes = true,
            Probe::Actor => self.actor = true,
            Probe::Region => self.region = true,
            Probe::Tool => self.tool = true,
            Probe::Time(_) => self.time = true,
            Probe::Usage(of, per) => {
                let measures = self.usage.entry(*per).or_default();
                if !measures.contains(of) {
                    measures.push(*of);
                }
            }
            _ => {}
        }
    }

    pub(super) fn add_zones(&mut self, rule: &Rule) {
        for window in rule.when.iter().filter(|window| window.reads_wall()) {
            if !self.zones.iter().any(|zone| zone.name == window.zone.name) {
                self.zones.push(window.zone.clone());
            }
        }
    }

    /// Puts into the document what is read.
    pub(super) fn put(&self, asked: &Asked<'_>, document: &mut Object, ambiguous: &mut Object) {
        let intent = asked.intent;
        let mut agent = Object::new();
        if self.scopes {
            let scopes: Vec<Value> = intent.agent.scopes.iter().map(|scope| scope.as_str().into()).collect();
            agent.insert("scopes".into(), scopes.into());
        }
        if let Some(actor) = intent.agent.actor.as_deref().filter(|_| self.actor) {
            agent.insert("actor".into(), actor.into());
        }
        if !agent.is_empty() {
            document.insert("agent".into(), agent.into());
        }
        if let Some(region) = asked.declared.regions.of(asked.host).filter(|_| self.region) {
            document.insert("region".into(), Value::from(&**region));
        }
        if self.tool {
            self.put_tool(asked, document, ambiguous);
        }
        if self.time {
            match self.time(intent) {
                Some(time) => document.insert("time".into(), time),
                None => ambiguous.insert("time".into(), true.into()),
            };
        }
        if !self.usage.is_empty() {
            document.insert("usage".into(), self.used(intent));
        }
    }

    fn put_tool(&self, asked: &Asked<'_>, document: &mut Object, ambiguous: &mut Object) {
        let mut tool = Object::new();
        match asked.tool() {
            Named::One(name) => drop(tool.insert("declared".into(), Value::from(&**name))),
            Named::Doubtful => drop(ambiguous.insert("tool".into(), true.into())),
            Named::Nothing => {}
        }
        if let Some(own) = asked.intent.tool {
            tool.insert("own".into(), own.into());
        }
        if asked.intent.tool_in_doubt {
            ambiguous.insert("tool".into(), true.into());
        }
        document.insert("tool".into(), tool.into());
    }

    fn time(&self, intent: &Intent<'_>) -> Option<Value> {
        let now = moment(intent.now)?;
        let mut time = Object::new();
        time.insert("unix".into(), now.as_second().into());
        if !self.zones.is_empty() {
            let wall = |zone: &Zone| {
                let wall = zone.wall(now);
                let shown: Object = [
                    ("weekday".into(), i64::from(wall.weekday).into()),
                    ("minute".into(), u64::from(wall.minute).into()),
                ]
                .into();
                (Value::from(&*zone.name), Value::from(shown))
            };
            let zones: Object = self.zones.iter().map(wall).collect();
            time.insert("zones".into(), zones.into());
        }
        Some(time.into())
    }

    fn used(&self, intent: &Intent<'_>) -> Value {
        let window = |(per, measures): (&Span, &Vec<Measure>)| {
            let used = per.of(intent);
            let counts: Object = measures.iter().map(|of| (of.key().into(), of.count(used).into())).collect();
            (Value::from(per.key()), Value::from(counts))
        };
        self.usage.iter().map(window).collect::<Object>().into()
    }
}

/// All of it, for the whole document: what is set under these keys, and what is in doubt.
pub(super) fn whole(
    declared: &Declared,
    host: Option<&Host>,
    intent: &Intent<'_>,
) -> (Vec<(&'static str, Json)>, Vec<&'static str>) {
    let (mut set, mut doubtful) = (Vec::new(), Vec::new());
    if let Some(region) = host.and_then(|host| declared.regions.of(host)) {
        set.push(("region", json!(**region)));
    }
    let mut tool = json!({});
    match host.map(|host| declared.tools.named(host, intent.method, || normalise(intent.path))) {
        Some(Named::One(name)) => tool["declared"] = json!(**name),
        Some(Named::Doubtful) => doubtful.push("tool"),
        Some(Named::Nothing) | None => {}
    }
    if let Some(own) = intent.tool {
        tool["own"] = json!(own);
    }
    if intent.tool_in_doubt && !doubtful.contains(&"tool") {
        doubtful.push("tool");
    }
    set.push(("tool", tool));
    match moment(intent.now) {
        Some(now) => {
            let wall = |zone: &Zone| {
                let wall = zone.wall(now);
                (zone.name.to_string(), json!({"weekday": wall.weekday, "minute": wall.minute}))
            };
            let zones: serde_json::Map<String, Json> = declared.zones.iter().map(wall).collect();
            set.push(("time", json!({"unix": now.as_second(), "zones": zones})));
        }
        None => doubtful.push("time"),
    }
    let counts = |used: &Used| {
        let all = [Measure::Requests, Measure::BytesOut, Measure::CostUsd];
        all.iter().map(|of| (of.key().to_owned(), json!(of.count(used)))).collect::<serde_json::Map<String, Json>>()
    };
    let usage = Span::ALL.iter().map(|per| (per.key().to_owned(), Json::from(counts(per.of(intent)))));
    set.push(("usage", usage.collect::<serde_json::Map<String, Json>>().into()));
    (set, doubtful)
}

impl Span {
    fn of<'i>(self, intent: &'i Intent<'_>) -> &'i Used {
        match self {
            Span::Minute => &intent.usage.minute,
            Span::Hour => &intent.usage.hour,
            Span::Day => &intent.usage.day,
        }
    }
}

impl Measure {
    fn count(self, used: &Used) -> u64 {
        match self {
            Measure::Requests => used.requests,
            Measure::BytesOut => used.bytes_out,
            Measure::CostUsd => used.cost_usd.micros(),
        }
    }
}
