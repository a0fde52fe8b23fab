//! The hash chain: each line carries the hash of the line before and its own, which covers every other byte of the line.

use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::bounds;
use crate::checkpoint::Checkpoint;
use crate::record::{Draft, Record};

/// What stands before an instance's name in the genesis hash. A change of the format changes it.
const GENESIS: &str = "aegis-audit/1\n";

/// How a line ends: this, 64 hex digits, `"}`.
const HASH_FIELD: &str = ",\"hash\":\"";
const HASH_DIGITS: usize = 64;

/// The `prev_hash` of an instance's very first record: SHA-256 of `aegis-audit/1`, a newline and the instance's name, in hex. So the first
/// record of one host cannot be passed off as that of another.
#[must_use]
pub fn genesis_hash(instance: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(GENESIS);
    hasher.update(instance);
    HEXLOWER.encode(&hasher.finalize())
}

/// A record's line and its place.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The line, newline included.
    pub line: String,
    pub seq: u64,
    pub hash: String,
}

/// Where the chain stands: the number of the next record and the hash of the last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    last_seq: u64,
    last_hash: String,
}

/// Why a line cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error("it is not an audit record: {0}")]
    NotARecord(String),
    #[error("record {seq} does not have the hash that it names: it was edited")]
    Edited { seq: u64 },
}

impl Chain {
    /// A chain with no record yet.
    #[must_use]
    pub fn genesis(instance: &str) -> Self {
        Self { last_seq: 0, last_hash: genesis_hash(instance) }
    }

    /// The chain that ends with this line (with or without its newline).
    ///
    /// # Errors
    /// When the line is no record, or its hash does not fit: continuing it would bury an edit under valid records.
    pub fn resume(last_line: &str) -> Result<Self, ResumeError> {
        let line = last_line.strip_suffix('\n').unwrap_or(last_line);
        let record: Record = serde_json::from_str(line).map_err(|error| ResumeError::NotARecord(error.to_string()))?;
        match hash_of(line.as_bytes()) {
            Some(hash) if hash == record.hash => Ok(Self { last_seq: record.seq, last_hash: record.hash }),
            _ => Err(ResumeError::Edited { seq: record.seq }),
        }
    }

    /// The chain as a checkpoint signed it, for when the file that held it is gone or was cut.
    #[must_use]
    pub fn after(checkpoint: &Checkpoint) -> Self {
        Self { last_seq: checkpoint.seq, last_hash: checkpoint.hash.clone() }
    }

    /// The number of the last record; 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The hash of the last record; the genesis hash before the first.
    #[must_use]
    pub fn last_hash(&self) -> &str {
        &self.last_hash
    }

    /// Gives the draft the next place and returns its line of at most [`MAX_LINE`](crate::MAX_LINE) bytes.
    ///
    /// # Errors
    /// When the record cannot be written as JSON; the chain is then where it was.
    pub fn seal(&mut self, mut draft: Draft) -> Result<Sealed, serde_json::Error> {
        bounds::apply(&mut draft);
        let seq = self.last_seq.saturating_add(1);
        let record = Record::placed(draft, seq, self.last_hash.clone());
        // A usual line is half as long: it is written without being moved while it grows.
        let mut line = Vec::with_capacity(2048);
        serde_json::to_writer(&mut line, &record)?;
        let mut line = String::from_utf8(line).map_err(serde::ser::Error::custom)?;
        // The empty hash field goes, what is left is hashed, the field comes back filled.
        line.truncate(line.len().saturating_sub(HASH_FIELD.len() + 2));
        line.push('}');
        let hash = HEXLOWER.encode(&Sha256::digest(line.as_bytes()));
        line.pop();
        line.push_str(HASH_FIELD);
        line.push_str(&hash);
        line.push_str("\"}\n");
        self.last_seq = seq;
        self.last_hash.clone_from(&hash);
        Ok(Sealed { line, seq, hash })
    }
}

/// The hash that a line should name, or `None` when it does not end in a hash field.
pub(crate) fn hash_of(line: &[u8]) -> Option<String> {
    let head = line.len().checked_sub(HASH_FIELD.len() + HASH_DIGITS + 2)?;
    let (head, tail) = line.split_at_checked(head)?;
    let digits = tail.strip_prefix(HASH_FIELD.as_bytes())?.strip_suffix(b"\"}")?;
    if !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut hasher = Sha256::new();
    hasher.update(head);
    hasher.update(b"}");
    Some(HEXLOWER.encode(&hasher.finalize()))
}

/// The place of a line, for telling a missing line from a moved one.
#[derive(Deserialize)]
pub(crate) struct Place {
    pub(crate) seq: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_line_has_the_contract_s_fields_in_order() {
        let sealed = Chain::genesis("default").seal(Draft::default()).unwrap();
        let mut at = 0;
        for field in [
            "ts",
            "seq",
            "decision_id",
            "trace_id",
            "org",
            "tenant",
            "agent_id",
            "parent_agent_id",
            "tool",
            "method",
            "scheme",
            "host",
            "port",
            "path",
            "decision",
            "mode",
            "reason",
            "rule",
            "policy_version",
            "approval_id",
            "findings",
            "duration_ms",
            "estimated_cost_usd",
            "pid",
            "exe",
            "cgroup",
            "bytes_out",
            "bytes_in",
            "status",
            "error",
            "prev_hash",
            "hash",
        ] {
            let found = sealed.line.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("{field} is missing"));
            assert!(found >= at, "{field} is out of order");
            at = found;
        }
        let fields = serde_json::from_str::<serde_json::Map<_, _>>(&sealed.line).unwrap().len();
        assert_eq!(fields, 32, "a new field is a change of the contract: docs/audit.md");
    }

    #[test]
    fn time_is_rfc_3339_in_microseconds() {
        let ts = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_795_396_927_000_001_999);
        let sealed = Chain::genesis("default").seal(Draft { ts, ..Draft::default() }).unwrap();
        assert!(sealed.line.starts_with("{\"ts\":\"2026-11-23T01:22:07.000001Z\",\"seq\":1,"), "{}", sealed.line);
    }

    #[test]
    fn a_chain_resumes_where_its_last_line_ended() {
        let mut chain = Chain::genesis("default");
        chain.seal(Draft::default()).unwrap();
        let last = chain.seal(Draft::default()).unwrap();
        assert_eq!(Chain::resume(&last.line).unwrap(), chain);
        assert!(matches!(
            Chain::resume(&last.line.replace("\"pid\":0", "\"pid\":1")),
            Err(ResumeError::Edited { seq: 2 })
        ));
        assert!(matches!(Chain::resume("{}"), Err(ResumeError::NotARecord(_))));
    }
}
