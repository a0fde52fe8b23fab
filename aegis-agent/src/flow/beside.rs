//! What a rollout wants to know of each decision: the same question, put to the other policy when the agent has its answer.
//! Nothing here can change what was decided.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use aegis_policy::{Agent, Connect, ConnectPlan, Decision, Denial, Mode, NameVerdict, Permit, Snapshot, Sniffed};
use bytes::Bytes;

use super::authorize;
use super::decide::{self, Moment, Permitted};
use super::identify::Identity;
use super::inspect::{Head, Payload};
use super::record::{Masks, method_word};
use super::refusal::Refusal;
use super::tools::Reading;
use crate::policy::{Answer, Choice, Question, Said, Trial, Wanted};

/// A request, copied before it is spent. It costs the request this copy, and only where a rollout looks at its agent.
pub struct Asked<'a> {
    trial: &'a Trial,
    request: Request,
}

struct Request {
    identity: Identity,
    head: Head,
    body: Body,
    moment: Moment,
    masks: Masks,
}

/// What of a body can be read again.
enum Body {
    None,
    Whole(Bytes),
    /// It streams, or is longer than may be read: a policy that wants to read it cannot be asked.
    Gone,
}

/// Keeps what the other policy is to be asked, if it is.
#[must_use]
pub fn request<'a>(
    policy: &'a Choice,
    identity: &Identity,
    head: &Head,
    payload: &Payload,
    moment: Moment,
) -> Option<Asked<'a>> {
    let trial = policy.beside()?;
    let body = match payload {
        Payload::Empty => Body::None,
        Payload::Whole(bytes) => Body::Whole(bytes.clone()),
        Payload::Streaming(_) | Payload::TooLarge => Body::Gone,
    };
    Some(Asked {
        trial,
        request: Request { identity: identity.clone(), head: head.clone(), body, moment, masks: Masks::of(policy) },
    })
}

impl Asked<'_> {
    /// The request was decided; now the other policy is asked.
    pub fn decided(self, outcome: &Result<Permitted, Refusal>) {
        let Self { trial, request } = self;
        let (agent, at, decided) = (Arc::clone(&request.identity.agent), request.moment.now, answer(outcome));
        trial.ask(Question { agent, at, decided, wanted: Box::new(request) });
    }
}

impl Wanted for Request {
    fn ask(&self, other: &Snapshot) -> Said {
        let needs = decide::needs(other, &self.identity, &self.head);
        let payload = match &self.body {
            Body::None => Payload::Empty,
            Body::Whole(bytes) => Payload::Whole(bytes.clone()),
            Body::Gone if needs.json || needs.tool => return Said::Unknown,
            // What its scanner would find in a body that streams is not known; what it says of the rest is.
            Body::Gone => Payload::Empty,
        };
        let reading = Reading::of(other, &self.head, &payload, &needs, false);
        if reading.batch.is_some() {
            // Several answers at once, each of its own call.
            return Said::Unknown;
        }
        let decided = decide::request(other, &self.identity, &self.head, payload, &reading, self.moment);
        Said::Answer(answer(&decided))
    }

    fn describe(&self) -> String {
        let Head { method, scheme, host, port, path, .. } = &self.head;
        format!("{} {scheme}://{}:{port}{}", method_word(method), self.masks.text(host), self.masks.path(path))
    }

    fn weight(&self) -> usize {
        let Head { host, path, query, headers, .. } = &self.head;
        let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let body = if let Body::Whole(bytes) = &self.body { bytes.len() } else { 0 };
        host.len() + path.len() + query.as_ref().map_or(0, String::len) + fields + body
    }
}

/// A connection, before anything of it went anywhere.
struct Connection {
    agent: Arc<Agent>,
    host: Option<String>,
    destination: SocketAddr,
    /// None where the policy that decided did not have to look.
    protocol: Option<Sniffed>,
    inspected: bool,
    masks: Masks,
}

/// A connection was decided; the other policy is asked, if it is.
pub fn connection(policy: &Choice, agent: &Agent, connect: &Connect<'_>, plan: &ConnectPlan) {
    let Some(trial) = policy.beside() else { return };
    let agent = Arc::new(agent.clone());
    let wanted = Connection {
        agent: Arc::clone(&agent),
        host: connect.host.map(str::to_owned),
        destination: connect.destination,
        protocol: Some(connect.protocol),
        inspected: matches!(plan, ConnectPlan::Inspect),
        masks: Masks::of(policy),
    };
    trial.ask(Question { agent, at: SystemTime::now(), decided: planned(plan), wanted: Box::new(wanted) });
}

