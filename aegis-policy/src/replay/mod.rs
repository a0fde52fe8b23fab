//! Past decisions asked again: of a candidate, to see what it would change, or of the policy that decided, to see why.
//!
//! The same engine decides. What a decision depends on and the log does not hold is told, never guessed: a condition on it
//! is neither met nor not met, and a decision that hangs on it is undecidable.

mod account;
mod audit;
mod compare;
mod evaluate;
mod known;
mod past;

pub use account::{Account, TriedCondition, TriedRule};
pub use compare::{Comparison, Row, grouped};
pub use evaluate::{Answer, Replayed, Replayer};
pub(crate) use past::Asked;
pub use past::{Live, Past, PastError};
