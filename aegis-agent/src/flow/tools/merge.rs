//! The answer to a batch of which only a part was sent on: the server's answers and our own, as one.

use aegis_tools::denial;
use serde_json::Value;

/// The server's answer as JSON with `answers` in it. `sent` are the calls that the server was asked; what it says that cannot be
/// read is lost to each of them.
pub(super) fn json(held: &[u8], answers: Vec<Value>, sent: &[Value]) -> Vec<u8> {
    let theirs = match held.iter().all(u8::is_ascii_whitespace) {
        // To notifications there is no answer.
        true => Vec::new(),
        false => match serde_json::from_slice(held) {
            Ok(Value::Array(messages)) => messages,
            Ok(one @ Value::Object(_)) => vec![one],
            _ => lost(sent, "the server's answer cannot be put together with the answers to the refused calls"),
        },
    };
    let all: Vec<Value> = theirs.into_iter().chain(answers).collect();
    Value::Array(all).to_string().into_bytes()
}

/// An error for each call whose answer cannot be handed on.
pub(super) fn lost(sent: &[Value], why: &str) -> Vec<Value> {
    sent.iter().map(|id| denial::json_rpc_lost(id, why)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_call_gets_one_answer() {
        let denied = || vec![json!({"id": 2, "error": {}})];
        for (theirs, expected) in [
            (r#"[{"id":1,"result":1},{"id":3,"result":3}]"#, vec![1, 3, 2]),
            (r#"{"id":1,"result":1}"#, vec![1, 2]),
            ("", vec![2]),
            ("<html>", vec![1, 3, 2]),
            ("7", vec![1, 3, 2]),
        ] {
            let merged: Value =
                serde_json::from_slice(&json(theirs.as_bytes(), denied(), &[json!(1), json!(3)])).unwrap();
            let ids: Vec<u64> = merged.as_array().unwrap().iter().filter_map(|one| one["id"].as_u64()).collect();
            assert_eq!(ids, expected, "{theirs}");
        }
    }
}
