//! Ollama: an object, or one a line.

use serde_json::Value;

use super::{Reading, count, list, text};

pub(super) fn answer(reading: &mut Reading, value: &Value) {
    reading.model(value.get("model"));
    reading.tokens(count(value, "prompt_eval_count"), count(value, "eval_count"), None);
    let Some(message) = value.get("message") else { return };
    for function in list(message, "tool_calls").filter_map(|call| call.get("function")) {
        let arguments = function.get("arguments").map(ToString::to_string).unwrap_or_default();
        reading.calls.add(text(function, "name"), &arguments);
    }
}
