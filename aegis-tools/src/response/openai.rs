//! OpenAI: Chat Completions (whole or in chunks) and Responses (whole or as events), and what is compatible with them.

use serde_json::Value;

use super::{Reading, count, list, text};

pub(super) fn chat(reading: &mut Reading, value: &Value) {
    reading.model(value.get("model"));
    if let Some(usage) = value.get("usage") {
        let cached = usage.get("prompt_tokens_details").and_then(|details| count(details, "cached_tokens"));
        reading.tokens(count(usage, "prompt_tokens"), count(usage, "completion_tokens"), cached);
    }
    for choice in list(value, "choices") {
        let of_choice = count(choice, "index").unwrap_or_default().saturating_mul(1 << 16);
        let Some(said) = choice.get("delta").or_else(|| choice.get("message")) else { continue };
        for (at, call) in list(said, "tool_calls").enumerate() {
            let place = of_choice.saturating_add(count(call, "index").unwrap_or(at as u64));
            if let Some(function) = call.get("function").or_else(|| call.get("custom")) {
                piece(reading, place, function);
            }
        }
        // The form from before there were tools.
        if let Some(function) = said.get("function_call") {
            piece(reading, of_choice, function);
        }
    }
}

fn piece(reading: &mut Reading, place: u64, function: &Value) {
    reading.calls.named(place, text(function, "name"));
    reading.calls.piece(place, text(function, "arguments"));
    reading.calls.piece(place, text(function, "input"));
}

pub(super) fn responses(reading: &mut Reading, value: &Value) {
    let kind = text(value, "type");
    let place = count(value, "output_index").unwrap_or_default();
    match kind {
        "response.output_item.added" | "response.output_item.done" => {
            if let Some(item) = value.get("item") {
                item_at(reading, place, item);
            }
        }
        "response.function_call_arguments.delta"
        | "response.custom_tool_call_input.delta"
        | "response.mcp_call_arguments.delta" => {
            reading.calls.piece(place, text(value, "delta"));
        }
        _ => response(reading, value.get("response").unwrap_or(value)),
    }
}

/// The whole answer: alone, or in the events that begin and end the stream.
fn response(reading: &mut Reading, value: &Value) {
    reading.model(value.get("model"));
    if let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) {
        let cached = usage.get("input_tokens_details").and_then(|details| count(details, "cached_tokens"));
        reading.tokens(count(usage, "input_tokens"), count(usage, "output_tokens"), cached);
    }
    for (place, item) in list(value, "output").enumerate() {
        item_at(reading, place as u64, item);
    }
}

fn item_at(reading: &mut Reading, place: u64, item: &Value) {
    let kind = text(item, "type");
    if !kind.ends_with("_call") {
        return;
    }
    // Tools of the provider's own (web_search_call, ...) have no name but their type.
    let name = text(item, "name");
    reading.calls.named(place, if name.is_empty() { kind.trim_end_matches("_call") } else { name });
    let arguments = [text(item, "arguments"), text(item, "input")];
    if let Some(arguments) = arguments.into_iter().find(|arguments| !arguments.is_empty()) {
        reading.calls.whole(place, arguments);
    }
}
