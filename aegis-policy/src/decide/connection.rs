//! Decisions before there is a request: connections and names.

use crate::decide::{Permit, Target, Terms, permit, refusal, shadow_of_denial};
use crate::engine::EngineError;
use crate::host::Host;
use crate::rule::{Rule, Transport};
use crate::snapshot::Snapshot;
use crate::{Agent, Connect, ConnectPlan, Denial, Mode, NameVerdict, Sniffed};

pub(crate) fn connect(snapshot: &Snapshot, agent: &Agent, connect: &Connect<'_>) -> ConnectPlan {
    let version = &*snapshot.version;
    let named = match connect.host.map(Host::parse) {
        Some(None) => {
            return ConnectPlan::Deny(Denial::protocol("the connection names no valid host", version));
        }
        Some(named) => named,
        None => None,
    };
    match (connect.protocol, &named) {
        // The host comes with each request.
        (Sniffed::Http, _) => ConnectPlan::Inspect,
        (Sniffed::Tls, Some(host)) => tls(snapshot, agent, connect, host),
        (Sniffed::Tls, None) => unnamed(snapshot, agent, connect, "TLS without a server name", ConnectPlan::Inspect),
        (Sniffed::Other, named) => other(snapshot, agent, connect, named.as_ref()),
    }
}

/// A connection is no tool's: which tool it is shows in its requests.
fn target<'a>(snapshot: &'a Snapshot, agent: &'a Agent, host: &'a Host, port: u16) -> Target<'a> {
    Target { snapshot, agent, host, port, tool: None }
}

/// TLS to a name: inspected, unless the first rule for it relays. What no rule names is inspected too, so that the
/// agent reads in a 403 why, instead of guessing at an alert.
fn tls(snapshot: &Snapshot, agent: &Agent, connect: &Connect<'_>, host: &Host) -> ConnectPlan {
    let address = Host::Ip(connect.destination.ip().to_canonical());
    let port = connect.destination.port();
    let rule = match first(snapshot, agent, port, |rule| {
        let at = if rule.transport == Transport::Tcp { &address } else { host };
        rule.hosts.iter().any(|pattern| pattern.matches(at) || pattern.matches(host))
    }) {
        Ok(rule) => rule,
        Err(error) => return ConnectPlan::Deny(refusal::engine(snapshot, &error)),
    };
    match rule {
        Some(rule) if rule.transport == Transport::Passthrough => {
            relay(&target(snapshot, agent, host, port), rule, ConnectPlan::Passthrough)
        }
        Some(rule) if rule.transport == Transport::Tcp => other(snapshot, agent, connect, Some(host)),
        _ => ConnectPlan::Inspect,
    }
}

/// Raw TCP: only what a `tcp` rule names, by the address, or by the name that the enforcer's own resolver gave it for. A rule
/// before it that refuses requests to there refuses what nobody reads too: it may be such a request.
fn other(snapshot: &Snapshot, agent: &Agent, connect: &Connect<'_>, named: Option<&Host>) -> ConnectPlan {
    let address = Host::Ip(connect.destination.ip().to_canonical());
    let port = connect.destination.port();
    let by = |rule: &Rule, host: &Host| rule.hosts.iter().any(|pattern| pattern.matches(host));
    let hit = |rule: &Rule| {
        let meant = rule.transport == Transport::Tcp || rule.refuses_unread();
        meant && (by(rule, &address) || named.is_some_and(|name| by(rule, name)))
    };
    match first(snapshot, agent, port, hit) {
        Ok(Some(rule)) => {
            let host = named.filter(|name| by(rule, name)).unwrap_or(&address);
            relay(&target(snapshot, agent, host, port), rule, ConnectPlan::Tcp)
        }
        Ok(None) => {
            let target = target(snapshot, agent, &address, port);
            nothing(&target, "this is neither TLS nor HTTP", ConnectPlan::Tcp)
        }
        Err(error) => ConnectPlan::Deny(refusal::engine(snapshot, &error)),
    }
}

/// TLS that names nobody: the address is all there is, so a rule must name a network.
fn unnamed(snapshot: &Snapshot, agent: &Agent, connect: &Connect<'_>, why: &str, inspect: ConnectPlan) -> ConnectPlan {
    let host = Host::Ip(connect.destination.ip().to_canonical());
    let port = connect.destination.port();
    let target = target(snapshot, agent, &host, port);
    let hit = |rule: &Rule| rule.hosts.iter().any(|pattern| pattern.matches(&host));
    match first(snapshot, agent, port, hit) {
        Ok(Some(rule)) => match rule.transport {
            Transport::Http => inspect,
            Transport::Passthrough => relay(&target, rule, ConnectPlan::Passthrough),
            Transport::Tcp => relay(&target, rule, ConnectPlan::Tcp),
        },
        Ok(None) => nothing(&target, why, |_| inspect),
        Err(error) => ConnectPlan::Deny(refusal::engine(snapshot, &error)),
    }
}

