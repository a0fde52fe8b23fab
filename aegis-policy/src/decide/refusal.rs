//! Denials in words an agent can act on.

use aegis_dlp::{Action, Detector, Finding, Profile};

use crate::decide::Target;
use crate::engine::EngineError;
use crate::host::Host;
use crate::index::HostRules;
use crate::rule::Rule;
use crate::snapshot::Snapshot;
use crate::{Agent, Decision, Denial, DenialKind, Intent};

/// The policy could not be evaluated.
pub(super) fn engine(snapshot: &Snapshot, error: &EngineError) -> Denial {
    Denial::unavailable(format!("the policy could not be evaluated: {error}"), &*snapshot.version)
        .next("This is a fault of the enforcer, not of the request: report it to whoever runs Aegis.")
}

/// No rule holds for a request.
pub(super) fn no_rule_for_request(target: &Target<'_>, intent: &Intent<'_>, rules: &HostRules) -> Denial {
    if rules.all.is_empty() {
        return unknown_host(target.snapshot, target.agent, target.host, target.port);
    }
    let (agent, host) = (&target.agent.name, target.host.text());
    let method = method_word(intent.method);
    let reason = format!("no rule of agent {agent} allows this {method} request to {host}:{}", target.port);
    let tool = target.tool.as_deref().map(str::to_owned);
    Denial { tool, ..policy(target.snapshot, reason) }
        .next(format!(
            "Other requests to {host} may be allowed; `aegisctl policy explain` shows which condition failed."
        ))
        .next(ask(target.agent, &host, target.port, Some(&method)))
}

/// The agent has no rule for the host at all.
pub(super) fn unknown_host(snapshot: &Snapshot, agent: &Agent, host: &Host, port: u16) -> Denial {
    let host = host.text();
    policy(snapshot, format!("host {host} is not in the policy of agent {}", agent.name))
        .next("Do without this host, or use one that the policy allows.")
        .next(ask(agent, &host, port, None))
}

/// Bytes that nobody can inspect, to a place that no rule names for them.
pub(super) fn unreadable(snapshot: &Snapshot, agent: &Agent, to: &str, why: &str) -> Denial {
    policy(snapshot, format!("{why} to {to}, and no rule of agent {} is for that", agent.name))
        .next("Use HTTPS with a host name, which Aegis can decide on.")
        .next(format!("Or ask the owner of the policy for a rule with `tcp: true` or `tls: passthrough` for {to}."))
}

/// A rule says deny, or asks for approval.
pub(super) fn by_rule(target: &Target<'_>, rule: &Rule) -> Denial {
    let step = match rule.decision {
        Decision::ApprovalNeeded => "Ask a human to approve this request, then send it again.".to_owned(),
        _ => format!("Don't repeat the request; rule {} refuses it as it is.", rule.id),
    };
    let denial = policy(target.snapshot, rule.reason.to_string()).next(step);
    Denial { decision: rule.decision, ..of(target, rule, denial) }
}

/// The request holds what the rule does not let out.
pub(super) fn by_finding(target: &Target<'_>, rule: &Rule, finding: &Finding) -> Denial {
    let place = &finding.place;
    let (decision, reason, step) = stopped(&rule.profile, finding.detector, "request");
    let denial = policy(target.snapshot, format!("{reason} ({place})")).next(step);
    Denial { decision, ..of(target, rule, denial) }
}

/// What a match stops a request or its body with: decision, reason, and what would pass.
pub(super) fn stopped(profile: &Profile, detector: Detector, what: &str) -> (Decision, String, String) {
    let name = detector.name();
    if profile.action(detector) == Some(Action::Approve) {
        let reason = format!("the {what} holds data that needs the approval of a human: {name}");
        let step = format!("Remove the {name} from the request, or ask a human to approve it, and send it again.");
        return (Decision::ApprovalNeeded, reason, step);
    }
    let reason = format!("the {what} holds data that must not leave: {name}");
    (Decision::Deny, reason, format!("Remove the {name} from the request and send it again."))
}

fn of(target: &Target<'_>, rule: &Rule, denial: Denial) -> Denial {
    let tool = target.tool(rule).as_deref().map(str::to_owned);
    Denial { rule: Some(rule.id.to_string()), tool, ..denial }
}

pub(super) fn policy(snapshot: &Snapshot, reason: String) -> Denial {
    Denial::new(DenialKind::Policy, reason, &*snapshot.version)
}

fn ask(agent: &Agent, host: &str, port: u16, method: Option<&str>) -> String {
    let ports = if matches!(port, 80 | 443) { String::new() } else { format!(", ports: [{port}]") };
    let methods = method.map(|method| format!(", methods: [{method}]")).unwrap_or_default();
    format!(
        "Ask the owner of the policy of agent {} to add a rule: {{name: {host}, hosts: [\"{host}\"]{ports}{methods}, decision: allow}}",
        agent.name
    )
}

/// The method, if it is one of the usual words; a made-up one is content and stays out of records.
fn method_word(method: &str) -> String {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"].contains(&method);
    if known { method.to_owned() } else { "OTHER".to_owned() }
}
