//! What a record tells of the protocol of its exchange, and how a refusal is said in it.

use std::sync::Arc;

use aegis_tools::denial;
use serde_json::Value;

use super::{Masks, Recorder};
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

    /// What is taken out of all that is written.
    #[must_use]
    pub fn masks(&self) -> &Masks {
        &self.masks
    }

    /// Another call goes the same way, to be recorded by itself.
    pub fn beside(&mut self, other: Recorder) {
        self.beside.push(other);
    }

    /// What refuses this call refuses those beside it.
    pub(super) fn beside_refused(&mut self, refusal: &Refusal) {
        for other in &mut self.beside {
            let tool = other.draft().and_then(|draft| draft.tool.clone());
            other.write_refusal(refusal);
            if let Some(draft) = other.draft() {
                draft.tool = tool.or(draft.tool.take());
            }
        }
    }

    /// Where this one ends those beside it end, in the same way.
    pub(super) fn beside_end(&mut self, status: Option<u16>, error: Option<&str>) {
        for mut other in std::mem::take(&mut self.beside) {
            if let Some(denial) = self.tally.stopped() {
                other.tally.stop(denial.clone());
            }
            if let Some(draft) = other.draft() {
                draft.status = status.or(draft.status);
            }
            other.finish(error);
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

    /// The calls that wait for an answer, and whether they came as a batch.
    #[must_use]
    pub fn waiting(&self) -> (Vec<Value>, bool) {
        match &self.call.shape {
            Shape::JsonRpc(calls) => (calls.ids.clone(), calls.batch),
            Shape::Problem | Shape::Provider(_) => (Vec::new(), false),
        }
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
    pub fn refuse_call(mut self, refusal: &Refusal, id: Option<&Value>) -> Option<Value> {
        let approval = self.write_refusal(refusal);
        let (decision_id, refusal) = (self.decision_id(), self.masks.refusal(refusal));
        self.finish(None);
        let reference = Reference { decision_id: &decision_id, agent_id: "", approval_id: approval.as_deref() };
        id.map(|id| denial::json_rpc(id, &refused(&refusal, &reference)))
    }
}
