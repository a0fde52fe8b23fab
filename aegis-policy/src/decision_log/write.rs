//! From what the flow knows of a decision to its event. Runs behind the request, not on its way.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use aegis_dlp::{DetectorSet, Finding, Profile, scan_url};
use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::decision_log::event::{
    BUNDLE, BodyKnown, CONNECTION_PATH, Context, Event, Found, Metrics, Outcome, REQUEST_PATH, Revision,
};
use crate::decision_log::mask::{self, Taken};
use crate::decision_log::seen::Seen;
use crate::host::Host;
use crate::path::normalise;
use crate::{Agent, Decision, DenialKind, Intent, Mode, Sniffed, Usage, input};

/// Names of header fields, and of parameters, that are listed.
const NAMES: usize = 128;
/// Bytes of a name, and of a sentence.
const NAME: usize = 128;
const SENTENCE: usize = 512;

/// A decision that is over.
#[derive(Clone, Debug)]
pub struct Decided<'a> {
    /// The instance, and Aegis' version.
    pub labels: (&'a str, &'a str),
    /// As in the audit record.
    pub decision_id: &'a str,
    /// As in the audit record.
    pub trace_id: &'a str,
    /// It is the agent's choice, and not a random number of ours.
    pub trace_is_foreign: bool,
    /// How long it took.
    pub took: Duration,
    /// The decision; in shadow the one that would have been.
    pub decision: Decision,
    /// Whether it was enforced.
    pub mode: Mode,
    /// The rule.
    pub rule: Option<&'a str>,
    /// The tool that the rule names.
    pub tool: Option<&'a str>,
    /// Why.
    pub reason: &'a str,
    /// What kind of refusal; none where it passed.
    pub kind: Option<DenialKind>,
    /// The policy that decided.
    pub policy_version: &'a str,
    /// What the data-loss scan found.
    pub findings: Vec<Found>,
    /// What is masked in all that is written: [`Snapshot::everything`](crate::Snapshot::everything).
    pub masks: &'a Profile,
}

/// What was found of the name that the protocol has for the tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OwnTool {
    /// As the intent says.
    #[default]
    Asked,
    None,
    Named(String),
    InDoubt,
    /// Nobody looked, or there are several.
    Unread,
}

/// What the policy saw of a request beyond its head.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// What its rules read.
    pub seen: Seen,
    /// What was known of the body.
    pub body: BodyKnown,
    /// How the protocol names the tool.
    pub tool: OwnTool,
    /// What the agent had used before, where somebody counted.
    pub usage: Option<Usage>,
    /// What the data-loss scan looked for in all of it.
    pub looked_for: DetectorSet,
}

/// A connection as it was decided on.
#[derive(Copy, Clone, Debug)]
pub struct Connection<'a> {
    /// The server name, where there was one.
    pub host: Option<&'a str>,
    /// Where the agent dialled.
    pub destination: SocketAddr,
    /// What its first bytes looked like, where that is known.
    pub protocol: Option<Sniffed>,
}

impl Event {
    /// The event of a request that the policy was asked about. `destination` is where the agent dialled.
    pub fn of_request(decided: Decided<'_>, intent: &Intent<'_>, destination: SocketAddr, sight: &Sight) -> Event {
        let seen = &sight.seen;
        let mut taken = Taken::new(decided.masks);
        let mut input = seen.values().unwrap_or_else(|| {
            let gone = ["headers", "query", "body"].map(|part| format!("/input/{part}"));
            taken.erased.extend(gone);
            Map::new()
        });
        let host = Host::parse(intent.host).map_or_else(|| intent.host.to_owned(), |host| host.text());
        describe(&mut input, intent.agent, intent.scheme, &host, intent.port);
        input.insert("method".into(), method(intent.method, &mut taken).into());
        input.insert("destination".into(), destination.to_string().into());
        match normalise(intent.path) {
            Some(path) => drop(input.insert("path".into(), safe_path(&path, &mut taken).into())),
            None => mark_ambiguous(&mut input, "path"),
        }
        if input::query_pairs(intent.query.unwrap_or_default()).is_none() {
            mark_ambiguous(&mut input, "query");
        }
        let own = match &sight.tool {
            OwnTool::Named(name) => Some(name.as_str()),
            OwnTool::Asked => intent.tool,
            OwnTool::None | OwnTool::InDoubt | OwnTool::Unread => None,
        };
        if let Some(tool) = own {
            input.insert("tool".into(), json!({ "own": tool }));
        }
        if sight.tool == OwnTool::InDoubt {
            mark_ambiguous(&mut input, "tool");
        }
        let tool_unread = sight.tool == OwnTool::Unread;
        mask::clean(&mut input, &mut taken);
        let (header_names, cut) = header_names(decided.masks, intent.headers);
        let (query_names, more) = query_names(decided.masks, intent.query);
        let looked_for = sight.looked_for.names().into_iter().map(Cow::Borrowed).collect();
        let names_cut = cut || more;
        let Sight { body, usage, .. } = *sight;
        let context = Context {
            reads: seen.reads(),
            header_names,
            query_names,
            names_cut,
            body,
            tool_unread,
            usage,
            looked_for,
            catalogue: Cow::Borrowed(DetectorSet::catalogue()),
        };
        event(decided, intent.now, REQUEST_PATH, input, taken, context)
    }

