//! Anthropic Messages, whole or as events; Bedrock's and Vertex' hosted models answer in the same form.

use serde_json::Value;

use super::{Reading, count, list, text};

pub(super) fn message(reading: &mut Reading, value: &Value) {
    let place = count(value, "index").unwrap_or_default();
    match text(value, "type") {
        "message_start" => {
            if let Some(message) = value.get("message") {
                whole(reading, message);
            }
        }
        "content_block_start" => {
            if let Some(block) = value.get("content_block") {
                block_at(reading, place, block);
            }
        }
        "content_block_delta" => {
            if let Some(delta) = value.get("delta").filter(|delta| text(delta, "type") == "input_json_delta") {
                reading.calls.piece(place, text(delta, "partial_json"));
            }
        }
        "message_delta" => usage(reading, value.get("usage")),
        "message" => whole(reading, value),
        _ => {}
    }
}

fn whole(reading: &mut Reading, message: &Value) {
    reading.model(message.get("model"));
    usage(reading, message.get("usage"));
    for (place, block) in list(message, "content").enumerate() {
        block_at(reading, place as u64, block);
    }
}

fn block_at(reading: &mut Reading, place: u64, block: &Value) {
    if !text(block, "type").ends_with("tool_use") {
        return;
    }
    reading.calls.named(place, text(block, "name"));
    // A stream begins with an empty object and sends the pieces after it.
    if let Some(input) = block.get("input").filter(|input| input.as_object().is_some_and(|input| !input.is_empty())) {
        reading.calls.whole(place, &input.to_string());
    }
}

/// What came from the cache or went into it is not in `input_tokens`.
fn usage(reading: &mut Reading, usage: Option<&Value>) {
    let Some(usage) = usage else { return };
    let cached = count(usage, "cache_read_input_tokens");
    let beside =
        cached.unwrap_or_default().saturating_add(count(usage, "cache_creation_input_tokens").unwrap_or_default());
    let input = count(usage, "input_tokens").map(|input| input.saturating_add(beside));
    reading.tokens(input, count(usage, "output_tokens"), cached);
}
