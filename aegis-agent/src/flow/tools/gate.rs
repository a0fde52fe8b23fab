//! Messages of an MCP server that list tools, held back until they are compared with what is known.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use aegis_tools::denial::{self, Refused};
use aegis_tools::{Definition, definitions};
use bytes::Bytes;
use serde_json::Value;

use super::notes::Notes;
use super::pins::{Pins, Withheld};

/// A message on its way to the agent, once it is known to be good, or what stands in its place.
pub(super) type Checking = Pin<Box<dyn Future<Output = Bytes> + Send>>;

/// Who looks at lists of tools.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) pins: Pins,
    pub(super) notes: Option<Arc<Notes>>,
    pub(super) decision_id: Arc<str>,
    /// The calls that wait for an answer, and whether they came as a batch.
    pub(super) ids: Arc<[Value]>,
    pub(super) batch: bool,
}

impl Gate {
    /// Whether the text of a message may list tools. Cheap: every message is asked.
    pub(super) fn concerns(text: &[u8]) -> bool {
        // In JSON a key may be written with escapes; then it has a backslash.
        memchr::memmem::find(text, b"\"tools\"").is_some() || memchr::memchr(b'\\', text).is_some()
    }

    /// The message, compared. `original` is what goes on if nothing is wrong with it, `wrap` makes of a message what stands in
    /// its place.
    pub(super) fn check(&self, message: Value, original: Bytes, wrap: fn(&Value) -> String) -> Option<Checking> {
        let (found, all) = listed(&message)?;
        let gate = self.clone();
        Some(Box::pin(async move {
            match gate.pins.clone().look(found, all, gate.notes.clone()).await {
                Ok(()) => original,
                Err(why) => Bytes::from(wrap(&gate.in_place_of(&message, &why))),
            }
        }))
    }

    /// What stands in the place of an answer that may list tools and cannot be read: each call gets an error, so that none waits for ever.
    pub(super) fn in_place_of_answer(&self, why: &str) -> Bytes {
        let errors = self.errors(why);
        match errors.as_slice() {
            [one] if !self.batch => Bytes::from(one.to_string()),
            _ => Bytes::from(Value::Array(errors).to_string()),
        }
    }

    /// As [`Gate::in_place_of_answer`], for an event.
    pub(super) fn in_place_of_event(&self, why: &str) -> Bytes {
        self.errors(why).iter().map(denial::event).collect::<String>().into()
    }

    fn errors(&self, why: &str) -> Vec<Value> {
        let why = Withheld(format!("the server's answer is withheld: {why}"));
        if self.ids.is_empty() {
            return vec![self.refusal(&Value::Null, &why)];
        }
        self.ids.iter().map(|id| self.refusal(id, &why)).collect()
    }

    fn in_place_of(&self, message: &Value, why: &Withheld) -> Value {
        match message {
            Value::Array(messages) => messages.iter().map(|one| self.in_place_of(one, why)).collect(),
            one if listed(one).is_some() => self.refusal(one.get("id").unwrap_or(&Value::Null), why),
            other => other.clone(),
        }
    }

    fn refusal(&self, id: &Value, why: &Withheld) -> Value {
        if let Some(notes) = &self.notes {
            notes.withheld(&why.0);
        }
        let next = ["Ask the owner of the policy to look at the tool's new definition and to pin it.".to_owned()];
        let refused = Refused {
            decision: "deny",
            decision_id: &self.decision_id,
            reason: &why.0,
            next_steps: &next,
            ..Refused::default()
        };
        denial::json_rpc(id, &refused)
    }
}

/// The definitions that a message, or a batch of them, lists, and whether these are all.
fn listed(message: &Value) -> Option<(Vec<Definition>, bool)> {
    let of_one = |one: &Value| one.get("result").and_then(definitions).map(|(found, more)| (found, !more));
    match message {
        Value::Array(messages) => messages.iter().filter_map(of_one).reduce(|(mut found, all), (more, also)| {
            found.extend(more);
            (found, all && also)
        }),
        one => of_one(one),
    }
}
