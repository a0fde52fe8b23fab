//! Who the agents of this host are, and the tokens that name them.
//!
//! The kernel attributes a socket to an index; [`Registry`] says which agent that is. [`Issuer`] mints and
//! checks tokens, which hold only on the sockets of the agent that they name.

mod enrolled;
mod issuer;
mod keys;
mod registry;
mod replay;
mod revocation;
mod roster;
mod shown;
mod trust;
pub mod trusted;

pub use enrolled::{Enrolled, Source};
pub use issuer::{Issuer, MintError, Minted, Ring, TokenRefused, Wanted};
pub use keys::{KeysError, Published, Use};
pub use registry::{Departed, MAX_AGENTS, Registry, RegistryError};
pub use replay::{NotAdmitted, Replay, ReplayRefused};
pub use revocation::{Revocation, Revoker, numeric_date};
pub use shown::Shown;
