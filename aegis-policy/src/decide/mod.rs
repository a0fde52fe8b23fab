//! The decision. The only module that makes a [`Permit`].
//!
//! The first rule that holds decides, and no rule means no. A rule in shadow is recorded and looked through: what an
//! enforced rule behind it says still holds, so trying a rule out never opens what another one closes.

mod connection;
mod permit;
mod refusal;
mod standing;

use std::sync::Arc;

use aegis_dlp::{Action, Finding, Profile};

pub(crate) use connection::{chosen, connect, name};
pub use permit::{Grant, Permit};
pub use standing::Covers;
pub(crate) use standing::stands;

use crate::decision_log::Seen;
use crate::engine::{Chain, EngineError};
use crate::host::Host;
use crate::index::{AgentTable, HostRules};
use crate::input::Asked;
use crate::path::normalise;
use crate::rule::Rule;
use crate::snapshot::Snapshot;
use crate::{Content, Decision, Denial, FailMode, Handling, Intent, Mode, Needs, Verdict};

/// What the index found for a request.
pub(crate) struct Found {
    pub(crate) host: Host,
    pub(crate) table: Arc<AgentTable>,
    pub(crate) rules: HostRules,
}

impl Found {
    /// The request as its document is made of it.
    pub(crate) fn asked<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        intent: &'a Intent<'a>,
        content: &'a Content<'a>,
    ) -> Asked<'a> {
        Asked { declared: &snapshot.catalog.declared, host: &self.host, intent, content }
    }
}

/// Where a permit leads, and for whom.
struct Target<'a> {
    snapshot: &'a Snapshot,
    agent: &'a crate::Agent,
    host: &'a Host,
    port: u16,
    /// The tool that was declared for the request's place; where none was, as the protocol names it.
    tool: Option<Arc<str>>,
}

impl Target<'_> {
    /// The tool for the record: as the rule names it, or as it was declared. What was declared is security's word, which a
    /// team's rule does not replace.
    fn tool(&self, rule: &Rule) -> Option<Arc<str>> {
        let team = self.snapshot.catalog.policies.get(rule.policy).is_none_or(|policy| policy.team.is_some());
        let (first, second) = if team { (&self.tool, &rule.tool) } else { (&rule.tool, &self.tool) };
        first.clone().or_else(|| second.clone())
    }

    fn region(&self) -> Option<Arc<str>> {
        self.snapshot.catalog.declared.regions.of(self.host).cloned()
    }
}

/// What a permit allows beside the way itself. An enforced rule behind one in shadow sets these.
#[derive(Clone, Default)]
struct Terms {
    private_ok: bool,
    profile: Profile,
    fail_mode: FailMode,
    handling: Handling,
}

impl Terms {
    fn of(rule: &Rule) -> Terms {
        Terms {
            private_ok: rule.private,
            profile: rule.profile.clone(),
            fail_mode: rule.fail_mode,
            handling: rule.handling.clone(),
        }
    }

    /// In shadow nothing is redacted and nothing stopped.
    fn report_only(self) -> Terms {
        Terms { profile: self.profile.report_only(), handling: self.handling.report_only(), ..self }
    }
}

pub(crate) fn find(snapshot: &Snapshot, intent: &Intent<'_>) -> Result<Found, Box<Denial>> {
    let host = Host::parse(intent.host)
        .ok_or_else(|| Denial::protocol("the request names no valid host", &*snapshot.version))?;
    let table = snapshot.table(intent.agent).map_err(|error| refusal::engine(snapshot, &error))?;
    let rules = snapshot.catalog.for_host(&table, &host).map_err(|error| refusal::engine(snapshot, &error))?;
    Ok(Found { host, table, rules })
}

pub(crate) fn decide(snapshot: &Snapshot, intent: &Intent<'_>, content: &Content<'_>) -> Verdict {
    match find(snapshot, intent) {
        Ok(found) => decide_found(snapshot, intent, content, &found),
        Err(denial) => Verdict::Denial(*denial),
    }
}

/// Decides, and gives what was looked at.
pub(crate) fn decide_noting(snapshot: &Snapshot, intent: &Intent<'_>, content: &Content<'_>) -> (Verdict, Seen) {
    match find(snapshot, intent) {
        Ok(found) => {
            let bucket = &found.rules.requests;
            let document = bucket.reads.document(&found.asked(snapshot, intent, content));
            let seen = Seen::new(bucket, document.clone());
            (decide_document(snapshot, intent, content, document, &found), seen)
        }
        Err(denial) => (Verdict::Denial(*denial), Seen::default()),
    }
}

pub(crate) fn decide_found(snapshot: &Snapshot, intent: &Intent<'_>, content: &Content<'_>, found: &Found) -> Verdict {
    let document = found.rules.requests.reads.document(&found.asked(snapshot, intent, content));
    decide_document(snapshot, intent, content, document, found)
}

fn decide_document(
    snapshot: &Snapshot,
    intent: &Intent<'_>,
    content: &Content<'_>,
    document: regorus::Value,
    found: &Found,
) -> Verdict {
    let declared = found.asked(snapshot, intent, content).tool().name();
    let tool = declared.or_else(|| intent.tool.map(Arc::from));
    let target = Target { snapshot, agent: intent.agent, host: &found.host, port: intent.port, tool };
    match chains(snapshot, document, found) {
        Ok((first, enforced)) => {
            let nothing = || refusal::no_rule_for_request(&target, intent, &found.rules);
            settle(&target, first, enforced, found.table.shadow_default, content.findings, nothing)
        }
        // An engine that fails knows no shadow: what it would have said is not known.
        Err(error) => Verdict::Denial(refusal::engine(snapshot, &error)),
    }
}

