//! TLS on both sides: what the agent sees ([`Authority`]) and what the origin must show ([`upstream`]).

mod authority;
pub mod upstream;

pub use authority::{Authority, TlsError};
