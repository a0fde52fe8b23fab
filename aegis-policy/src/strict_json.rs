//! JSON read so that no origin can read it differently.
//!
//! RFC 8259 section 4 leaves open which of two equal keys counts: serde_json takes the last, some origins the first. A condition
//! checked on one and money moved by the other is a hole, so such a body is refused. So are bodies nested deeper than the bound.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The deepest JSON that a rule may read, in arrays and objects; deeper nesting is an attack on parsers.
pub const JSON_DEPTH: usize = 64;

/// Why a body is not strict JSON.
#[derive(Debug, thiserror::Error)]
pub enum StrictJsonError {
    /// Not JSON, a repeated key, too deep, or a number that no double and no 64-bit integer holds.
    #[error("not strict JSON: {0}")]
    Refused(#[from] serde_json::Error),
}

/// Parses `bytes` as exactly one JSON value, at most `max_depth` arrays and objects deep (bounded by 128 in any case).
///
/// # Errors
/// [`StrictJsonError`] for anything that two readers could understand differently.
pub fn parse_strict_json(bytes: &[u8], max_depth: usize) -> Result<Value, StrictJsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: max_depth }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

#[derive(Copy, Clone)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn below<E: de::Error>(self) -> Result<Strict, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Strict { depth }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom("a key stands twice in one object"));
            }
            object.insert(key, entries.next_value_seed(below)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        for bad in [
            r#"{"amount":1,"amount":9999}"#,
            r#"{"a":{"b":[{"c":1,"\u0063":2}]}}"#,
            r#"{"a":1}{"a":2}"#,
            r#"{"a":NaN}"#,
            r#"{"a":1e999}"#,
            r#"{"a":1,}"#,
            "{\"a\":1}\0",
            "",
            "\u{feff}{}",
        ] {
            assert!(parse_strict_json(bad.as_bytes(), 32).is_err(), "{bad}");
        }
        assert!(parse_strict_json(b"{\"a\":\"\xff\"}", 32).is_err());
    }

    #[test]
    fn the_depth_is_bounded() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(parse_strict_json(nested(32).as_bytes(), 32).is_ok());
        assert!(parse_strict_json(nested(33).as_bytes(), 32).is_err());
        assert!(parse_strict_json(nested(100_000).as_bytes(), usize::MAX).is_err());
    }

    #[test]
    fn numbers_keep_their_kind() {
        let value = parse_strict_json(b"[18446744073709551615,-1,0.5,\"5000\"]", 4).unwrap();
        assert_eq!(value, serde_json::json!([u64::MAX, -1, 0.5, "5000"]));
    }
}
