//! One request, from its head to the record: inspect, identify, decide, forward, in this order and no other.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use aegis_policy::{Denial, DenialKind, Snapshot, ToolChanges};
use aegis_tools::{Protocol, signed};
use http::{Method, header};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::beside;
use super::decide::{self, Moment, Permitted};
use super::forward::{self, Line};
use super::granted::Granted;
use super::identify::Identity;
use super::inspect::{self, Head, Payload, Target};
use super::name;
use super::question::Question;
use super::record::Recorder;
use super::refusal::{self, Refusal};
use super::response::ToAgent;
use super::standing::{Asked, Ongoing, Subject};
use super::token;
use super::tools::{self, Answering, Listening, Pins, Reading, Shape, Split};
use super::websocket::Opening;
use crate::daemon::{Aegis, admission};
use crate::kernel::NetnsCookie;
use crate::policy::Choice;
use crate::upstream::{PoolKey, Way};

/// A connection whose requests are decided one by one.
pub struct Session {
    pub aegis: Arc<Aegis>,
    pub identity: Identity,
    pub target: Target,
    /// The network namespace that the connection came from.
    pub namespace: NetnsCookie,
    /// The agent speaks HTTP/2, so the origin is offered it too.
    pub h2: bool,
    pub drain: CancellationToken,
    /// What goes on after its request was answered: the connection ends when the last of it has.
    pub upgraded: TaskTracker,
}

impl Session {
    #[must_use]
    pub fn new(
        aegis: Arc<Aegis>,
        identity: Identity,
        target: Target,
        namespace: NetnsCookie,
        h2: bool,
        drain: CancellationToken,
    ) -> Self {
        Self { aegis, identity, target, namespace, h2, drain, upgraded: TaskTracker::new() }
    }
}

/// Answers one request. Every way out of here has written exactly one record, or could not and forwarded nothing.
pub async fn answer(session: &Session, mut request: Request<Incoming>) -> Response<ToAgent> {
    let aegis = &session.aegis;
    // One policy for the whole exchange: no request sees a mix of two.
    let snapshot = aegis.policy.for_agent(&session.identity.agent);
    aegis.audit.room().await;
    let mut recorder = match Recorder::open(aegis, &session.identity, &snapshot) {
        Ok(recorder) => Box::new(recorder),
        Err(why) => return unrecordable(session, &snapshot, &why.to_string()),
    };
    // An agent may have been removed, or registered anew with other settings, since this connection was opened.
    let identity = match session.identity.refreshed(&aegis.registry, snapshot.version()) {
        Ok(identity) => identity,
        Err(refusal) => return recorder.refuse(&refusal, false),
    };
    match admission::Request::admit(aegis, identity.enrolled.index) {
        Ok(place) => recorder.admitted(place),
        Err(full) => return recorder.refuse(&full.refusal(snapshot.version()), false),
    }
    recorder.asks(Question::connection(
        &identity.agent,
        session.target.sni.as_deref(),
        session.target.destination,
        None,
    ));
    let continues = request.headers().contains_key(header::EXPECT);
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let arrived = Arrived { body, continues, upgrade };
    recorder.trace(&parts.headers);
    let head = match Head::parse(parts, &session.target, snapshot.version()) {
        Ok(head) => Arc::new(head),
        Err(refusal) => return recorder.refuse(&refusal, false),
    };
    recorder.head(&head);
    recorder.asks(Question::request(&identity.agent, session.target.destination, &head));
    let grpc = head.grpc;
    match decided(session, &identity, &snapshot, head, arrived, recorder).await {
        Ok(response) => response,
        Err((refusal, Some(recorder))) => recorder.refuse(&refusal, grpc),
        // Written down already; there is nothing left to refer to.
        Err((refusal, None)) => refusal::response(&refusal, &refusal::Reference::default(), grpc),
    }
}

/// What came after the head.
struct Arrived {
    body: Incoming,
    /// The agent waits for a word before it sends the body (RFC 9110, section 10.1.1).
    continues: bool,
    upgrade: OnUpgrade,
}

