//! Definitions of tools as an MCP server lists them, by the hash of what they say. A description that changes after somebody has
//! read it is how a trusted tool turns against its user.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Definitions that are looked at in one list.
const MOST: usize = 512;

/// A tool as a server defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    /// SHA-256 of the [`canonical`] definition, in lower-case hex: name, title, description, schemas, annotations, everything.
    pub hash: String,
}

/// The definitions in `result` of an answer to `tools/list`; none where it is no list of tools. In the second place: whether there
/// were more, or such without a name.
#[must_use]
pub fn definitions(result: &Value) -> Option<(Vec<Definition>, bool)> {
    let tools = result.get("tools")?.as_array()?;
    let mut list = Vec::new();
    let mut more = tools.len() > MOST;
    for tool in tools.iter().take(MOST) {
        match tool.get("name").and_then(Value::as_str).filter(|name| crate::llm::is_word(name)) {
            Some(name) => list.push(Definition { name: name.to_owned(), hash: hash(tool) }),
            None => more = true,
        }
    }
    Some((list, more))
}

fn hash(tool: &Value) -> String {
    HEXLOWER.encode(&Sha256::digest(canonical(tool)))
}

/// A value as JSON in one form: no white space, keys in the order of their bytes, strings and numbers as serde_json writes them.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

/// As deep as the value is, which whoever parsed it has bounded (serde_json: 128).
fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_bytes());
            text.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                let _ = write!(text, "{}:", Value::from(key.as_str()));
                write_value(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                write_value(item, text);
            }
            text.push(']');
        }
        scalar => _ = write!(text, "{scalar}"),
    }
}