/// A connection passes before it has said anything; the other policy is asked, if it is.
pub fn relayed(policy: &Choice, agent: &Agent, destination: SocketAddr, permit: &Permit) {
    let Some(trial) = policy.beside() else { return };
    let agent = Arc::new(agent.clone());
    let wanted = Connection {
        agent: Arc::clone(&agent),
        host: None,
        destination,
        protocol: None,
        inspected: false,
        masks: Masks::of(policy),
    };
    trial.ask(Question { agent, at: SystemTime::now(), decided: permits(permit), wanted: Box::new(wanted) });
}

impl Wanted for Connection {
    fn ask(&self, other: &Snapshot) -> Said {
        let (host, destination) = (self.host.as_deref(), self.destination);
        let plan = match self.protocol {
            Some(protocol) => authorize::plan(other, &self.agent, &Connect { host, destination, protocol }),
            None => match authorize::unsniffed(other, &self.agent, destination) {
                Some(permit) => ConnectPlan::Tcp(permit),
                None => return Said::Unknown,
            },
        };
        match plan {
            // Both look into it: what counts is what they say of the requests.
            ConnectPlan::Inspect if self.inspected => Said::Nothing,
            plan => Said::Answer(planned(&plan)),
        }
    }

    fn describe(&self) -> String {
        let protocol = match self.protocol {
            Some(Sniffed::Tls) => "tls",
            Some(Sniffed::Http) => "http",
            Some(Sniffed::Other) | None => "tcp",
        };
        format!(
            "{protocol} {} ({})",
            self.host.as_deref().map(|host| self.masks.text(host)).unwrap_or_default(),
            self.destination
        )
    }

    fn weight(&self) -> usize {
        self.host.as_ref().map_or(0, String::len)
    }
}

/// A name that was asked for.
struct Name {
    agent: Arc<Agent>,
    host: String,
    masks: Masks,
}

/// Whether a name may be resolved was decided; the other policy is asked, if it is.
pub fn name(policy: &Choice, agent: &Arc<Agent>, host: &str, verdict: &NameVerdict) {
    let Some(trial) = policy.beside() else { return };
    let wanted = Name { agent: Arc::clone(agent), host: host.to_owned(), masks: Masks::of(policy) };
    let question = Question {
        agent: Arc::clone(agent),
        at: SystemTime::now(),
        decided: judged(verdict),
        wanted: Box::new(wanted),
    };
    trial.ask(question);
}

impl Wanted for Name {
    fn ask(&self, other: &Snapshot) -> Said {
        Said::Answer(judged(&other.name(&self.agent, &self.host)))
    }

    fn describe(&self) -> String {
        format!("dns {}", self.masks.text(&self.host))
    }

    fn weight(&self) -> usize {
        self.host.len()
    }
}

fn answer(outcome: &Result<Permitted, Refusal>) -> Answer {
    match outcome {
        Ok(permitted) => permits(&permitted.permit),
        Err(refusal) => denies(&refusal.denial),
    }
}

fn planned(plan: &ConnectPlan) -> Answer {
    match plan {
        ConnectPlan::Inspect => Answer { decision: Decision::Allow, mode: Mode::Enforce, rule: None },
        ConnectPlan::Passthrough(permit) | ConnectPlan::Tcp(permit) => permits(permit),
        ConnectPlan::Deny(denial) => denies(denial),
    }
}

fn judged(verdict: &NameVerdict) -> Answer {
    match verdict {
        NameVerdict::Resolve => Answer { decision: Decision::Allow, mode: Mode::Enforce, rule: None },
        NameVerdict::Refuse(denial) => denies(denial),
    }
}

fn permits(permit: &Permit) -> Answer {
    Answer { decision: permit.decision(), mode: permit.mode(), rule: permit.rule().map(str::to_owned) }
}

fn denies(denial: &Denial) -> Answer {
    Answer { decision: denial.decision, mode: Mode::Enforce, rule: denial.rule.clone() }
}