/// The first rule of the agent for the port that `hit` takes; an enforced one, where those before it are in shadow.
fn first<'s>(
    snapshot: &'s Snapshot,
    agent: &Agent,
    port: u16,
    hit: impl Fn(&Rule) -> bool,
) -> Result<Option<&'s Rule>, EngineError> {
    let table = snapshot.table(agent)?;
    let mut hits = table
        .all()
        .iter()
        .filter_map(|number| snapshot.catalog.rules.get(*number))
        .filter(|rule| rule.ports.contains(&port) && hit(rule))
        .peekable();
    let first = hits.peek().copied();
    Ok(hits.find(|rule| rule.mode == Mode::Enforce).or(first))
}

/// What a rule for unread bytes says of the connection.
fn relay(target: &Target<'_>, rule: &Rule, plan: impl Fn(Permit) -> ConnectPlan) -> ConnectPlan {
    let mode = if target.agent.mode == Mode::Shadow { Mode::Shadow } else { rule.mode };
    if rule.decision.permits() || mode == Mode::Shadow {
        plan(permit(target, rule, rule.decision, mode, Terms { private_ok: rule.private, ..Terms::default() }))
    } else {
        ConnectPlan::Deny(refusal::by_rule(target, rule))
    }
}

/// No rule is for it.
fn nothing(target: &Target<'_>, why: &str, shadow: impl FnOnce(Permit) -> ConnectPlan) -> ConnectPlan {
    let to = format!("{}:{}", target.host.text(), target.port);
    let denial = refusal::unreadable(target.snapshot, target.agent, &to, why);
    if passes_in_shadow(target.snapshot, target.agent) {
        shadow(shadow_of_denial(target, denial, false))
    } else {
        ConnectPlan::Deny(denial)
    }
}

/// Whether what no rule names passes for this agent.
fn passes_in_shadow(snapshot: &Snapshot, agent: &Agent) -> bool {
    agent.mode == Mode::Shadow || snapshot.table(agent).is_ok_and(|table| table.shadow_default)
}

/// A name is resolved only where some rule could let something be said to its host: a name is a message too.
pub(crate) fn name(snapshot: &Snapshot, agent: &Agent, host: &str) -> NameVerdict {
    let host = match Host::parse(host) {
        Some(host @ Host::Name(_)) => host,
        _ => return NameVerdict::Refuse(refusal::policy(snapshot, "not a host name".to_owned())),
    };
    if passes_in_shadow(snapshot, agent) {
        return NameVerdict::Resolve;
    }
    let rules = snapshot.table(agent).and_then(|table| snapshot.catalog.for_host(&table, &host));
    match rules {
        Ok(rules) => {
            if somebody_may_answer(snapshot.catalog.numbered(&rules.all).map(|(_, rule)| rule)) {
                NameVerdict::Resolve
            } else {
                NameVerdict::Refuse(refusal::unknown_host(snapshot, agent, &host, 443))
            }
        }
        Err(error) => NameVerdict::Refuse(refusal::engine(snapshot, &error)),
    }
}

/// How many bytes at the front of `host` the agent chose: what a wildcard of its rules stands for. Nothing where a rule
/// spells the host out, for an address, and in shadow, where every name passes.
pub(crate) fn chosen(snapshot: &Snapshot, agent: &Agent, host: &str) -> usize {
    let Some(Host::Name(name)) = Host::parse(host) else { return 0 };
    if passes_in_shadow(snapshot, agent) {
        return 0;
    }
    // An engine that fails says nothing of rules: then all of the name is the agent's.
    snapshot.table(agent).map_or(name.len(), |table| table.unspelled(&name))
}

/// Whether any of a host's rules can lead to more than a flat refusal. Ports that a rule refuses whatever the request stay
/// closed to the rules behind it: else a wildcard would let the names below a denied domain out.
fn somebody_may_answer<'r>(rules: impl Iterator<Item = &'r Rule>) -> bool {
    let mut closed: Vec<u16> = Vec::new();
    for rule in rules {
        let open = rule.transport == Transport::Tcp || rule.ports.iter().any(|port| !closed.contains(port));
        if rule.may_answer() && open {
            return true;
        }
        if rule.refuses_every_request() {
            closed.extend(&rule.ports);
        }
    }
    false
}
