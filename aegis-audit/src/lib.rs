//! Audit records: the schema, the hash chain, signed checkpoints and their verification.
//!
//! Pure: no file system, no clock, no runtime. The daemon writes what [`Chain::seal`] returns; `aegisctl audit verify` and any third party
//! check it with nothing but the bytes of the file (the format is in `docs/audit.md`).

mod bounds;
mod chain;
mod checkpoint;
mod keys;
mod record;
mod verify;

pub use bounds::{MAX_FINDINGS, MAX_LINE};
pub use chain::{Chain, ResumeError, Sealed, genesis_hash};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use keys::{KeyError, SigningKey, VerifyingKey};
pub use record::{CallEntry, Decision, Draft, FindingEntry, Mode, Record};
pub use verify::{Broken, Expect, Report, Why, verify};
