//! Agent tokens: short-lived JWTs (RFC 7519) signed with Ed25519, minted and verified strictly, with JWKS (RFC 7517) for others.
//!
//! Pure: the time is passed in as seconds since the Unix epoch, keys as text.
//!
//! A token says who an agent is; it does not say that the bearer is that agent. The daemon holds each token against the kernel's own
//! attribution of the socket that it came over.

mod claims;
mod error;
mod key;
mod verifier;

pub use claims::{Claims, Header, MAX_TOKEN_BYTES, inspect, mint};
pub use error::TokenError;
pub use key::{SigningKey, jwks};
pub use verifier::{DEFAULT_LEEWAY, Verifier};
