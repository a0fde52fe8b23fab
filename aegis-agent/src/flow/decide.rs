//! Step 6: the policy's answer for one request, on everything the steps before found out.

use std::time::SystemTime;

use aegis_audit::FindingEntry;
use aegis_dlp::{Action, DetectorSet, Finding, Why};
use aegis_policy::decision_log::Sight;
use aegis_policy::{
    Agent, Content, Denial, Intent, JsonBody, Mode, Needs, Permit, RedactedHead, Snapshot, Usage, Used, Verdict,
    redact_head,
};
use http::HeaderMap;
use http::header;

use super::identify::Identity;
use super::inspect::{Head, Payload};
use super::look::{Look, Rules};
use super::refusal::Refusal;
use super::stop::{self, By, Cause, Direction, Stop};
use super::tools::{self, Called, Reading, Signature};

/// A permit together with the one request it was given for, already redacted as it says.
pub struct Permitted {
    pub permit: Permit,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub payload: Payload,
    /// Looks through a body that streams.
    pub look: Option<Box<Look>>,
    pub findings: Vec<Finding>,
    /// What else the record tells.
    pub notes: Vec<FindingEntry>,
    /// A body that must not go on, whatever the policy says when it is asked again.
    stopped: Option<Stop>,
}

/// What the request itself does not say.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub now: SystemTime,
    /// What the agent has used before, where [`needs`] asked for it.
    pub usage: Usage,
}

impl Moment {
    /// Now, with nothing known of what the agent has used.
    #[must_use]
    pub fn now() -> Self {
        Self { now: SystemTime::now(), usage: Usage::default() }
    }

    /// The same, one request later.
    #[must_use]
    pub fn one_more(self) -> Self {
        let more = |used: Used| Used { requests: used.requests.saturating_add(1), ..used };
        let Usage { minute, hour, day } = self.usage;
        Self { usage: Usage { minute: more(minute), hour: more(hour), day: more(day) }, ..self }
    }
}

/// What the decision needs to know.
#[must_use]
pub fn needs(snapshot: &Snapshot, identity: &Identity, head: &Head) -> Needs {
    snapshot.needs(&intent(&identity.agent, head, Moment::now()))
}

/// Decides one request, as `reading` understood it, and redacts it accordingly.
///
/// # Errors
/// The denial, where the policy says no or where the content cannot be inspected as the rule wants.
pub fn request(
    snapshot: &Snapshot,
    identity: &Identity,
    head: &Head,
    payload: Payload,
    reading: &Reading,
    moment: Moment,
) -> Result<Permitted, Refusal> {
    request_noting(snapshot, identity, head, payload, reading, moment).0
}

/// As [`request`], and gives what was looked at, for the decision log.
pub fn request_noting(
    snapshot: &Snapshot,
    identity: &Identity,
    head: &Head,
    payload: Payload,
    reading: &Reading,
    moment: Moment,
) -> (Result<Permitted, Refusal>, Sight) {
    let (body, known) = reading.body(&payload);
    let intent = intent(&identity.agent, head, moment);
    let question = Question { snapshot, intent: &intent, called: &reading.called, body };
    let (verdict, seen) = tools::ask_noting(snapshot, &intent, &reading.called, &question.content(&[]));
    let mut sight = Sight { seen, body: known, tool: reading.tool(), ..Sight::default() };
    let outcome = match verdict {
        Verdict::Permit(permit) => {
            sight.looked_for = permit.profile().detectors();
            inspected(&question, head, payload, permit)
        }
        Verdict::Denial(denial) => Err(denial.into()),
    };
    if outcome.is_err() {
        // Where it ended early, what was not found is not known.
        sight.looked_for = DetectorSet::EMPTY;
    }
    (outcome, sight)
}

/// What becomes of a permit when the content has been looked through.
fn inspected(question: &Question<'_>, head: &Head, payload: Payload, permit: Permit) -> Result<Permitted, Refusal> {
    let snapshot = question.snapshot;
    if matches!(payload, Payload::TooLarge) {
        return Err(Denial::limit("the body is longer than may be inspected", snapshot.version()).into());
    }
    let signature = Signature::of(head, &payload, &permit);
    let permitted = redact(permit, head, payload, signature.as_ref())?;
    let denied =
        permitted.stopped.is_some() || permitted.findings.iter().any(|finding| finding.action >= Action::Approve);
    let shadowed = permitted.permit.mode() == Mode::Shadow && !permitted.findings.is_empty();
    if denied || shadowed {
        // Asked again with what was found: the policy words the denial, and shadow records what it would have been.
        return match (question.again(&permitted.findings), &permitted.stopped) {
            (Ok(permit), Some(stop)) => {
                Err(Refusal { findings: permitted.findings, ..stop.denial(&permit.consume()).into() })
            }
            (Ok(permit), None) => Ok(Permitted { permit, ..permitted }),
            (Err(refusal), _) => Err(Refusal { findings: permitted.findings, ..refusal }),
        };
    }
    match signature {
        Some(signature) => signature.unbroken(head, permitted),
        None => Ok(permitted),
    }
}

