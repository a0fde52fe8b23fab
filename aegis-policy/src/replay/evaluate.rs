//! A past question, asked of another policy by the engine that would decide it, and answered only where all that the
//! answer depends on is known.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aegis_dlp::{Detector, DetectorSet, Profile};

use super::past::{Asked, Connection, Past, Request};
use crate::decide::{self, Found};
use crate::engine::Conditions;
use crate::host::Host;
use crate::index::Bucket;
use crate::rego::{Clause, clause_module, clause_name, clauses};
use crate::rule::{Rule, Transport};
use crate::snapshot::Snapshot;
use crate::{Connect, ConnectPlan, Content, Decision, Denial, Intent, Mode, Permit, Sniffed, Verdict};

/// Asks a policy what was asked of another one.
#[derive(Debug)]
pub struct Replayer<'s> {
    snapshot: &'s Snapshot,
    /// The conditions of each bucket, one by one, compiled when first needed.
    conditions: HashMap<String, Conditions>,
}

/// What the policy would have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It would have decided this.
    Decided(Answer),
    /// It depends on these, which the log does not hold.
    Undecidable(Vec<String>),
    /// The policy's rules were never asked: the request was broken, a limit used up, a token wrong.
    NotAsked,
}

/// A decision that would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision; in shadow the one that would have been.
    pub decision: Decision,
    /// Whether it would have been enforced.
    pub mode: Mode,
    /// The rule, as `policy/rule`.
    pub rule: Option<String>,
    /// Why.
    pub reason: String,
}

/// A rule and what became of each of its conditions; `None` where a value is not known.
pub(super) struct Judged<'s> {
    pub(super) rule: &'s Rule,
    pub(super) conditions: Vec<(Clause, Option<bool>)>,
}

impl Judged<'_> {
    /// Whether the rule holds; `None` where that depends on what is not known.
    pub(super) fn holds(&self) -> Option<bool> {
        let mut all = self.conditions.iter().map(|(_, holds)| *holds);
        if all.clone().any(|holds| holds == Some(false)) {
            return Some(false);
        }
        all.all(|holds| holds == Some(true)).then_some(true)
    }
}