async fn decided(
    session: &Session,
    identity: &Identity,
    snapshot: &Choice,
    head: Arc<Head>,
    arrived: Arrived,
    mut recorder: Box<Recorder>,
) -> Result<Response<ToAgent>, (Refusal, Option<Box<Recorder>>)> {
    let Arrived { body, continues, upgrade } = arrived;
    let aegis = &session.aegis;
    let limits = &aegis.config.limits;
    let version = snapshot.version();
    let (identity, unchecked) = match token::shown(aegis, identity, snapshot, head.token.as_deref()).await {
        Ok(shown) => shown,
        Err(refusal) => return Err((refusal, Some(recorder))),
    };
    recorder.agent(&identity);
    let needs = decide::needs(snapshot, &identity, &head);
    if head.websocket.is_some() && !body.is_end_stream() {
        let denial = Denial::protocol("the WebSocket handshake has a body", version);
        return Err((denial.into(), Some(recorder)));
    }
    // Reading the body would tell the agent to send it: what its head is refused for already it need not send.
    if continues
        && !(needs.json || needs.tool || needs.usage || needs.heavy)
        && let Err(refusal) =
            decide::request(snapshot, &identity, &head, Payload::Empty, &Reading::default(), Moment::now())
    {
        return Err((refusal, Some(recorder)));
    }
    let waits = !body.is_end_stream();
    // The messages of gRPC name no tools, its path does; and they may go on for hours.
    let framed = needs.tool && !needs.json && session.h2 && tools::names_grpc(&head);
    let whole = needs.json || (needs.tool && !framed);
    let (payload, trailers) = match inspect::read(body, whole, limits, version).await {
        Ok(read) => read,
        Err(refusal) => return Err((refusal, Some(recorder))),
    };
    if waits && let Err(refusal) = token::still(aegis, &identity, head.token.as_deref(), version) {
        return Err((refusal, Some(recorder)));
    }
    recorder.deciding();
    // Taken back where anything below refuses.
    let counted = recorder.usage().count(Instant::now());
    // Whether this policy reads it or not: the next one is asked again with it.
    let usage = counted.usage();
    let moment = Moment { now: SystemTime::now(), usage };
    let asked = beside::request(snapshot, &identity, &head, &payload, moment);
    let mut reading = Reading::of(snapshot, &head, &payload, &needs, recorder.is_told());
    if let Shape::JsonRpc(calls) = &mut reading.shape {
        let target = head.query.as_ref().map_or_else(|| head.path.clone(), |query| format!("{}?{query}", head.path));
        calls.mailbox = aegis.mailboxes.find(identity.enrolled.index, &server(&head), &target);
    }
    recorder.says(std::mem::take(&mut reading.shape));
    if let Some(told) = &reading.told {
        recorder.tells(told.clone());
    }
    let batch = reading.batch.take();
    let of_batch =
        tools::Asked { aegis, identity: &identity, snapshot, head: &head, moment, told: reading.told.as_ref() };
    let ask = || match &batch {
        Some(batch) => tools::decide(&of_batch, batch, &reading, &mut recorder),
        None => {
            let (outcome, sight) = decide::request_noting(snapshot, &identity, &head, payload, &reading, moment);
            (outcome, sight, Split::default())
        }
    };
    let (outcome, sight, split) = if needs.heavy {
        match aegis.admissions.heavy.decide(identity.enrolled.index, ask).await {
            Ok(decided) => decided,
            Err(busy) => return Err((busy.refusal(version), Some(recorder))),
        }
    } else {
        ask()
    };
    recorder.saw(sight, moment);
    if let Some(asked) = asked {
        asked.decided(&outcome);
    }
    let mut permitted = match outcome {
        Ok(permitted) => permitted,
        Err(refusal) => return Err((refusal, Some(recorder))),
    };
    if head.websocket.is_some() && permitted.permit.handling().tool_changes == ToolChanges::Deny {
        let why = "definitions of tools are to be compared, and in a WebSocket they are not seen";
        let denial = Denial::new(DenialKind::Policy, why, version).next("Use MCP's streamable HTTP.");
        return Err((denial.into(), Some(recorder)));
    }
    let called = if batch.is_some() { split.called.clone() } else { vec![reading.called.clone()] };
    let answering = answering(session, &identity, &recorder, &head, &mut permitted, split);
    if let Err(refusal) = name::within_limits(aegis, &identity, snapshot, &permitted.permit) {
        return Err((refusal, Some(recorder)));
    }
    if let Some(Err(refusal)) = unchecked.as_ref().map(|unchecked| unchecked.accept(&permitted.permit, &head.method)) {
        return Err((refusal, Some(recorder)));
    }
    recorder.permitted(&permitted);
    if let Some(unchecked) = unchecked {
        unchecked.passed(aegis, &mut recorder);
    }
    let way = Way::of(identity.enrolled.spec.dial, session.namespace, &aegis.namespaces);
    let pool = PoolKey { agent: identity.enrolled.index, way, private_ok: false, h2: session.h2 };
    let line =
        Line { method: head.method.clone(), scheme: head.scheme, grpc: head.grpc && session.h2, framed, trailers };
    let websocket = head.websocket.clone();
    let streams = head.websocket.is_some() || matches!(permitted.payload, Payload::Streaming(_));
    let (granted, sending, answering_now) = (Granted::of(&permitted.permit), streams.into(), true.into());
    let asked = Asked { head, called, usage, granted, began: Instant::now(), sending, answering: answering_now };
    let subject = Subject::Request(Box::new(asked));
    counted.keep();
    let ongoing = Ongoing::begin(aegis, &identity, snapshot, subject);
    let Some(wanted) = websocket else {
        let sent = forward::send(&aegis.pools, limits, pool, line, permitted, recorder, ongoing).await;
        return sent.map(|response| tools::watch(response, answering));
    };
    let opening = Opening { asked: wanted, upgrade, drain: session.drain.clone(), tasks: session.upgraded.clone() };
    opening.send(&aegis.pools, limits, pool, line, permitted, recorder, ongoing).await
}

