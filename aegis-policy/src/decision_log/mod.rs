//! The decision log: what a decision read, so that another policy can be asked the same question later.
//!
//! It stands beside the audit log, which holds no values of requests by contract and stays the record. Here are values:
//! those that some rule for this agent and host read, each of them through all detectors, cut short, credentials left out.
//! `docs/decisions.md` says what is in an event and what never is.

mod event;
mod mask;
mod seen;
mod write;

pub use event::{
    BUNDLE, BodyKnown, CONNECTION_PATH, Context, Event, Found, Metrics, Outcome, REQUEST_PATH, ReadList, Revision,
};
pub(crate) use mask::escaped;
pub use seen::Seen;
pub use write::{Connection, Decided, OwnTool, Sight};
