//! One rule: its keys, its defaults, and which of them go together.

use std::sync::Arc;

use aegis_dlp::{Descriptors, OwnDetectors, Profile};
use ipnet::IpNet;

use crate::declared::Regions;
use crate::glob::PathGlob;
use crate::host::HostPattern;
use crate::rule::{Rule, Transport};
use crate::schema::dlp::{self, Dlp};
use crate::schema::{conditions, handling, moment, words};
use crate::source::cursor::{Cursor, Fields};
use crate::source::nearest;
use crate::{Decision, FailMode, Mode, raw_rego};

const KEYS: [&str; 31] = [
    "name",
    "tool",
    "hosts",
    "ports",
    "methods",
    "paths",
    "headers",
    "query",
    "body",
    "tls",
    "tcp",
    "private",
    "decision",
    "dlp",
    "mode",
    "reason",
    "priority",
    "fail_mode",
    "rego",
    "agents",
    "tenants",
    "tools",
    "scopes",
    "any_scope",
    "actors",
    "regions",
    "when",
    "usage",
    "tool_changes",
    "tool_pins",
    "signed",
];

/// Keys that look into a request, which passthrough and raw TCP never read.
const CONTENT_KEYS: [&str; 18] = [
    "methods",
    "paths",
    "headers",
    "query",
    "body",
    "dlp",
    "fail_mode",
    "rego",
    "tools",
    "scopes",
    "any_scope",
    "actors",
    "regions",
    "when",
    "usage",
    "tool_changes",
    "tool_pins",
    "signed",
];

/// What a rule takes over from its policy.
pub(super) struct Defaults<'a> {
    pub(super) index: usize,
    pub(super) name: &'a str,
    pub(super) mode: Mode,
    pub(super) priority: i64,
    pub(super) dlp: Dlp,
    /// The detectors that were declared.
    pub(super) own: &'a OwnDetectors,
    /// The message types that were declared.
    pub(super) descriptors: &'a Descriptors,
    /// The regions that were declared.
    pub(super) regions: &'a Regions,
}

pub(super) fn read(at: &Cursor<'_>, policy: &Defaults<'_>, before: &[Rule]) -> Option<Rule> {
    let fields = at.fields(&KEYS);
    let id = identity(&fields, policy, before);
    let transport = transport(&fields);
    let private = fields.get("private").and_then(Cursor::boolean).unwrap_or(false);
    let decision = fields.require("decision").and_then(words::decision);
    let hosts = hosts(&fields, private);
    let mode = fields.get("mode").and_then(words::mode).unwrap_or_default();
    let dlp = fields.get("dlp").map(|at| dlp::read(at, policy.own, policy.descriptors)).unwrap_or_default();
    let tool = fields.get("tool").and_then(|at| words::name(at, "a tool's name")).map(Arc::from);
    let reason = fields.get("reason").and_then(words::text);
    let priority = fields.get("priority").and_then(|at| at.integer("a whole number"));
    let ports = ports(&fields, transport);
    let (methods, paths) = (fields.list("methods", method), fields.list("paths", path));
    let headers = conditions::headers(&fields);
    let query = conditions::query(&fields);
    let body = fields.list("body", conditions::body);
    let (agents, tenants) = (fields.list("agents", words::glob), fields.list("tenants", words::glob));
    let (tools, actors) = (words::globs(&fields, "tools"), words::globs(&fields, "actors"));
    let (scopes, any_scope) = (fields.list("scopes", words::scope), fields.list("any_scope", words::scope));
    let regions = fields.list("regions", |item| region(item, policy.regions));
    let when = fields.get("when").map(moment::windows).unwrap_or_default();
    let usage = fields.list("usage", moment::usage);
    let fail_mode = fail_mode(&fields, decision);
    let handling = handling::read(&fields, decision);
    let rego = fields.get("rego").and_then(raw_rego::read);
    let (decision, profile) = check_decision(&fields, decision?, transport, dlp, policy);
    let id = id?;
    Some(Rule {
        reason: reason.unwrap_or_else(|| default_reason(&id, decision)),
        id,
        policy: policy.index,
        agents,
        tenants,
        tool,
        priority: priority.unwrap_or(policy.priority),
        hosts,
        ports,
        transport,
        private,
        methods,
        paths,
        headers,
        query,
        body,
        tools,
        scopes,
        any_scope,
        actors,
        regions,
        when,
        usage,
        rego,
        decision,
        profile,
        mode: if policy.mode == Mode::Shadow { Mode::Shadow } else { mode },
        fail_mode,
        handling,
    })
}

fn identity(fields: &Fields<'_>, policy: &Defaults<'_>, before: &[Rule]) -> Option<Arc<str>> {
    let at = fields.require("name")?;
    let id: Arc<str> = format!("{}/{}", policy.name, words::name(at, "a rule's name")?).into();
    if before.iter().any(|rule| rule.policy == policy.index && rule.id == id) {
        at.problem_with("a second rule of this name", "taken", "rule names are unique in their policy");
    }
    Some(id)
}

