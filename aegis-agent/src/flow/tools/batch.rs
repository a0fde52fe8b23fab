//! A JSON-RPC batch (JSON-RPC 2.0, section 6), decided call by call: what is allowed is sent on, what is refused is answered here.

use std::sync::Arc;

use aegis_policy::decision_log::Sight;
use aegis_policy::{Denial, DenialKind, Snapshot};
use aegis_tools::{MAX_CALLS, Understood};
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ask::same_terms;
use super::notes::Told;
use super::reading::{Called, Reading};
use crate::daemon::{Aegis, admission};
use crate::flow::decide::{self, Moment, Permitted};
use crate::flow::identify::Identity;
use crate::flow::inspect::{Head, Payload};
use crate::flow::record::Recorder;
use crate::flow::refusal::Refusal;

/// The elements of a batch as they were sent, byte for byte.
pub struct Batch(Result<Vec<Element>, &'static str>);

struct Element {
    text: Box<RawValue>,
    called: Called,
    /// None for a notification.
    id: Option<Value>,
}

/// What becomes of a batch.
#[derive(Default)]
pub struct Split {
    /// Answers to what was refused here.
    pub answers: Vec<Value>,
    /// The calls that were sent on and wait for an answer.
    pub sent: Vec<Value>,
    /// What each element that was sent on calls.
    pub called: Vec<Called>,
}

/// Whose batch it is, and all that its calls have in common.
pub struct Asked<'a> {
    pub aegis: &'a Arc<Aegis>,
    pub identity: &'a Identity,
    pub snapshot: &'a Snapshot,
    pub head: &'a Arc<Head>,
    pub moment: Moment,
    pub told: Option<&'a Told>,
}

impl Batch {
    pub(super) fn new(bytes: &[u8], understood: &Understood<'_>) -> Self {
        if understood.batch.is_none_or(|elements| elements > MAX_CALLS) {
            return Self(Err("the batch holds more calls than are decided at once"));
        }
        let Ok(texts) = serde_json::from_slice::<Vec<Box<RawValue>>>(bytes) else {
            return Self(Err("the batch is not understood"));
        };
        let element = |(at, text): (usize, Box<RawValue>)| {
            let calls = || understood.of_element(at);
            // Doubt about the whole is doubt about each.
            let called = Called::of_calls(calls().map(|call| &call.tool), understood.doubt.is_some());
            Element { text, called, id: calls().find_map(|call| call.id).cloned() }
        };
        Self(Ok(texts.into_iter().enumerate().map(element).collect()))
    }
}

/// One element, decided.
struct Decided {
    outcome: Result<Permitted, Refusal>,
    id: Option<Value>,
    called: Called,
}

/// Decides each call. What comes back is the request of those that may be sent, its record being `recorder`'s; what is refused has
/// its record then, and what goes along ends with `recorder`. Where none may be sent, it is the first refusal, `recorder`'s too.
pub fn decide(
    asked: &Asked<'_>,
    batch: &Batch,
    reading: &Reading,
    recorder: &mut Recorder,
) -> (Result<Permitted, Refusal>, Sight, Split) {
    let version = asked.snapshot.version();
    let elements = match &batch.0 {
        Ok(elements) => elements,
        Err(why) => return (Err(Denial::limit(*why, version).into()), Sight::default(), Split::default()),
    };
    let mut first_sight = None;
    // Each counts for those behind it.
    let mut moment = asked.moment;
    let mut decided: Vec<Decided> = Vec::with_capacity(elements.len());
    for Element { text, called, id } in elements {
        let single = Reading::of_element(text, called.clone(), reading.shown());
        let payload = Payload::Whole(Bytes::copy_from_slice(text.get().as_bytes()));
        let (outcome, sight) =
            decide::request_noting(asked.snapshot, asked.identity, asked.head, payload, &single, moment);
        if outcome.is_ok() {
            moment = moment.one_more();
        }
        first_sight.get_or_insert(sight);
        decided.push(Decided { outcome, id: id.clone(), called: called.clone() });
    }
    on_equal_terms(&mut decided, version);
    let sight = first_sight.unwrap_or_default();
    match settle(asked, decided, recorder) {
        Ok((permitted, split)) => (Ok(permitted), sight, split),
        Err(refusal) => (Err(refusal), sight, Split::default()),
    }
}

