//! Network namespaces of agents that live in containers.
//!
//! The kernel sends an agent's connection to 127.0.0.1 of the namespace that its socket is in, so the proxy has to listen
//! there too. A namespace belongs to threads, not to processes: for each one that is served, one thread has entered it and
//! makes sockets on request. A socket keeps its namespace, so the daemon's runtime then uses them like any other.
//!
//! ```text
//! found (processes of agents, configured paths) -> handle (the open namespace) -> inside (its thread)
//!   -> listeners (proxy and DNS in it) -> table (what is served, for dials and `status`)
//! ```
//!
//! `daemon::containers` decides when to look, and tells the kernel. A namespace that is not served is refused there.

mod found;
mod handle;
mod inside;
mod listeners;
mod table;
mod watch;

pub use found::{Found, Sighting, scan};
pub use handle::{Handle, NamespaceId};
pub use inside::Inside;
pub use listeners::Opened;
pub use table::{Entry, Look, Namespaces, Served, Unserved, View};
pub use watch::Watch;