fn transport(fields: &Fields<'_>) -> Transport {
    let tcp = fields.get("tcp").and_then(Cursor::boolean).unwrap_or(false);
    let passthrough = fields.get("tls").and_then(words::passthrough).unwrap_or(false);
    if tcp && let Some(at) = fields.get("tls") {
        at.problem("`tls` has no meaning beside `tcp: true`", "not with `tcp: true`");
    }
    let transport = match (tcp, passthrough) {
        (true, _) => Transport::Tcp,
        (false, true) => Transport::Passthrough,
        (false, false) => Transport::Http,
    };
    if transport != Transport::Http {
        for key in CONTENT_KEYS {
            if let Some(at) = fields.get(key) {
                let what = if tcp { "`tcp: true`" } else { "`tls: passthrough`" };
                at.problem_with(
                    format!("`{key}` can't be checked beside {what}"),
                    "never read",
                    format!("leave `{key}` out, or let Aegis inspect the traffic"),
                );
            }
        }
    }
    transport
}

fn hosts(fields: &Fields<'_>, private: bool) -> Vec<HostPattern> {
    fields.require("hosts");
    fields.list("hosts", |item| match HostPattern::parse(item.string()?) {
        Ok(HostPattern::Net(net)) if !private && is_private(&net) => {
            item.problem_with(
                format!("{net} is private or local address space"),
                "private addresses",
                "add `private: true` if the rule shall reach it",
            );
            None
        }
        Ok(pattern) => Some(pattern),
        Err(why) => {
            item.problem(why, "not a host pattern");
            None
        }
    })
}

/// Whether the whole network is address space that is not the public Internet's.
fn is_private(net: &IpNet) -> bool {
    match net {
        IpNet::V4(v4) => {
            let first = v4.network();
            let last = v4.broadcast();
            let local = |ip: std::net::Ipv4Addr| ip.is_private() || ip.is_loopback() || ip.is_link_local();
            local(first) && local(last)
        }
        IpNet::V6(v6) => {
            let first = v6.network();
            first.is_loopback() || first.is_unique_local() || first.is_unicast_link_local()
        }
    }
}

fn ports(fields: &Fields<'_>, transport: Transport) -> Vec<u16> {
    match transport {
        Transport::Tcp => drop(fields.require("ports")),
        Transport::Passthrough if fields.get("ports").is_none() => return vec![443],
        Transport::Http if fields.get("ports").is_none() => return vec![80, 443],
        _ => {}
    }
    fields.list("ports", |item| {
        let port = item.integer::<u16>("a port, 1 to 65535")?;
        if port == 0 {
            item.problem("0 is not a port", "expected 1 to 65535");
        }
        Some(port)
    })
}

pub(super) fn method(item: &Cursor<'_>) -> Option<String> {
    let text = item.string()?;
    let token = http::Method::from_bytes(text.as_bytes()).is_ok();
    if !token || text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        item.problem_with(
            format!("`{text}` is not a method"),
            "not a method",
            "methods are case-sensitive and written in capitals: GET, POST, ...",
        );
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn path(item: &Cursor<'_>) -> Option<PathGlob> {
    match PathGlob::parse(item.string()?) {
        Ok(glob) => Some(glob),
        Err(why) => {
            item.problem(why, "not a path pattern");
            None
        }
    }
}

fn region(item: &Cursor<'_>, declared: &Regions) -> Option<Arc<str>> {
    let name = item.string()?;
    if !declared.has(name) {
        let names: Vec<&str> = declared.names().collect();
        let help = match names.is_empty() {
            true => "declare it: `regions: {eu: [\"*.eu.example.com\"]}` at the top of a file".to_owned(),
            false => nearest::known(name, "declared are", &names),
        };
        item.problem_with(format!("no region `{name}` is declared"), "unknown region", help);
        return None;
    }
    Some(name.into())
}

fn fail_mode(fields: &Fields<'_>, decision: Option<Decision>) -> FailMode {
    let Some(at) = fields.get("fail_mode") else { return FailMode::default() };
    if decision.is_some_and(|decision| !decision.permits()) {
        at.problem("`fail_mode` has no effect where the rule lets nothing pass", "no effect");
    }
    words::fail_mode(at).unwrap_or_default()
}

/// The decision that holds and what is looked for: an `allow` that redacts is a `sanitize`, a `sanitize` needs something to redact.
fn check_decision(
    fields: &Fields<'_>,
    decision: Decision,
    transport: Transport,
    dlp: Dlp,
    policy: &Defaults<'_>,
) -> (Decision, Profile) {
    if transport != Transport::Http {
        if let (Decision::Sanitize, Some(at)) = (decision, fields.get("decision")) {
            at.problem("what is not read can't be sanitized", "not with passthrough or tcp");
        }
        return (decision, Profile::default());
    }
    if !decision.permits() {
        if let Some(at) = fields.get("dlp") {
            at.problem("`dlp` has no effect where the rule lets nothing pass", "no effect");
        }
        return (decision, Profile::default());
    }
    let profile = dlp.profile(&policy.dlp, policy.own, policy.descriptors);
    let changes = !profile.redact.is_empty() || !profile.content().attachments.strip.is_empty();
    match (decision, !changes) {
        (Decision::Sanitize, true) => {
            if let Some(at) = fields.get("decision") {
                at.problem_with(
                    "`sanitize` with nothing to redact",
                    "redacts nothing",
                    "add `dlp: {redact: [pii]}` to the rule or the policy",
                );
            }
            (decision, profile)
        }
        (_, true) => (decision, profile),
        (_, false) => (Decision::Sanitize, profile),
    }
}

fn default_reason(id: &str, decision: Decision) -> Arc<str> {
    match decision {
        Decision::Allow => format!("allowed by {id}"),
        Decision::Sanitize => format!("allowed by {id}, sensitive data redacted"),
        Decision::Deny => format!("refused by {id}"),
        Decision::ApprovalNeeded => format!("{id} needs the approval of a human"),
    }
    .into()
}