impl<'s> Replayer<'s> {
    /// For a policy.
    pub fn new(snapshot: &'s Snapshot) -> Replayer<'s> {
        Replayer { snapshot, conditions: HashMap::new() }
    }

    /// What the policy would have said to a past question.
    pub fn decide(&mut self, past: &Past) -> Replayed {
        if !past.live.by_policy {
            return Replayed::NotAsked;
        }
        if let Some(missing) = past.known.missing_of_index(self.labels_matter(past)) {
            return Replayed::Undecidable(vec![missing]);
        }
        if let Some(missing) = self.strangers(past) {
            return Replayed::Undecidable(missing);
        }
        match &past.asked {
            Asked::Request(request) => self.request(past, request),
            Asked::Connection(connection) => self.connection(past, connection),
        }
    }

    fn request(&mut self, past: &Past, request: &Request) -> Replayed {
        match self.relayed(past, request) {
            Ok(None) => {}
            Ok(Some(plan)) => return plan,
            Err(missing) => return Replayed::Undecidable(vec![missing]),
        }
        let intent = request.intent(&past.agent, past.at);
        let content = request.content(&past.findings);
        let found = match decide::find(self.snapshot, &intent) {
            Ok(found) => found,
            Err(denial) => return Replayed::Decided(Answer::refused(*denial)),
        };
        if let Err(missing) = self.depends(past, &intent, &content, &found) {
            return Replayed::Undecidable(missing);
        }
        match decide::decide_found(self.snapshot, &intent, &content, &found) {
            Verdict::Denial(denial) => Replayed::Decided(Answer::refused(denial)),
            Verdict::Permit(permit) => match self.unscanned(past, &permit) {
                Some(missing) => Replayed::Undecidable(vec![missing]),
                None => Replayed::Decided(Answer::permitted(&permit)),
            },
        }
    }

    /// Whether the first rule that holds, and the first enforced one, are the same whatever the values are that are not
    /// known; else what they depend on.
    fn depends(
        &mut self,
        past: &Past,
        intent: &Intent<'_>,
        content: &Content<'_>,
        found: &Found,
    ) -> Result<(), Vec<String>> {
        let rules = &found.rules.requests.rules;
        let unknown = |rule: &Rule| clauses(rule).iter().any(|clause| past.known.missing(&clause.probe).is_some());
        let mut all = self.snapshot.catalog.numbered(rules).map(|(_, rule)| rule);
        if !all.any(unknown) {
            return Ok(());
        }
        for judged in self.judge(past, intent, content, found) {
            match judged.holds() {
                Some(true) if judged.rule.mode == Mode::Enforce => return Ok(()),
                Some(_) => {}
                None => {
                    let open = judged.conditions.iter().filter(|(_, holds)| holds.is_none());
                    return Err(open.filter_map(|(clause, _)| past.known.missing(&clause.probe)).collect());
                }
            }
        }
        Ok(())
    }

    /// Every rule for the request, condition by condition, in the order in which they are tried.
    pub(super) fn judge(
        &mut self,
        past: &Past,
        intent: &Intent<'_>,
        content: &Content<'_>,
        found: &Found,
    ) -> Vec<Judged<'s>> {
        let bucket = &found.rules.requests;
        let held = self.held(bucket, &found.asked(self.snapshot, intent, content));
        let judge = |(number, rule): (usize, &'s Rule)| Judged {
            rule,
            conditions: clauses(rule)
                .into_iter()
                .enumerate()
                .map(|(at, clause)| {
                    let known = past.known.missing(&clause.probe).is_none() && held.is_some();
                    let holds = held.as_ref().is_some_and(|held| held.contains(&clause_name(number, at)));
                    (clause, known.then_some(holds))
                })
                .collect(),
        };
        let numbers: Vec<usize> = bucket.rules.to_vec();
        let catalog = &self.snapshot.catalog;
        numbers.into_iter().filter_map(|number| Some((number, catalog.rules.get(number)?))).map(judge).collect()
    }

