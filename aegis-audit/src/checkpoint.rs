//! Signed checkpoints: what the chain alone cannot show (that its tail was cut, that all of it was written anew) a signature outside can.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::chain::Chain;
use crate::keys::{SigningKey, VerifyingKey};
use crate::record::timestamp;

/// How a checkpoint's line goes on after what is signed.
const SIG_FIELD: &str = ",\"sig\":\"";

/// A line of `audit.checkpoints.jsonl`: record `seq` has `hash`. Signed is the line's text up to `,"sig"`, closed by `}`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub seq: u64,
    pub hash: String,
    /// When it was signed, as in a record.
    pub ts: String,
    /// Which key signed, see [`VerifyingKey::kid`].
    pub kid: String,
    /// Ed25519 signature, base64.
    pub sig: String,
}

/// Why a checkpoint does not count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    #[error("it is not a checkpoint: {0}")]
    NotACheckpoint(String),
    #[error("it is signed by key {0}, which is not the one given")]
    UnknownKey(String),
    #[error("its signature is wrong")]
    Signature,
    #[error("it names record {seq} after record {after}")]
    Order { seq: u64, after: u64 },
}

impl Chain {
    /// The signed line (newline included) which says that the chain stands here.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn checkpoint(&self, key: &SigningKey, at: SystemTime) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Signed<'a> {
            seq: u64,
            hash: &'a str,
            ts: String,
            kid: &'a str,
        }
        let signed =
            Signed { seq: self.last_seq(), hash: self.last_hash(), ts: timestamp(at), kid: key.public().kid() };
        let mut line = serde_json::to_string(&signed)?;
        let sig = STANDARD.encode(key.sign(line.as_bytes()));
        line.pop();
        line.push_str(SIG_FIELD);
        line.push_str(&sig);
        line.push_str("\"}\n");
        Ok(line)
    }
}

impl Checkpoint {
    /// Reads a line (with or without its newline) and, when a key is given, checks its signature.
    ///
    /// # Errors
    /// When it is no checkpoint, or not signed by that key.
    pub fn parse(line: &str, key: Option<&VerifyingKey>) -> Result<Self, CheckpointError> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let not = |error: &dyn std::fmt::Display| CheckpointError::NotACheckpoint(error.to_string());
        let checkpoint: Self = serde_json::from_str(line).map_err(|error| not(&error))?;
        let Some(key) = key else { return Ok(checkpoint) };
        if checkpoint.kid != key.kid() {
            return Err(CheckpointError::UnknownKey(checkpoint.kid));
        }
        let tail = format!("{SIG_FIELD}{}\"}}", checkpoint.sig);
        let head = line.strip_suffix(&tail).ok_or_else(|| not(&"`sig` is not its last field"))?;
        let sig = STANDARD.decode(&checkpoint.sig).map_err(|error| not(&error))?;
        if key.verifies(format!("{head}}}").as_bytes(), &sig) {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Signature)
        }
    }
}
