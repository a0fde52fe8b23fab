//! Step 8: one record, one span and the metrics for each decision, whichever way the exchange ends.
//!
//! A [`Recorder`] holds a reserved place in the audit log from before anything is forwarded. It is ended once: by a
//! refusal, by a failure, or when both bodies of the exchange have ended ([`super::ending`]).

mod call;
mod connection;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use aegis_audit::Draft;
use aegis_policy::decision_log::Sight;
use aegis_policy::{Decision, Denial, DenialKind, Permit, Snapshot};
use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use uuid::Uuid;

use super::decide::{Moment, Permitted};
use super::identify::Identity;
use super::inspect::Head;
use super::question::Question;
use super::refusal::{self, Reference, Refusal};
use super::response::ToAgent;
use super::tally::Tally;
use super::usage::Counters;
use crate::daemon::{Aegis, admission};
use crate::telemetry::{Noted, Slot, Unrecordable};

pub use connection::{connection_refused, unattributed};
pub(super) use words::method_word;
pub use words::{Masks, written};
use words::{trace_parent, written_mode};

/// Writes one decision down, exactly once.
pub struct Recorder {
    aegis: Arc<Aegis>,
    /// Taken when the record is written.
    open: Option<(Slot, Draft)>,
    tally: Arc<Tally>,
    usage: Arc<Counters>,
    started: SystemTime,
    clock: Instant,
    /// Bodies still flow: a drop now means that the agent went away.
    flowing: bool,
    /// The answer must have no body.
    head_only: bool,
    /// The exchange is a WebSocket.
    websocket: bool,
    /// What the policy was asked, for the decision log.
    question: Option<Question>,
    /// What kind of refusal it ended with.
    kind: Option<DenialKind>,
    /// What is known of the protocol.
    call: call::Call,
    /// The agent's share of the log's places, as long as this one is taken.
    place: Option<admission::Request>,
    /// What is taken out of all that is written.
    masks: Masks,
    /// Records of other calls that go the same way: they end as this one does.
    beside: Vec<Recorder>,
}

impl Recorder {
    /// Reserves the record's place.
    ///
    /// # Errors
    /// When it could not be written: then nothing may be forwarded.
    pub fn open(aegis: &Arc<Aegis>, identity: &Identity, snapshot: &Snapshot) -> Result<Self, Unrecordable> {
        let slot = aegis.audit.reserve()?;
        let started = SystemTime::now();
        let mut draft = draft(started, snapshot.version());
        draft.pid = identity.process.pid;
        draft.exe.clone_from(&identity.process.exe);
        draft.cgroup = identity.enrolled.cgroup.display().to_string();
        describe_agent(&mut draft, identity);
        let open = Some((slot, draft));
        Ok(Self {
            aegis: Arc::clone(aegis),
            open,
            tally: Arc::default(),
            usage: aegis.usage.of(&identity.enrolled.agent.name),
            started,
            clock: Instant::now(),
            flowing: false,
            head_only: false,
            websocket: false,
            question: None,
            kind: None,
            call: call::Call::default(),
            place: None,
            masks: Masks::of(snapshot),
            beside: Vec::new(),
        })
    }

    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// What the agent has used.
    #[must_use]
    pub fn usage(&self) -> &Arc<Counters> {
        &self.usage
    }

    /// Keeps the request's place among those of its agent until the record is written.
    pub fn admitted(&mut self, place: admission::Request) {
        self.place = Some(place);
    }

    /// Takes up the agent's own trace (W3C Trace Context), where it has one.
    pub fn trace(&mut self, headers: &HeaderMap) {
        let parent = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(trace_parent);
        if let (Some((trace, span)), Some(draft)) = (parent, self.draft()) {
            trace.clone_into(&mut draft.trace_id);
            draft.parent_span_id = Some(span);
        }
    }

    /// What was asked. The path goes without its query, which may hold data that no rule has looked at.
    pub fn head(&mut self, head: &Head) {
        self.head_only = head.method == Method::HEAD;
        let path = self.masks.path(&head.path);
        if let Some(draft) = self.draft() {
            draft.method = Some(method_word(&head.method).to_owned());
            draft.scheme = Some(head.scheme.to_owned());
            draft.host = Some(head.host.clone());
            draft.port = Some(head.port);
            draft.path = Some(path);
        }
    }

