//! Why the policy in force was not changed.

use std::path::PathBuf;

use super::load::PolicyError;

/// Why the policy in force was not changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(
        "policy versions, {path}: {why}; fix: make it whole and writable again, or move state_dir/policy away to begin anew from the configured policy"
    )]
    Versions { path: PathBuf, why: String },
    #[error("there is no policy version {number}; see: aegisctl policy list")]
    NoVersion { number: u64 },
    #[error("no policy was live before this one; name a version: aegisctl policy rollback N")]
    NoPrevious,
    #[error("version {live} is live, not {expected}: somebody was faster; look again: aegisctl policy list")]
    Moved { live: u64, expected: u64 },
    #[error("version {number} is live already")]
    Live { number: u64 },
    #[error("the rollout of version {number} is under way; first: aegisctl policy rollout promote, or abort")]
    UnderWay { number: u64 },
    #[error("no rollout is under way")]
    NoRollout,
    #[error("the change cannot be recorded in the audit log, so it is not made: {0}")]
    Unrecordable(String),
    #[error("no thread to ask the candidate with: {0}")]
    Thread(std::io::Error),
}
