//! What rules said of the same question a moment ago: agents ask for the same few places over and over, and the engine is what a decision costs
//! most. Kept are only questions by port, method and path, and an answer holds only where all of the question is the same.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};

use regorus::Value;

use crate::engine::Chain;

/// Answers that each thread remembers, and the longest path among them in bytes: some 100 KB in all.
const ANSWERS: usize = 256;
const LONGEST: usize = 128;

thread_local! {
    static MEMORY: RefCell<Vec<Option<Answer>>> = const { RefCell::new(Vec::new()) };
}

struct Answer {
    bucket: u64,
    chain: Chain,
    document: Value,
    rule: Option<usize>,
}

/// The rule that a bucket gave for this very document, if it is remembered.
pub(super) fn recall(bucket: u64, chain: Chain, document: &Value) -> Option<Option<usize>> {
    let known = |answers: &RefCell<Vec<Option<Answer>>>| {
        let answers = answers.try_borrow().ok()?;
        let answer = answers.get(slot(bucket, chain, document)?)?.as_ref()?;
        let same = answer.bucket == bucket && answer.chain == chain && answer.document == *document;
        same.then_some(answer.rule)
    };
    MEMORY.try_with(known).ok().flatten()
}

/// Remembers it, in the place of another answer.
pub(super) fn remember(bucket: u64, chain: Chain, document: Value, rule: Option<usize>) {
    let keep = |answers: &RefCell<Vec<Option<Answer>>>| {
        let (Some(slot), Ok(mut answers)) = (slot(bucket, chain, &document), answers.try_borrow_mut()) else { return };
        if answers.is_empty() {
            answers.resize_with(ANSWERS, || None);
        }
        if let Some(place) = answers.get_mut(slot) {
            *place = Some(Answer { bucket, chain, document, rule });
        }
    };
    // A thread that ends remembers nothing any more.
    let _ = MEMORY.try_with(keep);
}

/// Where an answer is remembered; `None` where it is not to be. Whoever makes questions meet there only has the engine asked again.
fn slot(bucket: u64, chain: Chain, document: &Value) -> Option<usize> {
    let mut hasher = DefaultHasher::new();
    (bucket, chain == Chain::Decision).hash(&mut hasher);
    for (key, value) in document.as_object().ok()? {
        match (&**key.as_string().ok()?, value) {
            ("port", Value::Number(_)) => {}
            ("method" | "path", Value::String(word)) if word.len() <= LONGEST => word.hash(&mut hasher),
            // What rules read of fields and queries, where there is nothing of it.
            ("headers" | "query", Value::Object(fields)) if fields.is_empty() => {}
            _ => return None,
        }
    }
    Some(usize::try_from(hasher.finish() % ANSWERS as u64).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_the_same_question_only() {
        let question = |path: &str| {
            Value::from_json_str(&format!(r#"{{"method": "GET", "path": "{path}", "port": 443}}"#)).unwrap()
        };
        let asked = question("/a");
        assert_eq!(recall(1, Chain::Decision, &asked), None);
        remember(1, Chain::Decision, asked.clone(), Some(7));
        assert_eq!(recall(1, Chain::Decision, &asked), Some(Some(7)));
        assert_eq!(recall(2, Chain::Decision, &asked), None);
        assert_eq!(recall(1, Chain::Enforced, &asked), None);
        let port = Value::from_json_str(r#"{"method": "GET", "path": "/a", "port": 80}"#).unwrap();
        assert_eq!(recall(1, Chain::Decision, &port), None);
        remember(1, Chain::Decision, asked.clone(), None);
        assert_eq!(recall(1, Chain::Decision, &asked), Some(None));
    }

    #[test]
    fn nothing_of_fields_queries_and_bodies_is_kept() {
        let long = format!(r#"{{"path": "/{}"}}"#, "a".repeat(LONGEST));
        for kept in [r#"{"path": "/a"}"#, r#"{"path": "/a", "headers": {}, "query": {}}"#] {
            let kept = Value::from_json_str(kept).unwrap();
            remember(3, Chain::Decision, kept.clone(), Some(7));
            assert_eq!(recall(3, Chain::Decision, &kept), Some(Some(7)));
        }
        for (key, value) in
            [("headers", r#"{"a": ["b"]}"#), ("query", r#"{"a": ["b"]}"#), ("body", "{}"), ("tool", "{}")]
        {
            let other = Value::from_json_str(&format!(r#"{{"path": "/a", "{key}": {value}}}"#)).unwrap();
            remember(3, Chain::Decision, other.clone(), Some(7));
            assert_eq!(recall(3, Chain::Decision, &other), None, "{key}");
        }
        let long = Value::from_json_str(&long).unwrap();
        remember(3, Chain::Decision, long.clone(), Some(7));
        assert_eq!(recall(3, Chain::Decision, &long), None);
    }
}