    /// The agent as its token names it.
    pub fn agent(&mut self, identity: &Identity) {
        if let Some(question) = &mut self.question {
            question.agent(&identity.agent);
        }
        if let Some(draft) = self.draft() {
            describe_agent(draft, identity);
        }
    }

    /// What the policy is asked; kept where the decision log wants it.
    pub fn asks(&mut self, question: Question) {
        let wanted = self.open.as_ref().is_some_and(|(_, draft)| self.aegis.decisions.wants(&draft.decision_id));
        self.question = wanted.then_some(question);
    }

    /// What it saw.
    pub fn saw(&mut self, sight: Sight, moment: Moment) {
        if let Some(question) = &mut self.question {
            question.saw(sight, moment);
        }
    }

    /// The decision's own time starts here: all that is needed for it has been read.
    pub fn deciding(&mut self) {
        self.clock = Instant::now();
    }

    /// The decision, when it lets pass.
    pub fn permitted(&mut self, permitted: &Permitted) {
        self.decided(&permitted.permit);
        let findings = self.masks.entries(&permitted.findings);
        if let Some(draft) = self.draft() {
            draft.findings = findings;
            draft.findings.extend_from_slice(&permitted.notes);
        }
        self.flowing = true;
    }

    /// The exchange has become a WebSocket, whose messages are counted.
    pub fn websocket(&mut self) {
        self.websocket = true;
    }

    /// A connection that is relayed unread.
    pub fn relay(&mut self, permit: &Permit, sni: Option<&str>, destination: SocketAddr) {
        self.decided(permit);
        if let Some(draft) = self.draft() {
            draft.scheme = Some(if sni.is_some() { "tls" } else { "tcp" }.to_owned());
            draft.host = Some(sni.map_or_else(|| destination.ip().to_string(), str::to_owned));
            draft.port = Some(destination.port());
        }
        self.flowing = true;
    }

    fn decided(&mut self, permit: &Permit) {
        let took = self.clock.elapsed();
        self.aegis.metrics.decided_in(took);
        if let Some(draft) = self.draft() {
            draft.duration_ms = took.as_secs_f64() * 1e3;
            draft.decision = written(permit.decision());
            draft.mode = written_mode(permit.mode());
            permit.reason().clone_into(&mut draft.reason);
            draft.rule = permit.rule().map(str::to_owned);
            draft.tool = permit.tool().map(str::to_owned);
            permit.policy_version().clone_into(&mut draft.policy_version);
        }
    }

    /// Notes the record as far as it is known, so that it is not lost with the daemon. The last thing before anything is sent.
    ///
    /// # Errors
    /// When it cannot be noted: then nothing may be sent.
    pub fn note(&mut self, policy_version: &str) -> Result<Noted, Refusal> {
        for other in &mut self.beside {
            let _ = other.note(policy_version)?;
            other.usage.count(Instant::now()).keep();
        }
        let noted = match &mut self.open {
            Some((slot, draft)) => {
                self.masks.redact(draft);
                slot.note(draft)
            }
            None => Err(Unrecordable::Ended),
        };
        noted.map_err(|why| {
            self.aegis.metrics.unrecordable();
            Denial::unavailable(format!("the decision cannot be recorded: {why}"), policy_version).into()
        })
    }

    /// The exchange came to its end.
    pub fn complete(&mut self) {
        self.finish(None);
    }

    /// The exchange broke off after it was permitted.
    pub fn failed(&mut self, why: &str) {
        self.finish(Some(why));
    }

    /// Writes the refusal down and gives the answer for the agent.
    #[must_use]
    pub fn refuse(mut self: Box<Self>, refusal: &Refusal, grpc: bool) -> Response<ToAgent> {
        let approval = self.write_refusal(refusal);
        let refusal = &self.masks.refusal(refusal);
        let (decision_id, agent_id) = match &self.open {
            Some((_, draft)) => (draft.decision_id.clone(), draft.agent_id.clone()),
            None => (String::new(), String::new()),
        };
        self.finish(None);
        let reference = Reference { decision_id: &decision_id, agent_id: &agent_id, approval_id: approval.as_deref() };
        let response = refusal::response(refusal, &reference, grpc);
        let mut response = self.call.shape.apply(response, refusal, &reference);
        if self.head_only {
            *response.body_mut() = ToAgent::Own(Bytes::new());
        }
        response
    }

    /// Writes the refusal of a connection down, for which there is no answer.
    pub fn refuse_connection(mut self, refusal: &Refusal) {
        self.write_refusal(refusal);
        self.finish(None);
    }

