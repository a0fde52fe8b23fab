//! What was asked, kept until the exchange is over: then it goes into the decision log with what came of it.
//!
//! On the request's way this costs a few shared pointers; the event is made and redacted on the log's own thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aegis_audit::Draft;
use aegis_dlp::DetectorSet;
use aegis_policy::decision_log::{Connection, Decided, Event, Found, Sight};
use aegis_policy::{Agent, Decision, DenialKind, Mode, Sniffed};

use super::decide::{self, Moment};
use super::inspect::Head;
use super::record::Masks;

/// Findings that an event names one by one.
const MAX_FINDINGS: usize = 64;

/// A question to the policy.
pub struct Question {
    agent: Arc<Agent>,
    destination: SocketAddr,
    asked: Asked,
}

#[allow(clippy::large_enum_variant, reason = "requests are what there is most of: no box for each")]
enum Asked {
    Request { head: Arc<Head>, moment: Moment, sight: Sight },
    Connection { host: Option<String>, protocol: Option<Sniffed> },
}

impl Question {
    /// A request. What the policy saw of it may still come: [`Question::saw`].
    #[must_use]
    pub fn request(agent: &Arc<Agent>, destination: SocketAddr, head: &Arc<Head>) -> Self {
        let asked = Asked::Request { head: Arc::clone(head), moment: Moment::now(), sight: Sight::default() };
        Self { agent: Arc::clone(agent), destination, asked }
    }

    /// A connection that is relayed unread, or refused.
    #[must_use]
    pub fn connection(
        agent: &Arc<Agent>,
        host: Option<&str>,
        destination: SocketAddr,
        protocol: Option<Sniffed>,
    ) -> Self {
        let asked = Asked::Connection { host: host.map(str::to_owned), protocol };
        Self { agent: Arc::clone(agent), destination, asked }
    }

    /// The agent as its token names it.
    pub fn agent(&mut self, now: &Arc<Agent>) {
        self.agent = Arc::clone(now);
    }

    /// The policy has been asked.
    pub fn saw(&mut self, saw: Sight, at: Moment) {
        if let Asked::Request { moment, sight, .. } = &mut self.asked {
            *moment = at;
            *sight = Sight { seen: saw.seen.bounded(), usage: Some(at.usage), ..saw };
        }
    }

    /// Not all was looked at: the scan ended with the first thing that must not leave.
    pub fn cut_short(&mut self) {
        if let Asked::Request { sight, .. } = &mut self.asked {
            sight.looked_for = DetectorSet::EMPTY;
        }
    }

    /// Bytes that it holds on to.
    #[must_use]
    pub fn weight(&self) -> usize {
        match &self.asked {
            Asked::Request { head, sight, .. } => head.weight().saturating_add(sight.seen.weight()),
            Asked::Connection { .. } => 256,
        }
    }

    /// The event, to be made later. `None` for what is no decision.
    pub fn event(
        self,
        instance: Arc<str>,
        masks: Masks,
        draft: &Draft,
        kind: Option<DenialKind>,
    ) -> Option<impl FnOnce() -> Event + Send + use<>> {
        let outcome = Outcome::of(draft, kind)?;
        Some(move || {
            let decided = outcome.decided(&instance, &masks);
            match &self.asked {
                Asked::Request { head, moment, sight } => {
                    let intent = decide::intent(&self.agent, head, *moment);
                    Event::of_request(decided, &intent, self.destination, sight)
                }
                Asked::Connection { host, protocol } => {
                    let (host, destination, protocol) = (host.as_deref(), self.destination, *protocol);
                    Event::of_connection(decided, &self.agent, outcome.at, Connection { host, destination, protocol })
                }
            }
        })
    }
}

/// What of the record goes into the event.
struct Outcome {
    decision_id: String,
    trace_id: String,
    trace_is_foreign: bool,
    at: std::time::SystemTime,
    took: Duration,
    decision: Decision,
    mode: Mode,
    rule: Option<String>,
    tool: Option<String>,
    reason: String,
    kind: Option<DenialKind>,
    policy_version: String,
    findings: Vec<Found>,
}

impl Outcome {
    fn of(draft: &Draft, kind: Option<DenialKind>) -> Option<Self> {
        let decision = match draft.decision {
            aegis_audit::Decision::Allow => Decision::Allow,
            aegis_audit::Decision::Deny => Decision::Deny,
            aegis_audit::Decision::Sanitize => Decision::Sanitize,
            aegis_audit::Decision::ApprovalNeeded => Decision::ApprovalNeeded,
            aegis_audit::Decision::None => return None,
        };
        let mode = match draft.mode {
            aegis_audit::Mode::Enforce => Mode::Enforce,
            aegis_audit::Mode::Shadow => Mode::Shadow,
        };
        let found = draft.findings.iter().take(MAX_FINDINGS).map(|entry| Found {
            detector: entry.detector.clone(),
            action: entry.action.clone(),
            place: entry.place.clone(),
            confidence: entry.confidence.clone(),
            count: entry.count,
        });
        Some(Self {
            decision_id: draft.decision_id.clone(),
            trace_id: draft.trace_id.clone(),
            // A trace that was taken up has a span above ours.
            trace_is_foreign: draft.parent_span_id.is_some(),
            at: draft.ts,
            took: Duration::try_from_secs_f64(draft.duration_ms / 1e3).unwrap_or_default(),
            decision,
            mode,
            rule: draft.rule.clone(),
            tool: draft.tool.clone(),
            reason: draft.reason.clone(),
            kind,
            policy_version: draft.policy_version.clone(),
            findings: found.collect(),
        })
    }

    fn decided<'a>(&'a self, instance: &'a str, masks: &'a Masks) -> Decided<'a> {
        Decided {
            labels: (instance, env!("CARGO_PKG_VERSION")),
            decision_id: &self.decision_id,
            trace_id: &self.trace_id,
            trace_is_foreign: self.trace_is_foreign,
            took: self.took,
            decision: self.decision,
            mode: self.mode,
            rule: self.rule.as_deref(),
            tool: self.tool.as_deref(),
            reason: &self.reason,
            kind: self.kind,
            policy_version: &self.policy_version,
            findings: self.findings.clone(),
            masks: masks.profile(),
        }
    }
}