    /// The event of a connection that is relayed unread, or was refused.
    pub fn of_connection(decided: Decided<'_>, agent: &Agent, at: SystemTime, connection: Connection<'_>) -> Event {
        let Connection { host, destination, protocol } = connection;
        let (mut input, mut taken) = (Map::new(), Taken::new(decided.masks));
        let scheme = if host.is_some() { "tls" } else { "tcp" };
        let address = destination.ip().to_string();
        describe(&mut input, agent, scheme, host.unwrap_or(&address), destination.port());
        input.insert("destination".into(), destination.to_string().into());
        input.extend(protocol.map(|protocol| ("protocol".to_owned(), protocol_word(protocol).into())));
        mask::clean(&mut input, &mut taken);
        event(decided, at, CONNECTION_PATH, input, taken, Context::default())
    }
}

impl Found {
    /// What is written of a finding, `masks` taken out of the names in its place.
    pub fn of(finding: &Finding, masks: &Profile) -> Found {
        let place = finding.place.map_names(|name| mask::text(masks, name, SENTENCE)).record();
        Found {
            detector: finding.detector.name().to_owned(),
            action: finding.action.name().to_owned(),
            place,
            confidence: finding.confidence.name().to_owned(),
            count: finding.count,
        }
    }
}

fn event(
    decided: Decided<'_>,
    at: SystemTime,
    path: &str,
    input: Map<String, Value>,
    taken: Taken<'_>,
    custom: Context,
) -> Event {
    let (instance, version) = decided.labels;
    let agent = input.get("agent").and_then(|agent| agent.get("name")).and_then(Value::as_str).unwrap_or_default();
    let labels = [("id", instance), ("version", version), ("agent", agent)];
    let revision = Revision { revision: mask::text(taken.all, decided.policy_version, NAME) };
    let tool = decided.tool.map(|tool| mask::text(taken.all, tool, NAME));
    Event {
        decision_id: decided.decision_id.to_owned(),
        trace_id: match decided.trace_is_foreign {
            true => mask::text(taken.all, decided.trace_id, NAME),
            false => decided.trace_id.to_owned(),
        },
        timestamp: timestamp(at),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        bundles: BTreeMap::from([(BUNDLE.to_owned(), revision)]),
        path: path.to_owned(),
        input,
        result: Outcome {
            allow: decided.mode == Mode::Shadow || decided.decision.permits(),
            decision: decided.decision,
            mode: decided.mode,
            rule: decided.rule.map(str::to_owned),
            tool,
            reason: mask::text(taken.all, decided.reason, SENTENCE),
            kind: decided.kind,
            findings: decided.findings,
        },
        metrics: Metrics { timer_server_handler_ns: u64::try_from(decided.took.as_nanos()).unwrap_or(u64::MAX) },
        erased: taken.erased.into_iter().collect(),
        masked: taken.masked.into_iter().collect(),
        custom,
    }
}

/// RFC 3339 in UTC with microseconds, as in the audit log.
fn timestamp(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map(|at| format!("{at:.6}")).unwrap_or_default()
}

fn describe(input: &mut Map<String, Value>, agent: &Agent, scheme: &str, host: &str, port: u16) {
    input.insert("agent".into(), json!(agent));
    input.insert("scheme".into(), scheme.into());
    input.insert("host".into(), host.into());
    input.insert("port".into(), port.into());
}

/// A part is in doubt, whether a rule read it or not.
fn mark_ambiguous(input: &mut Map<String, Value>, part: &str) {
    if let Value::Object(marks) = input.entry("ambiguous").or_insert_with(|| Value::Object(Map::new())) {
        marks.insert(part.to_owned(), true.into());
    }
}

/// The method, if it is one of the known words: a made-up one is content.
fn method<'a>(method: &'a str, taken: &mut Taken<'_>) -> &'a str {
    let known = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "PROPFIND",
        "PROPPATCH",
        "REPORT",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "SEARCH",
        "QUERY",
    ];
    if known.contains(&method) {
        return method;
    }
    taken.masked.insert("/input/method".to_owned());
    "OTHER"
}

/// A normalised path without anything sensitive, also where it is percent-encoded.
fn safe_path(path: &str, taken: &mut Taken<'_>) -> String {
    let scanned = scan_url(taken.all, path);
    if !scanned.findings.is_empty() {
        taken.masked.insert("/input/path".to_owned());
    }
    scanned.text.into_owned()
}

fn header_names(all: &Profile, headers: &HeaderMap) -> (Vec<String>, bool) {
    listed(all, headers.keys().map(|name| name.as_str().to_owned()))
}

fn query_names(all: &Profile, query: Option<&str>) -> (Vec<String>, bool) {
    let pairs = input::query_pairs(query.unwrap_or_default()).unwrap_or_default();
    listed(all, pairs.into_iter().map(|(name, _)| name.into_owned()))
}

/// The names, each once; whether some are missing or not as they were.
fn listed(all: &Profile, names: impl Iterator<Item = String>) -> (Vec<String>, bool) {
    let mut list: Vec<String> = Vec::new();
    let mut cut = false;
    for name in names {
        let safe = mask::text(all, &name, NAME);
        cut |= safe != name;
        match list.len() {
            _ if list.contains(&safe) => {}
            0..NAMES => list.push(safe),
            _ => cut = true,
        }
    }
    (list, cut)
}

fn protocol_word(protocol: Sniffed) -> &'static str {
    match protocol {
        Sniffed::Tls => "tls",
        Sniffed::Http => "http",
        Sniffed::Other => "other",
    }
}