    fn write_refusal(&mut self, refusal: &Refusal) -> Option<String> {
        let denial = &refusal.denial;
        let took = self.clock.elapsed();
        self.aegis.metrics.decided_in(took);
        let approval =
            (denial.decision == Decision::ApprovalNeeded).then(|| format!("apr_{}", Uuid::now_v7().simple()));
        self.beside_refused(refusal);
        if denial.decision.permits() {
            // Permitted, and then it failed: what was decided stays as it is.
            if let Some(draft) = self.draft() {
                draft.status = Some(refusal.status.as_u16());
                draft.error = Some(denial.reason.clone());
            }
            return None;
        }
        self.kind = Some(denial.kind);
        let status = self.call.shape.status(refusal);
        // What was stopped on its way is in the tally with all that was found.
        let tally = Arc::clone(&self.tally);
        let on_its_way = tally.stopped();
        let findings = self.masks.entries(&refusal.findings);
        if let Some(draft) = self.draft() {
            draft.duration_ms = took.as_secs_f64() * 1e3;
            if on_its_way.is_none() {
                draft.findings = findings;
            }
            draft.decision = written(denial.decision);
            draft.mode = aegis_audit::Mode::Enforce;
            draft.reason.clone_from(&denial.reason);
            draft.rule.clone_from(&denial.rule);
            draft.tool.clone_from(&denial.tool);
            draft.policy_version.clone_from(&denial.policy_version);
            draft.status = Some(status.as_u16());
            draft.approval_id.clone_from(&approval);
        }
        approval
    }

    pub(super) fn draft(&mut self) -> Option<&mut Draft> {
        self.open.as_mut().map(|(_, draft)| draft)
    }

    fn finish(&mut self, error: Option<&str>) {
        let Some((slot, mut draft)) = self.open.take() else { return };
        self.flowing = false;
        self.beside_end(draft.status, error);
        draft.bytes_out = self.tally.bytes_out();
        draft.bytes_in = self.tally.bytes_in();
        self.usage.sent(Instant::now(), draft.bytes_out);
        draft.findings.extend(self.masks.entries(&self.tally.findings()));
        draft.findings.extend(self.tally.notes());
        if self.websocket {
            let (out, back) = self.tally.messages();
            (draft.messages_out, draft.messages_in) = (Some(out), Some(back));
        }
        if let Some(error) = error {
            draft.error = Some(error.to_owned());
        }
        if let Some(denial) = self.tally.stopped() {
            // Stopped on its way, after the permit: what counts is that it was stopped.
            draft.decision = written(denial.decision);
            draft.reason.clone_from(&denial.reason);
            self.kind = Some(denial.kind);
        }
        if let Some(notes) = &self.call.notes {
            draft.call = Some(notes.entry(&self.masks));
            draft.error = draft.error.take().or_else(|| notes.why_withheld().map(str::to_owned));
        }
        self.masks.redact(&mut draft);
        self.tell(&draft);
        self.aegis.metrics.decision(&draft);
        self.aegis.spans.decision(&draft, self.started);
        slot.commit(draft);
    }

    /// Hands the decision's event over.
    fn tell(&mut self, draft: &Draft) {
        let Some(mut question) = self.question.take() else { return };
        if self.tally.stopped().is_some() {
            question.cut_short();
        }
        let weight = question.weight();
        if let Some(event) = question.event(Arc::clone(&self.aegis.instance), self.masks.clone(), draft, self.kind) {
            self.aegis.decisions.offer(weight, event);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let why = self.flowing.then_some("the agent went away before the end");
        self.finish(why);
    }
}

fn describe_agent(draft: &mut Draft, identity: &Identity) {
    let agent = &identity.agent;
    draft.org.clone_from(&agent.org);
    draft.tenant.clone_from(&agent.tenant);
    let (acting, above) = identity.acting();
    acting.clone_into(&mut draft.agent_id);
    draft.parent_agent_id = above.map(str::to_owned);
}

/// A draft with its identifiers, made at `ts`; denied until somebody decides otherwise.
fn draft(ts: SystemTime, policy_version: &str) -> Draft {
    Draft {
        ts,
        decision_id: Uuid::now_v7().to_string(),
        trace_id: Uuid::new_v4().simple().to_string(),
        policy_version: policy_version.to_owned(),
        ..Draft::default()
    }
}
