//! The way out: names resolved by Aegis, addresses checked, connections verified and pooled.

mod dialer;
mod pool;
mod reach;

pub use dialer::{DialError, Dialer};
pub use pool::{PoolKey, Pools, UpstreamClient};
pub use reach::is_public;
