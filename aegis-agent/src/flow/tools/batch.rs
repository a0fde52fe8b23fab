//! A JSON-RPC batch (JSON-RPC 2.0, section 6), decided call by call: what is allowed is sent on, what is refused is answered here.

use std::sync::Arc;
use std::time::Instant;

use aegis_policy::decision_log::Sight;
use aegis_policy::{Denial, DenialKind, Snapshot};
use aegis_tools::{MAX_CALLS, Understood};
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ask::same_terms;
use super::notes::Told;
use super::reading::{Called, Reading};
use crate::daemon::Aegis;
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

/// What becomes of a batch of which something was refused here, or that has several records.
#[derive(Default)]
pub struct Split {
    /// Answers to what was refused.
    pub answers: Vec<Value>,
    /// The calls that were sent on and wait for an answer.
    pub sent: Vec<Value>,
    /// Records of the calls that were sent on beside the first.
    others: Vec<Recorder>,
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

/// Decides each call. What comes back is the request of those that may be sent, its record being `recorder`'s; every other call has
/// its record already, or gets it with the exchange's end. Where none may be sent, it is the first refusal, `recorder`'s too.
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
    let mut decided: Vec<Decided> = Vec::with_capacity(elements.len());
    for Element { text, called, id } in elements {
        let single = Reading::of_element(text, called.clone(), reading.shown());
        let payload = Payload::Whole(Bytes::copy_from_slice(text.get().as_bytes()));
        let (outcome, sight) =
            decide::request_noting(asked.snapshot, asked.identity, asked.head, payload, &single, asked.moment);
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
    let mut split = Split::default();
    let mut main: Option<Permitted> = None;
    let mut parts: Vec<Bytes> = Vec::new();
    let mut kept: Option<(Refusal, Option<Value>)> = None;
    let none_passes = decided.iter().all(|one| one.outcome.is_err());
    for Decided { outcome, id, called } in decided {
        match outcome {
            Ok(mut permitted) => {
                let Payload::Whole(bytes) = std::mem::replace(&mut permitted.payload, Payload::Empty) else {
                    return Err(Denial::limit("a call of the batch has no body", asked.snapshot.version()).into());
                };
                parts.push(bytes);
                split.sent.extend(id);
                if main.is_none() {
                    recorder.only(&called.names);
                    main = Some(permitted);
                } else {
                    let mut other = another(asked, &called)?;
                    other.usage().count(Instant::now()).keep();
                    other.permitted(&permitted);
                    split.others.push(*other);
                }
            }
            Err(refusal) if none_passes && kept.is_none() => {
                // All are refused: the first stands for the request, and answers for its own call like every other.
                recorder.only(&called.names);
                kept = Some((refusal, id));
            }
            Err(refusal) => {
                let answer = another(asked, &called)?.refuse_call(&refusal, id.as_ref());
                split.answers.extend(answer);
            }
        }
    }
    match (main, kept) {
        (Some(mut permitted), _) => {
            permitted.payload = Payload::Whole(joined(&parts));
            recorder.still_to_answer(split.sent.clone(), split.answers.clone());
            Ok((permitted, split))
        }
        (None, Some((refusal, id))) => {
            recorder.still_to_answer(id.into_iter().collect(), split.answers);
            Err(refusal)
        }
        (None, None) => Err(Denial::protocol("the batch is empty", asked.snapshot.version()).into()),
    }
}

/// A record for one more call.
fn another(asked: &Asked<'_>, called: &Called) -> Result<Box<Recorder>, Refusal> {
    let version = asked.snapshot.version();
    let mut recorder = Recorder::open(asked.aegis, asked.identity, asked.snapshot).map_err(|why| {
        asked.aegis.metrics.unrecordable();
        Refusal::from(Denial::unavailable(format!("the decision cannot be recorded: {why}"), version))
    })?;
    recorder.trace(&asked.head.headers);
    recorder.head(asked.head);
    recorder.agent(asked.identity);
    if let Some(told) = asked.told {
        recorder.tells(told.only(&called.names));
    }
    Ok(Box::new(recorder))
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
        self.answers.is_empty() && self.others.is_empty()
    }

    /// The exchange came to its end.
    pub fn complete(&mut self) {
        self.others.drain(..).for_each(|mut other| other.complete());
    }

    /// It failed before its answer came.
    pub fn failed(&mut self, why: &str) {
        self.others.drain(..).for_each(|mut other| other.failed(why));
    }
}
