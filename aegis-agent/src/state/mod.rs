//! What the daemon keeps: private keys on disk, and in the state store which tokens were used and which are revoked.
//!
//! The store has two places behind one type, [`Store`]: a file in `state_dir` (the default), or a Redis that all hosts share.

mod breaker;
mod definitions;
mod embedded;
mod health;
mod keys;
mod redis;
pub mod secret;
mod shares;
mod store;
mod tables;
mod token_id;
mod writer;

pub use definitions::{Defined, Which};
pub use health::StateHealth;
pub use store::{Asked, Claim, Heard, News, Revoked, StateError, Store, Unavailable};
pub use token_id::TokenId;
