//! Agent tokens: short-lived JWTs (RFC 7519) signed with Ed25519, P-256 or RSA, minted and verified strictly, with JWKS (RFC 7517) for others.
//!
//! Pure: the time is passed in as seconds since the Unix epoch, keys as text.
//!
//! A token says who an agent is; it does not say that the bearer is that agent. The daemon holds each token against the kernel's own
//! attribution of the socket that it came over.

mod algorithm;
mod chain;
mod claims;
mod error;
mod key;
mod keyset;
mod outside;
mod verifier;

pub use algorithm::Algorithm;
pub use chain::{MAX_DEPTH, delegate};
pub use claims::{Actor, Claims, Header, MAX_TOKEN_BYTES, inspect, issuer, mint, peek};
pub use error::{DelegationError, TokenError};
pub use key::SigningKey;
pub use keyset::{KeySet, jwks};
pub use outside::is_reserved_claim;
pub use verifier::{DEFAULT_LEEWAY, Verifier};
