//! What a decision looked at, handed from the request's way to whoever writes it down.

use std::sync::Arc;

use regorus::Value;
use serde_json::{Map, Value as Json};

use crate::decision_log::event::ReadList;
use crate::index::Bucket;

/// Bytes of text from the request that may wait to be written.
const HELD: usize = 16 * 1024;

/// The values that the rules for a request read, as the engine got them. Making and cloning it copies nothing of the
/// request.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    looked_at: Option<(Arc<Bucket>, Value)>,
}

impl Seen {
    pub(crate) fn new(bucket: &Arc<Bucket>, document: Value) -> Seen {
        Seen { looked_at: Some((Arc::clone(bucket), document)) }
    }

    /// Bytes of text from the request that it holds on to, at most [`HELD`] once it is [`bounded`](Self::bounded).
    #[must_use]
    pub fn weight(&self) -> usize {
        self.looked_at.as_ref().map_or(0, |(_, document)| HELD - weight(document, HELD).unwrap_or_default())
    }

    /// Lets go of values so large that holding them until the exchange ends would cost memory: they are told as erased.
    #[must_use]
    pub fn bounded(mut self) -> Seen {
        if let Some((_, document)) = &mut self.looked_at
            && weight(document, HELD).is_none()
        {
            *document = Value::Undefined;
        }
        self
    }

    /// The values, as JSON; `None` where they were too large to be kept.
    pub(super) fn values(&self) -> Option<Map<String, Json>> {
        let Some((bucket, document)) = &self.looked_at else { return Some(Map::new()) };
        match serde_json::to_value(document) {
            Ok(Json::Object(mut fields)) if *document != Value::Undefined => {
                if bucket.reads.everything {
                    bucket.reads.prune(&mut fields);
                }
                Some(fields)
            }
            _ => None,
        }
    }

    /// What the rules read.
    pub(super) fn reads(&self) -> ReadList {
        self.looked_at.as_ref().map(|(bucket, _)| bucket.reads.list()).unwrap_or_default()
    }
}

/// What is left of `budget` after the texts of a value; `None` where they go beyond it.
fn weight(value: &Value, budget: usize) -> Option<usize> {
    match value {
        Value::String(text) => budget.checked_sub(text.len()),
        Value::Array(items) => items.iter().try_fold(budget.checked_sub(items.len())?, |left, item| weight(item, left)),
        Value::Object(fields) => {
            fields.iter().try_fold(budget, |left, (name, field)| weight(field, weight(name, left)?))
        }
        _ => Some(budget),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_weigh() {
        let left = |json: &str| weight(&Value::from_json_str(json).unwrap(), 10);
        assert_eq!(left(r#"{"ab": "cde", "f": [1, "gh"]}"#), Some(0));
        assert_eq!(left(r#"{"ab": "cde", "fg": [1, "gh"]}"#), None, "a name is the request's choice as a text is");
        assert_eq!(left("[1, 2, 3]"), Some(7));
        assert_eq!(left("12345678901234567890"), Some(10));
        assert_eq!(Seen::default().weight(), 0);
    }
}
