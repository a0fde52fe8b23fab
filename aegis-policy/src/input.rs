//! The input document of the policy (documented in docs/policy.md, "The input document").
//!
//! A bucket's rules read a few values; only those are copied in. What no rule reads can't change the outcome, so the
//! pruned document decides as the whole one would, at a cost that does not grow with the request.

mod around;
mod body;

use std::borrow::Cow;
use std::collections::BTreeMap;

use regorus::Value;
use serde_json::Value as Json;

use crate::decision_log::ReadList;
use crate::declared::{Declared, Named};
use crate::host::Host;
use crate::path::{hex, normalise};
use crate::rego::{Probe, clauses};
use crate::rule::{Rule, Segment};
use crate::{Content, Intent, JsonBody};
use around::Around;

/// One request, with what was declared of its host.
#[derive(Copy, Clone)]
pub(crate) struct Asked<'a> {
    pub(crate) declared: &'a Declared,
    pub(crate) host: &'a Host,
    pub(crate) intent: &'a Intent<'a>,
    pub(crate) content: &'a Content<'a>,
}

impl<'a> Asked<'a> {
    /// Which tool it is by its place.
    pub(crate) fn tool(&self) -> Named<'a> {
        self.declared.tools.named(self.host, self.intent.method, || normalise(self.intent.path))
    }
}

/// Which values the rules of a bucket read.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// An author's Rego reads what it likes.
    pub(crate) everything: bool,
    path: bool,
    headers: Vec<String>,
    query: Vec<String>,
    body: Vec<Vec<Segment>>,
    around: Around,
    keys: Keys,
}

/// Keys of the document, made once.
#[derive(Debug)]
struct Keys {
    port: Value,
    method: Value,
    path: Value,
    headers: Value,
    query: Value,
    body: Value,
    ambiguous: Value,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys {
            port: "port".into(),
            method: "method".into(),
            path: "path".into(),
            headers: "headers".into(),
            query: "query".into(),
            body: "body".into(),
            ambiguous: "ambiguous".into(),
        }
    }
}

impl Reads {
    pub(crate) fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Reads {
        let mut reads = Reads::default();
        let add_zones = |rule: &&Rule| reads.around.add_zones(rule);
        let rules: Vec<&Rule> = rules.inspect(add_zones).collect();
        for clause in rules.into_iter().flat_map(clauses) {
            match clause.probe {
                Probe::Index | Probe::Port | Probe::Method => {}
                Probe::Path => reads.path = true,
                Probe::Header(name) => push_new(&mut reads.headers, name),
                Probe::Query(name) => push_new(&mut reads.query, name),
                Probe::Body(paths) => paths.into_iter().for_each(|path| push_new(&mut reads.body, path)),
                Probe::Rego => reads.everything = true,
                other => reads.around.add(&other),
            }
        }
        reads
    }

    /// The document, with no more in it than the rules read.
    pub(crate) fn document(&self, asked: &Asked<'_>) -> Value {
        let Asked { intent, content, .. } = *asked;
        if self.everything {
            return Value::from(whole(asked.declared, intent, content));
        }
        let mut document = BTreeMap::new();
        let mut ambiguous = BTreeMap::new();
        document.insert(self.keys.port.clone(), Value::from(u64::from(intent.port)));
        document.insert(self.keys.method.clone(), intent.method.into());
        if self.path {
            match normalise(intent.path) {
                Some(path) => document.insert(self.keys.path.clone(), path.into()),
                None => ambiguous.insert(self.keys.path.clone(), true.into()),
            };
        }
        if !self.headers.is_empty() {
            document.insert(self.keys.headers.clone(), headers(intent, &self.headers));
        }
        if !self.query.is_empty() {
            match query(intent, &self.query) {
                Some(fields) => document.insert(self.keys.query.clone(), fields),
                None => ambiguous.insert(self.keys.query.clone(), true.into()),
            };
        }
        if !self.body.is_empty() {
            match content.json {
                JsonBody::None => {}
                JsonBody::Value(value) => drop(document.insert(self.keys.body.clone(), self.pruned(value))),
                JsonBody::Invalid | JsonBody::TooLarge => drop(ambiguous.insert(self.keys.body.clone(), true.into())),
            }
        }
        self.around.put(asked, &mut document, &mut ambiguous);
        if !ambiguous.is_empty() {
            document.insert(self.keys.ambiguous.clone(), ambiguous.into());
        }
        document.into()
    }

    /// What is read, for the decision log.
    pub(crate) fn list(&self) -> ReadList {
        ReadList { headers: self.headers.clone(), query: self.query.clone(), body: self.body.clone() }
    }

