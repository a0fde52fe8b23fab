//! What the DNS server needs of the daemon: attribution, the policy's word on a name, and a place for the record.

use std::sync::Arc;
use std::time::SystemTime;

use aegis_audit::{Decision, Draft};
use aegis_policy::{Denial, NameVerdict, Snapshot};
use hickory_proto::rr::RecordType;
use uuid::Uuid;

use super::Aegis;
use crate::dns::{Asked, Decided, DnsHost, Outcome, Resolver, Ticket};
use crate::flow::beside;
use crate::flow::record::{Masks, written};
use crate::kernel::{AgentIndex, FlowRecord, FlowTable};
use crate::policy::Choice;
use crate::telemetry::Slot;

/// The daemon as the DNS server sees it.
pub struct Host(pub Arc<Aegis>);

impl DnsHost for Host {
    fn flows(&self) -> &dyn FlowTable {
        &*self.0.flows
    }

    fn resolver(&self) -> &Resolver {
        &self.0.resolver
    }

    fn reserve(&self, client: Option<&FlowRecord>) -> Option<Box<dyn Ticket>> {
        match self.0.audit.reserve() {
            Ok(slot) => Some(Box::new(Place::new(&self.0, slot, client))),
            Err(_) => {
                self.0.metrics.unrecordable();
                None
            }
        }
    }

    fn concurrent_queries(&self) -> usize {
        self.0.config.dns.concurrent_queries
    }
}

fn removed(snapshot: &Snapshot) -> Denial {
    Denial::attribution("the agent is not registered any more", snapshot.version())
}

struct Place {
    aegis: Arc<Aegis>,
    slot: Slot,
    policy: Choice,
    /// What the note and the record begin with.
    draft: Draft,
}

impl Place {
    fn new(aegis: &Arc<Aegis>, slot: Slot, client: Option<&FlowRecord>) -> Self {
        let enrolled = client.and_then(|client| aegis.registry.by_index(client.agent));
        let policy = match &enrolled {
            Some(enrolled) => aegis.policy.for_agent(&enrolled.agent),
            None => aegis.policy.for_nobody(),
        };
        Self { draft: identified(policy.version()), aegis: Arc::clone(aegis), slot, policy }
    }
}

impl Ticket for Place {
    fn judge(&self, agent: AgentIndex, host: &str) -> NameVerdict {
        match self.aegis.registry.by_index(agent) {
            Some(enrolled) => {
                let verdict = self.policy.name(&enrolled.agent, host);
                beside::name(&self.policy, &enrolled.agent, host, &verdict);
                verdict
            }
            None => NameVerdict::Refuse(removed(&self.policy)),
        }
    }

    fn limited(&self, agent: AgentIndex, name: &str, host: &str, leaves: bool) -> Option<Denial> {
        let policy = &self.policy;
        let Some(enrolled) = self.aegis.registry.by_index(agent) else { return Some(removed(policy)) };
        let asked = Asked::new(name, host, policy.chosen(&enrolled.agent, host), leaves);
        self.aegis.admit_name(agent, &asked).err().map(|excess| excess.denial(policy.version()))
    }

    fn policy_version(&self) -> String {
        self.policy.version().to_owned()
    }

    fn note(&mut self, client: Option<&FlowRecord>, host: &str, kind: RecordType) -> bool {
        let mut draft = self.draft.clone();
        asked(&self.aegis, client, host, kind, &mut draft);
        allowed(&mut draft, None);
        Masks::of(&self.policy).redact(&mut draft);
        let noted = self.slot.note(&mut draft);
        if noted.is_err() {
            self.aegis.metrics.unrecordable();
        }
        noted.is_ok()
    }

    fn commit(self: Box<Self>, decided: Decided<'_>) {
        let Self { aegis, slot, mut draft, policy } = *self;
        describe(&aegis, &decided, &mut draft);
        // Names carry data as well as paths do.
        Masks::of(&policy).redact(&mut draft);
        aegis.metrics.dns_query(match decided.outcome {
            Outcome::Answered { .. } => "answered",
            Outcome::Refused(_) => "refused",
            Outcome::Failed(_) => "failed",
        });
        aegis.metrics.decision(&draft);
        aegis.spans.decision(&draft, draft.ts);
        slot.commit(draft);
    }
}

/// A draft with its identifiers, made when the query has come.
fn identified(policy_version: &str) -> Draft {
    Draft {
        ts: SystemTime::now(),
        decision_id: Uuid::now_v7().to_string(),
        trace_id: Uuid::new_v4().simple().to_string(),
        policy_version: policy_version.to_owned(),
        ..Draft::default()
    }
}

/// What was asked, and by whom.
fn asked(aegis: &Aegis, client: Option<&FlowRecord>, host: &str, kind: RecordType, draft: &mut Draft) {
    draft.method = Some(format!("QUERY {kind}"));
    draft.scheme = Some("dns".to_owned());
    draft.host = Some(host.to_owned());
    draft.port = Some(53);
    if let Some(client) = client {
        sender(aegis, client, draft);
    }
}

fn describe(aegis: &Aegis, decided: &Decided<'_>, draft: &mut Draft) {
    asked(aegis, decided.client, decided.host, decided.kind, draft);
    draft.duration_ms = decided.took.as_secs_f64() * 1e3;
    if decided.client.is_none() {
        draft.exe = decided.peer.to_string();
    }
    match decided.outcome {
        Outcome::Answered { .. } => allowed(draft, None),
        Outcome::Failed(why) => allowed(draft, Some(why)),
        Outcome::Refused(denial) => {
            draft.decision = written(denial.decision);
            draft.reason.clone_from(&denial.reason);
            draft.rule.clone_from(&denial.rule);
            draft.policy_version.clone_from(&denial.policy_version);
        }
    }
}

fn allowed(draft: &mut Draft, error: Option<&String>) {
    draft.decision = Decision::Allow;
    "a rule of the agent names this host".clone_into(&mut draft.reason);
    draft.error = error.cloned();
}

fn sender(aegis: &Aegis, client: &FlowRecord, draft: &mut Draft) {
    draft.pid = client.pid;
    draft.exe.clone_from(&client.comm);
    let Some(enrolled) = aegis.registry.by_index(client.agent) else { return };
    draft.agent_id.clone_from(&enrolled.agent.name);
    draft.org.clone_from(&enrolled.agent.org);
    draft.tenant.clone_from(&enrolled.agent.tenant);
    draft.parent_agent_id.clone_from(&enrolled.agent.parent);
    draft.cgroup = enrolled.cgroup.display().to_string();
}
