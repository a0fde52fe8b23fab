//! The way out: names resolved by Aegis, addresses checked, connections verified and pooled.

mod attempts;
mod dialer;
mod own;
mod pool;
mod reach;
mod slots;
mod stream;
mod way;

pub use dialer::{DialError, Dialer};
pub use pool::{ExtendedError, PoolKey, Pools, UpstreamClient};
pub use reach::is_public;
pub use stream::Upstream;
pub use way::{Way, Ways};