/// The server that is spoken to.
fn server(head: &Head) -> String {
    format!("{}:{}", head.host, head.port)
}

/// What becomes of the answer for its protocol's sake.
fn answering(
    session: &Session,
    identity: &Identity,
    recorder: &Recorder,
    head: &Head,
    permitted: &mut Permitted,
    split: Split,
) -> Answering {
    let notes = recorder.notes().cloned();
    let handling = permitted.permit.handling();
    let mcp = notes.as_ref().is_some_and(|notes| notes.protocol() == Protocol::Mcp);
    // Where the rule asks for it, any stream is looked at: it is the server that chooses the path of its own.
    let asked = handling.tool_changes == ToolChanges::Deny || handling.tool_pins.is_some();
    let pins = (mcp || asked && head.method == Method::GET).then(|| {
        let endpoint = format!("{}{}", server(head), head.path.trim_end_matches('/'));
        Pins::new(&session.aegis, &identity.enrolled.agent.name, endpoint, handling, recorder.masks().clone())
    });
    let stream = pins.is_some() && head.method == Method::GET;
    let listening = stream.then(|| Listening::new(&session.aegis.mailboxes, identity.enrolled.index, server(head)));
    let most = session.aegis.config.limits.inspect_body_bytes;
    let (decision_id, waiting) = (recorder.decision_id(), recorder.waiting());
    let answering = Answering { notes, pins, decision_id, waiting, listening, split, most };
    answering.prepare(&mut permitted.headers, || signed(head.query.as_deref(), &head.headers).head);
    answering
}

/// Nothing is forwarded that cannot be written down.
fn unrecordable(session: &Session, snapshot: &Snapshot, why: &str) -> Response<ToAgent> {
    session.aegis.metrics.unrecordable();
    let denial = Denial::unavailable(format!("the decision cannot be recorded: {why}"), snapshot.version());
    let reference = refusal::Reference { decision_id: "", agent_id: &session.identity.agent.name, approval_id: None };
    refusal::response(&denial.into(), &reference, false)
}
