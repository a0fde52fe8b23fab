//! The policy of this host: where it comes from, and which one is in force.

mod load;
mod store;

pub use load::PolicyError;
pub use store::{Choice, Store};
