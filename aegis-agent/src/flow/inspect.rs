//! Step 5: the request as Aegis understands it, strictly parsed, and its content as far as the decision needs it.

mod head;
mod payload;

pub use head::{Head, Target};
pub use payload::{Payload, read};
