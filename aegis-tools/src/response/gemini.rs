//! Gemini: one answer, a list of them, or events.

use serde_json::Value;

use super::{Reading, count, list, text};

pub(super) fn answer(reading: &mut Reading, value: &Value) {
    if let Value::Array(answers) = value {
        return answers.iter().for_each(|answer| one(reading, answer));
    }
    one(reading, value);
}

fn one(reading: &mut Reading, value: &Value) {
    reading.model(value.get("modelVersion"));
    if let Some(usage) = value.get("usageMetadata") {
        let thought = count(usage, "thoughtsTokenCount").unwrap_or_default();
        let output = count(usage, "candidatesTokenCount").map(|output| output.saturating_add(thought));
        reading.tokens(count(usage, "promptTokenCount"), output, count(usage, "cachedContentTokenCount"));
    }
    let contents = list(value, "candidates").filter_map(|candidate| candidate.get("content"));
    for call in contents.flat_map(|content| list(content, "parts")).filter_map(|part| part.get("functionCall")) {
        let arguments = call.get("args").map(ToString::to_string).unwrap_or_default();
        reading.calls.add(text(call, "name"), &arguments);
    }
}
