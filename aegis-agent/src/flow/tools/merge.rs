//! The answer to a batch of which only a part was sent on: the server's answers and our own, as one.

use aegis_tools::denial;
use serde_json::Value;
use serde_json::value::RawValue;

/// The server's answer as JSON with `answers` in it, its own messages byte for byte. `sent` are the calls that the server was asked;
/// what it says that cannot be read is lost to each of them.
pub(super) fn json(held: &[u8], answers: Vec<Value>, sent: &[Value]) -> Vec<u8> {
    let theirs = match held.iter().all(u8::is_ascii_whitespace) {
        // To notifications there is no answer.
        true => Vec::new(),
        false => messages(held).unwrap_or_else(|| {
            let why = "the server's answer cannot be put together with the answers to the refused calls";
            lost(sent, why).iter().map(Value::to_string).collect()
        }),
    };
    let all: Vec<String> = theirs.into_iter().chain(answers.iter().map(Value::to_string)).collect();
    format!("[{}]", all.join(",")).into_bytes()
}

fn messages(held: &[u8]) -> Option<Vec<String>> {
    let all: Vec<Box<RawValue>> = match serde_json::from_slice(held) {
        Ok(all) => all,
        Err(_) => vec![serde_json::from_slice::<Box<RawValue>>(held).ok().filter(|one| one.get().starts_with('{'))?],
    };
    Some(all.iter().map(|one| one.get().to_owned()).collect())
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

    #[test]
    fn what_the_server_says_stays_as_it_was_written() {
        let theirs = r#"[ {"id":1,"result":{"b":1.0,"a":123456789012345678901234567890}} ]"#;
        let merged = json(theirs.as_bytes(), vec![json!({"id": 2})], &[json!(1)]);
        let expected = r#"[{"id":1,"result":{"b":1.0,"a":123456789012345678901234567890}},{"id":2}]"#;
        assert_eq!(String::from_utf8(merged).unwrap(), expected);
    }
}
