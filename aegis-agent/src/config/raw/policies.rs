//! `policies:` as it is written: nothing, a path, or a bundle with its keys.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Where policies come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RawPolicies {
    #[default]
    Embedded,
    Path(PathBuf),
    Bundle(RawBundle),
}

/// A bundle: one file, here or on a server.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawBundle {
    pub bundle: String,
    pub keys: Vec<RawBundleKey>,
    pub unsigned: bool,
    pub poll_s: u64,
    pub poll_jitter_pct: u64,
    pub timeout_ms: u64,
    pub max_bytes: u64,
    pub token_file: Option<PathBuf>,
}

impl Default for RawBundle {
    fn default() -> Self {
        Self {
            bundle: String::new(),
            keys: Vec::new(),
            unsigned: false,
            poll_s: 60,
            poll_jitter_pct: 10,
            timeout_ms: 10_000,
            max_bytes: 8 << 20,
            token_file: None,
        }
    }
}

/// A key whose signature counts.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RawBundleKey {
    pub id: String,
    pub file: PathBuf,
    pub algorithm: String,
    pub scope: Option<String>,
}

/// By hand: what serde derives says of a wrong key no more than that nothing fits.
impl<'de> Deserialize<'de> for RawPolicies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawPolicies;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, null, or `bundle:` with its keys")
            }

            fn visit_unit<E: Error>(self) -> Result<RawPolicies, E> {
                Ok(RawPolicies::Embedded)
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<RawPolicies, E> {
                Ok(RawPolicies::Path(path.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawPolicies, A::Error> {
                RawBundle::deserialize(MapAccessDeserializer::new(map)).map(RawPolicies::Bundle)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