/// One request goes out on one permit: what another rule allows on other terms has to come by itself.
fn on_equal_terms(decided: &mut [Decided], version: &str) {
    let Some(first) = decided.iter().position(|one| one.outcome.is_ok()) else { return };
    let (before, after) = decided.split_at_mut(first + 1);
    let Some(Ok(Permitted { permit: first, .. })) = before.last().map(|one| &one.outcome) else { return };
    for one in after {
        if matches!(&one.outcome, Ok(permitted) if !same_terms(first, &permitted.permit)) {
            let why = "another rule than that of the calls before it allows this call, on other terms";
            let denial = Denial::new(DenialKind::Policy, why, version).next("Send this call in a request of its own.");
            one.outcome = Err(denial.into());
        }
    }
}

fn settle(asked: &Asked<'_>, decided: Vec<Decided>, recorder: &mut Recorder) -> Result<(Permitted, Split), Refusal> {
    let version = asked.snapshot.version();
    // The one that the request's own record stands for: the first that passes, else the first.
    let main = decided.iter().position(|one| one.outcome.is_ok()).unwrap_or_default();
    let mut others = recorders(asked, &decided, main)?.into_iter();
    let mut split = Split::default();
    let mut parts: Vec<Bytes> = Vec::new();
    let mut outcome = None;
    for (at, Decided { outcome: one, id, called }) in decided.into_iter().enumerate() {
        let other = if at == main { None } else { others.next() };
        let one = one.map(|mut permitted| {
            if let Payload::Whole(bytes) = std::mem::replace(&mut permitted.payload, Payload::Empty) {
                parts.push(bytes);
            }
            split.sent.extend(id.clone());
            split.called.push(called.clone());
            permitted
        });
        match (other, one) {
            (None, one) => {
                recorder.only(&called.names);
                outcome = Some((one, id));
            }
            (Some(mut other), Ok(permitted)) => {
                other.permitted(&permitted);
                recorder.beside(other);
            }
            (Some(other), Err(refusal)) => split.answers.extend(other.refuse_call(&refusal, id.as_ref())),
        }
    }
    match outcome {
        Some((Ok(mut permitted), _)) => {
            permitted.payload = Payload::Whole(joined(&parts));
            recorder.still_to_answer(split.sent.clone(), split.answers.clone());
            Ok((permitted, split))
        }
        Some((Err(refusal), id)) => {
            recorder.still_to_answer(id.into_iter().collect(), split.answers);
            Err(refusal)
        }
        None => Err(Denial::protocol("the batch is empty", version).into()),
    }
}

/// A record for each call but the `main` one. Where one has no place none of the calls is sent, and each record that was begun says so.
fn recorders(asked: &Asked<'_>, decided: &[Decided], main: usize) -> Result<Vec<Recorder>, Refusal> {
    let mut open: Vec<Recorder> = Vec::with_capacity(decided.len());
    for (_, one) in decided.iter().enumerate().filter(|(at, _)| *at != main) {
        match another(asked, &one.called) {
            Ok(recorder) => open.push(recorder),
            Err(refusal) => {
                for recorder in open {
                    // The request's own answer is for all of them.
                    let _ = recorder.refuse_call(&refusal, None);
                }
                return Err(refusal);
            }
        }
    }
    Ok(open)
}

/// A record for one more call. It counts as a request of the agent's for as long as it has a place in the log.
fn another(asked: &Asked<'_>, called: &Called) -> Result<Recorder, Refusal> {
    let version = asked.snapshot.version();
    let place =
        admission::Request::admit(asked.aegis, asked.identity.enrolled.index).map_err(|full| full.refusal(version))?;
    let mut recorder = Recorder::open(asked.aegis, asked.identity, asked.snapshot).map_err(|why| {
        asked.aegis.metrics.unrecordable();
        Refusal::from(Denial::unavailable(format!("the decision cannot be recorded: {why}"), version))
    })?;
    recorder.admitted(place);
    recorder.trace(&asked.head.headers);
    recorder.head(asked.head);
    recorder.agent(asked.identity);
    if let Some(told) = asked.told {
        recorder.tells(told.only(&called.names));
    }
    Ok(recorder)
}

fn joined(parts: &[Bytes]) -> Bytes {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum::<usize>() + 1);
    out.push(b'[');
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(part);
    }
    out.push(b']');
    Bytes::from(out)
}

impl Split {
    /// Whether the answer needs anything of it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.answers.is_empty()
    }
}
