//! What a record tells of the protocol of its exchange, and how a refusal is said in it.

use std::sync::Arc;

use aegis_tools::denial;
use serde_json::Value;

use super::Recorder;
use crate::flow::refusal::{Reference, Refusal};
use crate::flow::tools::{Notes, Shape, Told, refused};

/// What is known of the call.
#[derive(Default)]
pub(super) struct Call {
    pub(super) notes: Option<Arc<Notes>>,
    pub(super) shape: Shape,
}

impl Recorder {
    /// The request was understood.
    pub fn tells(&mut self, told: Told) {
        self.call.notes = Some(Arc::new(Notes::new(told)));
    }

    /// Only these tools are called in what this record stands for.
    pub fn only(&mut self, names: &[String]) {
        if let Some(notes) = &self.call.notes {
            self.call.notes = Some(Arc::new(Notes::new(notes.told().only(names))));
        }
    }

    /// Whether the decision log wants to know.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.question.is_some()
    }

    /// How a refusal is said.
    pub fn says(&mut self, shape: Shape) {
        self.call.shape = shape;
    }

    /// Of a batch these calls are still to be answered; `made` are the answers to the others.
    pub fn still_to_answer(&mut self, ids: Vec<Value>, made: Vec<Value>) {
        self.call.shape = std::mem::take(&mut self.call.shape).of_rest(ids, made);
    }

    /// What the answer is noted in.
    #[must_use]
    pub fn notes(&self) -> Option<&Arc<Notes>> {
        self.call.notes.as_ref()
    }

    /// The decision's id.
    #[must_use]
    pub fn decision_id(&self) -> Arc<str> {
        self.open.as_ref().map(|(_, draft)| Arc::from(draft.decision_id.as_str())).unwrap_or_default()
    }

    /// Writes the refusal of one call of a batch down; gives the answer to it, where it gets one.
    #[must_use]
    pub fn refuse_call(mut self: Box<Self>, refusal: &Refusal, id: Option<&Value>) -> Option<Value> {
        let approval = self.write_refusal(refusal);
        let decision_id = self.decision_id();
        self.finish(None);
        let reference = Reference { decision_id: &decision_id, agent_id: "", approval_id: approval.as_deref() };
        id.map(|id| denial::json_rpc(id, &refused(refusal, &reference)))
    }
}
