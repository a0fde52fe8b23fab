//! MCP: messages of a server, alone or in a batch.

use serde_json::Value;

use super::{MAX_DEFINITIONS, Reading};
use crate::definition::definitions;

pub(super) fn message(reading: &mut Reading, value: &Value) {
    if let Value::Array(messages) = value {
        return messages.iter().for_each(|message| one(reading, message));
    }
    one(reading, value);
}

fn one(reading: &mut Reading, value: &Value) {
    if value.get("error").is_some() {
        reading.found.errors = reading.found.errors.saturating_add(1);
    }
    let Some((found, more)) = value.get("result").and_then(definitions) else { return };
    let room = MAX_DEFINITIONS.saturating_sub(reading.found.definitions.len());
    reading.found.cut |= more || found.len() > room;
    reading.found.definitions.extend(found.into_iter().take(room));
}
