//! Amazon Bedrock: Converse in its own form, InvokeModel in the model's.

use data_encoding::BASE64;
use serde_json::Value;

use super::{Reading, anthropic, count, list, text};

pub(super) fn converse(reading: &mut Reading, kind: &str, value: &Value) {
    let place = count(value, "contentBlockIndex").unwrap_or_default();
    match kind {
        "contentBlockStart" => {
            let tool = value.get("start").and_then(|start| start.get("toolUse"));
            tool.into_iter().for_each(|tool| reading.calls.named(place, text(tool, "name")));
        }
        "contentBlockDelta" => {
            let tool = value.get("delta").and_then(|delta| delta.get("toolUse"));
            tool.into_iter().for_each(|tool| reading.calls.piece(place, text(tool, "input")));
        }
        _ => whole(reading, value),
    }
}

/// The whole answer, or the event `metadata` that ends a stream.
fn whole(reading: &mut Reading, value: &Value) {
    if let Some(usage) = value.get("usage") {
        let cached = count(usage, "cacheReadInputTokens");
        let beside =
            cached.unwrap_or_default().saturating_add(count(usage, "cacheWriteInputTokens").unwrap_or_default());
        let input = count(usage, "inputTokens").map(|input| input.saturating_add(beside));
        reading.tokens(input, count(usage, "outputTokens"), cached);
    }
    let message = value.get("output").and_then(|output| output.get("message"));
    for tool in message.into_iter().flat_map(|message| list(message, "content")).filter_map(|part| part.get("toolUse"))
    {
        let input = tool.get("input").map(ToString::to_string).unwrap_or_default();
        reading.calls.add(text(tool, "name"), &input);
    }
}

/// A chunk holds the model's own event, in base64.
pub(super) fn invoked(reading: &mut Reading, kind: &str, value: &Value) {
    if kind != "chunk" {
        return of_model(reading, value);
    }
    let inner = BASE64.decode(text(value, "bytes").as_bytes()).ok();
    match inner.and_then(|inner| serde_json::from_slice::<Value>(&inner).ok()) {
        Some(inner) => of_model(reading, &inner),
        None => reading.found.cut = true,
    }
}

fn of_model(reading: &mut Reading, value: &Value) {
    anthropic::message(reading, value);
    // Every model's last chunk has these, whatever its own form.
    if let Some(metrics) = value.get("amazon-bedrock-invocationMetrics") {
        let cached = count(metrics, "cacheReadInputTokenCount");
        let input = count(metrics, "inputTokenCount").map(|input| input.saturating_add(cached.unwrap_or_default()));
        reading.tokens(input, count(metrics, "outputTokenCount"), cached);
    }
}