    /// The conditions that hold, by name; `None` where the engine failed.
    fn held(&mut self, bucket: &Arc<Bucket>, asked: &crate::input::Asked<'_>) -> Option<HashSet<String>> {
        let conditions = match self.conditions.entry(bucket.package.clone()) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => {
                let rules: Vec<(usize, &Rule)> = self.snapshot.catalog.numbered(&bucket.rules).collect();
                let authored = self.snapshot.catalog.modules.for_rules(rules.iter().map(|(_, rule)| *rule));
                free.insert(
                    Conditions::compile("aegis.replay", &clause_module("aegis.replay", &rules), &authored).ok()?,
                )
            }
        };
        conditions.holding(bucket.reads.document(asked)).ok()
    }

    /// What a rule that relays would do with the connection of a request; `None` where its requests are decided one by one.
    fn relayed(&self, past: &Past, request: &Request) -> Result<Option<Replayed>, String> {
        if request.destination.is_none() && self.has_tcp_rule(past, request.port) {
            return Err("the address that was dialled".to_owned());
        }
        let destination = request.destination.unwrap_or_else(|| nowhere(request.port));
        if let Some(permit) = self.unsniffed(past, destination) {
            return Ok(Some(Replayed::Decided(Answer::permitted(&permit))));
        }
        if request.scheme != "https" {
            return Ok(None);
        }
        let host = matches!(Host::parse(&request.host), Some(Host::Name(_))).then_some(request.host.as_str());
        let plan = self.snapshot.connect(&past.agent, &Connect { host, destination, protocol: Sniffed::Tls });
        Ok(match plan {
            ConnectPlan::Inspect => None,
            ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => {
                Some(Replayed::Decided(Answer::permitted(&permit)))
            }
            ConnectPlan::Deny(denial) => Some(Replayed::Decided(Answer::refused(denial))),
        })
    }

    fn connection(&self, past: &Past, connection: &Connection) -> Replayed {
        let Some(destination) = connection.destination else {
            return Replayed::Undecidable(vec!["the address that was dialled".to_owned()]);
        };
        if let Some(permit) = self.unsniffed(past, destination) {
            return Replayed::Decided(Answer::permitted(&permit));
        }
        let Some(protocol) = connection.protocol else {
            return Replayed::Undecidable(vec!["the connection's protocol".to_owned()]);
        };
        let connect = Connect { host: connection.host.as_deref(), destination, protocol };
        match self.snapshot.connect(&past.agent, &connect) {
            ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => {
                Replayed::Decided(Answer::permitted(&permit))
            }
            ConnectPlan::Deny(denial) => Replayed::Decided(Answer::refused(denial)),
            ConnectPlan::Inspect if protocol == Sniffed::Other => Replayed::NotAsked,
            ConnectPlan::Inspect => {
                Replayed::Undecidable(vec!["the requests on the connection, which was relayed unread".to_owned()])
            }
        }
    }

    /// As for a live connection: a `tcp` rule for the address holds before any byte is looked at.
    fn unsniffed(&self, past: &Past, destination: SocketAddr) -> Option<Permit> {
        let connect = Connect { host: None, destination, protocol: Sniffed::Other };
        match self.snapshot.connect(&past.agent, &connect) {
            ConnectPlan::Tcp(permit) if permit.mode() == Mode::Enforce => Some(permit),
            _ => None,
        }
    }

    /// What the permit's rules would have looked for and nobody did.
    fn unscanned(&self, past: &Past, permit: &Permit) -> Option<String> {
        let rule = permit.rule().and_then(|id| self.snapshot.catalog.rules.iter().find(|rule| *rule.id == *id));
        let stops = |profile: &Profile| profile.deny.union(profile.approve);
        let own = rule.map(|rule| stops(&rule.profile)).unwrap_or_default();
        let found: DetectorSet = past.findings.iter().map(|finding| finding.detector).collect();
        let profile = permit.profile();
        past.known.not_looked_for(own.union(stops(profile)), found).or_else(|| {
            // Such a body is refused where something must be found in it.
            let looks = profile.enforces();
            let as_before = past.live.decision.permits() && past.live.rule.as_deref() == permit.rule();
            (looks && !as_before && past.known.may_be_encoded()).then(|| "header content-encoding".to_owned())
        })
    }

    /// Detectors that found something and that this policy does not declare: whether one of its own would have found the same
    /// under another name is not known.
    fn strangers(&self, past: &Past) -> Option<Vec<String>> {
        let own = self.snapshot.everything().own().names();
        let of_others = past.findings.iter().map(|finding| finding.detector);
        let of_others = of_others.filter(|one| matches!(one, Detector::Own(_)) && !own.contains(*one));
        let mut names: BTreeSet<&str> = past.strangers.iter().map(String::as_str).collect();
        for one in of_others {
            names.insert(one.name());
        }
        let told = |name| format!("what `{name}` would find: the policy declares no such detector");
        (!names.is_empty()).then(|| names.into_iter().map(told).collect())
    }

    fn has_tcp_rule(&self, past: &Past, port: u16) -> bool {
        self.snapshot.table(&past.agent).is_ok_and(|table| {
            let rules = self.snapshot.catalog.numbered(table.all());
            rules.into_iter().any(|(_, rule)| rule.transport == Transport::Tcp && rule.ports.contains(&port))
        })
    }

    /// Whether some policy selects agents of this name by their labels.
    fn labels_matter(&self, past: &Past) -> bool {
        let policies = &self.snapshot.catalog.policies;
        policies
            .iter()
            .any(|policy| !policy.labels.is_empty() && policy.agents.iter().any(|glob| glob.matches(&past.agent.name)))
    }
}

/// An address that stands in no rule.
fn nowhere(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}

impl Answer {
    fn refused(denial: Denial) -> Answer {
        Answer { decision: denial.decision, mode: Mode::Enforce, rule: denial.rule, reason: denial.reason }
    }

    fn permitted(permit: &Permit) -> Answer {
        Answer {
            decision: permit.decision(),
            mode: permit.mode(),
            rule: permit.rule().map(str::to_owned),
            reason: permit.reason().to_owned(),
        }
    }
}