/// The first rule that holds, and where that one is in shadow the first enforced one behind it.
fn chains<'s>(
    snapshot: &'s Snapshot,
    input: regorus::Value,
    found: &Found,
) -> Result<(Option<&'s Rule>, Option<&'s Rule>), EngineError> {
    let bucket = &found.rules.requests;
    let first = bucket.first(&snapshot.catalog, Chain::Decision, input.clone())?;
    let enforced = match first {
        Some(rule) if rule.mode == Mode::Shadow => bucket.first(&snapshot.catalog, Chain::Enforced, input)?,
        other => other,
    };
    Ok((first, enforced))
}

/// From the rules that hold to the verdict.
fn settle(
    target: &Target<'_>,
    first: Option<&Rule>,
    enforced: Option<&Rule>,
    shadow_default: bool,
    findings: &[Finding],
    nothing: impl Fn() -> Denial,
) -> Verdict {
    let Some(first) = first else {
        let denial = nothing();
        let shadow = shadow_default || target.agent.mode == Mode::Shadow;
        return if shadow { Verdict::Permit(shadow_of_denial(target, denial, false)) } else { Verdict::Denial(denial) };
    };
    let Some(rule) = enforced else {
        return Verdict::Permit(shadow_permit(target, first, findings, Terms::of(first).report_only()));
    };
    if let Some(denial) = denial_of(target, rule, findings) {
        return if target.agent.mode == Mode::Shadow {
            Verdict::Permit(shadow_of_denial(target, denial, rule.private))
        } else {
            Verdict::Denial(denial)
        };
    }
    if target.agent.mode == Mode::Shadow {
        return Verdict::Permit(shadow_permit(target, rule, findings, Terms::of(rule).report_only()));
    }
    if first.mode == Mode::Shadow {
        // Recorded as the shadow rule would have it, forwarded as the enforced one does.
        return Verdict::Permit(shadow_permit(target, first, findings, Terms::of(rule)));
    }
    Verdict::Permit(permit(target, rule, rule.decision, Mode::Enforce, Terms::of(rule)))
}

/// The denial that `rule` means for a request with these findings, if it does.
fn denial_of(target: &Target<'_>, rule: &Rule, findings: &[Finding]) -> Option<Denial> {
    match rule.decision {
        Decision::Deny | Decision::ApprovalNeeded => Some(refusal::by_rule(target, rule)),
        // What the finding's own action says depends on the profile it was found with; the rule's profile decides.
        Decision::Allow | Decision::Sanitize => {
            let stops = |action| findings.iter().find(|found| rule.profile.action(found.detector) == Some(action));
            let found = stops(Action::Deny).or_else(|| stops(Action::Approve))?;
            Some(refusal::by_finding(target, rule, found))
        }
    }
}

fn shadow_permit(target: &Target<'_>, rule: &Rule, findings: &[Finding], terms: Terms) -> Permit {
    match denial_of(target, rule, findings) {
        Some(denial) => {
            let decision = denial.decision;
            let mut permit = permit(target, rule, decision, Mode::Shadow, terms);
            permit.because(denial.reason);
            permit
        }
        None => permit(target, rule, rule.decision, Mode::Shadow, terms),
    }
}

fn permit(target: &Target<'_>, rule: &Rule, decision: Decision, mode: Mode, terms: Terms) -> Permit {
    Permit::mint(Grant {
        host: target.host.text(),
        port: target.port,
        private_ok: terms.private_ok,
        profile: terms.profile.keyed(|| target.snapshot.mask_key(target.agent)),
        fail_mode: terms.fail_mode,
        handling: terms.handling,
        decision,
        mode,
        rule: Some(rule.id.clone()),
        tool: target.tool(rule),
        region: target.region(),
        reason: rule.reason.clone(),
        policy_version: target.snapshot.version.clone(),
    })
}

/// The permit that records a denial and lets it pass.
fn shadow_of_denial(target: &Target<'_>, denial: Denial, private_ok: bool) -> Permit {
    Permit::mint(Grant {
        host: target.host.text(),
        port: target.port,
        private_ok,
        profile: Profile::default(),
        fail_mode: FailMode::Closed,
        handling: Handling::default(),
        decision: denial.decision,
        mode: Mode::Shadow,
        rule: denial.rule.map(Arc::from),
        tool: denial.tool.map(Arc::from),
        region: target.region(),
        reason: denial.reason.into(),
        policy_version: target.snapshot.version.clone(),
    })
}

pub(crate) fn needs(snapshot: &Snapshot, intent: &Intent<'_>) -> Needs {
    // What finds nothing here finds nothing in `decide` either, which then needs nothing.
    let Ok(found) = find(snapshot, intent) else {
        return Needs::default();
    };
    let path = normalise(intent.path);
    let mut candidates: Vec<&Rule> = Vec::new();
    for (_, rule) in snapshot.catalog.numbered(&found.rules.requests.rules) {
        if !rule.head_may_match(intent.port, intent.method, path.as_deref()) {
            continue;
        }
        candidates.push(rule);
        if rule.mode == Mode::Enforce && rule.reads_only_head() {
            break;
        }
    }
    Needs {
        json: candidates.iter().any(|rule| !rule.body.is_empty() || rule.rego.is_some()),
        tool: candidates.iter().any(|rule| !rule.tools.is_empty() || rule.rego.is_some()),
        usage: candidates.iter().any(|rule| !rule.usage.is_empty() || rule.rego.is_some()),
        heavy: found.rules.requests.is_heavy(),
    }
}
