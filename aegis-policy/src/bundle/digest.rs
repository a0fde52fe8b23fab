//! The digest of a file, as OPA computes it for signatures (OPA, "Bundles", "Signature Format").
//!
//! Of JSON documents the structure is hashed, with the keys of objects in order, so that white space does not count; of all
//! other files the bytes.

use serde_json::Value;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::{JSON_DEPTH, parse_strict_json};

/// What a file is hashed with. OPA also knows MD5 and SHA-1, with which two files can be made to look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "SHA-256" => Some(Self::Sha256),
            "SHA-384" => Some(Self::Sha384),
            "SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// The digest of a file in lower-case hex; none where a document is not JSON.
pub(super) fn of(hash: Hash, path: &str, bytes: &[u8]) -> Option<String> {
    let mut text = Vec::new();
    let hashed = if is_document(path) {
        walk(&parse_strict_json(bytes, JSON_DEPTH).ok()?, &mut text)?;
        text.as_slice()
    } else {
        bytes
    };
    Some(match hash {
        Hash::Sha256 => hex(&Sha256::digest(hashed)),
        Hash::Sha384 => hex(&Sha384::digest(hashed)),
        Hash::Sha512 => hex(&Sha512::digest(hashed)),
    })
}

/// Whether OPA hashes the structure: it goes by the file's name alone.
fn is_document(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("data.json" | "data.yaml" | ".manifest" | ".signatures.json"))
}

/// What is hashed of a value: JSON without white space, keys sorted by their bytes.
fn walk(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push(b'{');
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                string(key, out)?;
                out.push(b':');
                walk(map.get(key)?, out)?;
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                walk(item, out)?;
            }
            out.push(b']');
        }
        Value::String(text) => string(text, out)?,
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
    Some(())
}

/// A string as Go's encoder writes it: U+2028 and U+2029 escaped, which others leave alone.
fn string(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let quoted = serde_json::to_string(text).ok()?;
    out.extend_from_slice(quoted.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").as_bytes());
    Some(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_documents_the_structure_counts() {
        let one = of(Hash::Sha256, "data.json", br#"{"b": [1, true, null], "a": "x"}"#).unwrap();
        let other = of(Hash::Sha256, "x/data.json", b"{ \"a\":\"x\",\n\"b\":[1,true,null] }").unwrap();
        assert_eq!(one, other);
        // printf '{"a":"x","b":[1,true,null]}' | sha256sum
        assert_eq!(one, hex(&Sha256::digest(br#"{"a":"x","b":[1,true,null]}"#)));
        assert_eq!(of(Hash::Sha256, "data.json", b"{"), None);
        assert_eq!(of(Hash::Sha256, "data.json", br#"{"a":1,"a":2}"#), None);
    }

    #[test]
    fn of_other_files_the_bytes_count() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of(Hash::Sha256, "aegis/policy.rego", b"").unwrap(), empty);
        assert_ne!(of(Hash::Sha256, "other.json", b"{}"), of(Hash::Sha256, "other.json", b"{ }"));
    }

    #[test]
    fn strings_are_written_as_go_writes_them() {
        let mut out = Vec::new();
        string("<&>\u{2028}\"\\\n\u{1}\u{7f}é", &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\"<&>\\u2028\\\"\\\\\\n\\u0001\u{7f}é\"");
    }
}
