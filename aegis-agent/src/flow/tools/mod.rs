//! Tool awareness: what a request calls (for the policy and the record), batches decided call by call, refusals in the
//! protocol's own form, and what answers say. What the protocols are is aegis-tools' affair; docs/tools.md names what is named.

mod answer;
mod ask;
mod batch;
mod gate;
mod mailbox;
mod merge;
mod notes;
mod pins;
mod reading;
mod shape;
mod signature;
mod watched;

pub use answer::{Answering, watch};
pub use ask::{ask, ask_noting, same_terms};
pub use batch::{Asked, Batch, Split, decide};
pub use mailbox::{Listening, Mailbox, Mailboxes};
pub use notes::{Notes, Told};
pub use pins::Pins;
pub use reading::{Called, Json, Reading, names_grpc};
pub use shape::{Shape, refused};
pub use signature::Signature;
pub use watched::Watched;
