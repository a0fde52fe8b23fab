//! Who the agents of this host are, and the tokens that name them.
//!
//! The kernel attributes a socket to an index; [`Registry`] says which agent that is. [`Issuer`] mints and
//! checks tokens, which hold only on the sockets of the agent that they name.

mod enrolled;
mod issuer;
mod registry;
mod replay;
mod revocation;
mod roster;

pub use enrolled::{Enrolled, Source};
pub use issuer::{Issuer, IssuerError, Minted, TokenRefused};
pub use registry::{MAX_AGENTS, Registry, RegistryError};
pub use replay::{NotAdmitted, Replay, ReplayRefused};
pub use revocation::{Revocation, Revoker, numeric_date};