/// What the policy is asked, and asked again once the content is known.
struct Question<'a> {
    snapshot: &'a Snapshot,
    intent: &'a Intent<'a>,
    called: &'a Called,
    body: JsonBody<'a>,
}

impl Question<'_> {
    fn content<'c>(&'c self, findings: &'c [Finding]) -> Content<'c> {
        Content { json: self.body, findings }
    }

    fn again(&self, findings: &[Finding]) -> Result<Permit, Refusal> {
        match tools::ask(self.snapshot, self.intent, self.called, &self.content(findings)) {
            Verdict::Permit(permit) => Ok(permit),
            Verdict::Denial(denial) => Err(denial.into()),
        }
    }
}

/// The request as the policy is asked about it.
#[must_use]
pub fn intent<'a>(agent: &'a Agent, head: &'a Head, moment: Moment) -> Intent<'a> {
    Intent {
        agent,
        scheme: head.scheme,
        host: &head.host,
        port: head.port,
        method: head.method.as_str(),
        path: &head.path,
        query: head.query.as_deref(),
        headers: &head.headers,
        tool: None,
        tool_in_doubt: false,
        now: moment.now,
        usage: moment.usage,
    }
}

/// Looks through URL, fields and body under the permit's profile; what it redacts is redacted here, except a streaming body,
/// which is looked through while it flows.
fn redact(permit: Permit, head: &Head, payload: Payload, signature: Option<&Signature>) -> Result<Permitted, Refusal> {
    let target = match &head.query {
        Some(query) => format!("{}?{query}", head.path),
        None => head.path.clone(),
    };
    let RedactedHead { path_and_query, headers, findings, opaque } =
        redact_head(permit.profile(), &target, &head.headers);
    let mut headers = headers;
    if Rules::back(permit.profile()).is_some_and(|rules| rules.enforces()) {
        // In pieces of the agent's choice nothing would be found.
        headers.remove(header::RANGE);
        headers.remove(header::IF_RANGE);
    }
    let rules = Rules::out(permit.profile()).map(|rules| rules.of_call(&head.path));
    let mut permitted =
        Permitted { permit, path_and_query, headers, payload, look: None, findings, notes: Vec::new(), stopped: None };
    if let Some((place, opaque)) = opaque {
        permitted.stop(Stop::opaque(opaque, place, Direction::Out))?;
    }
    let Some(rules) = rules else { return Ok(permitted) };
    match &permitted.payload {
        Payload::Empty | Payload::TooLarge => {}
        Payload::Streaming(_) => {
            let rules = match signature {
                Some(signature) => signature.stream(head, &permitted.permit, rules)?,
                None => rules,
            };
            match Look::at_body(&rules, &mut permitted.headers) {
                Ok(look) => permitted.look = Some(Box::new(look)),
                Err(stop) => permitted.stop(stop)?,
            }
        }
        Payload::Whole(bytes) => {
            let (bytes, mut headers) = (bytes.clone(), permitted.headers.clone());
            let mut out = Vec::with_capacity(bytes.len());
            let looked = Look::at_body(&rules, &mut headers).and_then(|mut look| {
                let looked = look.push(&bytes, &mut out).and_then(|()| look.finish(&mut out));
                permitted.findings.extend_from_slice(look.findings());
                permitted.notes = look.notes();
                // Untouched it goes as it came, with the coding and the signature that it may have.
                let touched = !look.stream().untouched();
                looked.map(|()| touched)
            });
            match looked {
                Ok(true) => (permitted.payload, permitted.headers) = (Payload::Whole(out.into()), headers),
                Ok(false) => {}
                Err(stop) => permitted.stop(stop)?,
            }
        }
    }
    Ok(permitted)
}

impl Permitted {
    /// It must not go on. What a detector found the policy is asked about again; it words the denial.
    fn stop(&mut self, stop: Stop) -> Result<(), Refusal> {
        if let Cause::Content(Why::Opaque(opaque)) = &stop.cause {
            let permit = &self.permit;
            let by = By { rule: permit.rule(), tool: permit.tool(), version: permit.policy_version() };
            let findings = std::mem::take(&mut self.findings);
            return Err(Refusal { findings, ..stop::unreadable(&by, opaque, stop.place.as_ref(), "request").into() });
        }
        self.stopped = Some(stop);
        Ok(())
    }
}