    /// Leaves of a whole document what conditions other than an author's Rego read.
    pub(crate) fn prune(&self, document: &mut serde_json::Map<String, Json>) {
        for (part, names) in [("headers", &self.headers), ("query", &self.query)] {
            if let Some(Json::Object(fields)) = document.get_mut(part) {
                fields.retain(|name, _| names.contains(name));
            }
        }
        match document.get("body").map(|body| serde_json::to_value(self.pruned(body))) {
            Some(Ok(body)) if !self.body.is_empty() => drop(document.insert("body".to_owned(), body)),
            _ => drop(document.remove("body")),
        }
    }

    fn pruned(&self, body: &Json) -> Value {
        let paths: Vec<&[Segment]> = self.body.iter().map(Vec::as_slice).collect();
        body::prune(body, &paths)
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The whole input document, as docs/policy.md shows it: with it, the complete module of [`crate::Snapshot::rego`] decides
/// in any Rego engine what `decide` decides.
pub(crate) fn whole(declared: &Declared, intent: &Intent<'_>, content: &Content<'_>) -> Json {
    let agent = intent.agent;
    let host = Host::parse(intent.host);
    let mut document = serde_json::json!({
        "agent": {"name": agent.name, "org": agent.org, "tenant": agent.tenant, "parent": agent.parent,
                  "labels": agent.labels, "scopes": agent.scopes, "policies": agent.policies},
        "scheme": intent.scheme,
        "host": host.as_ref().map(Host::text),
        "host_is_address": matches!(host, Some(Host::Ip(_))),
        "port": intent.port,
        "method": intent.method,
        "headers": {},
        "ambiguous": {},
    });
    if let Some(actor) = &agent.actor {
        document["agent"]["actor"] = actor.as_str().into();
    }
    let mut set = |key: &str, value: Json| document[key] = value;
    let mut ambiguous = serde_json::Map::new();
    match normalise(intent.path) {
        Some(path) => set("path", path.into()),
        None => drop(ambiguous.insert("path".into(), true.into())),
    }
    match query_pairs(intent.query.unwrap_or_default()) {
        Some(pairs) => set("query", grouped(pairs.into_iter().map(|(k, v)| (k.into_owned(), v.into_owned())))),
        None => drop(ambiguous.insert("query".into(), true.into())),
    }
    match content.json {
        JsonBody::None => {}
        JsonBody::Value(value) => set("body", value.clone()),
        JsonBody::Invalid | JsonBody::TooLarge => drop(ambiguous.insert("body".into(), true.into())),
    }
    let (around, doubtful) = around::whole(declared, host.as_ref(), intent);
    around.into_iter().for_each(|(key, value)| set(key, value));
    ambiguous.extend(doubtful.into_iter().map(|key| (key.to_owned(), true.into())));
    let fields = intent.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    set("headers", grouped(fields));
    set("ambiguous", ambiguous.into());
    document
}

fn grouped(pairs: impl Iterator<Item = (String, String)>) -> Json {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        groups.entry(name).or_default().push(value);
    }
    serde_json::json!(groups)
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn headers(intent: &Intent<'_>, names: &[String]) -> Value {
    let mut fields = BTreeMap::new();
    for name in names {
        let values: Vec<Value> = intent.headers.get_all(name).iter().map(|value| text(value).into()).collect();
        if !values.is_empty() {
            fields.insert(Value::from(name.as_str()), Value::from(values));
        }
    }
    fields.into()
}

fn query(intent: &Intent<'_>, names: &[String]) -> Option<Value> {
    let mut fields: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    for (name, value) in query_pairs(intent.query.unwrap_or_default())? {
        if names.iter().any(|wanted| *wanted == name) {
            fields.entry(Value::from(&*name)).or_default().push(Value::from(&*value));
        }
    }
    let fields: BTreeMap<Value, Value> = fields.into_iter().map(|(name, values)| (name, values.into())).collect();
    Some(fields.into())
}

/// The parameters of a query, decoded as `application/x-www-form-urlencoded`; `None` where origins may read it differently:
/// a bad escape, a `;` (a separator to some), or text that is not UTF-8.
pub(crate) fn query_pairs(query: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Some((Cow::Owned(decode(name)?), Cow::Owned(decode(value)?)))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b';' | b'#' | 0..=0x20 | 0x7f.. => return None,
            b'+' => decoded.push(b' '),
            b'%' => decoded.push(hex(bytes.next()?)? << 4 | hex(bytes.next()?)?),
            plain => decoded.push(plain),
        }
    }
    String::from_utf8(decoded).ok()
}
