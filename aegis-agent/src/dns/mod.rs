//! DNS: the resolver that the proxy dials with, and the server that agents ask.
//!
//! The kernel sends every query of an agent here, whatever server the agent named. A name outside the agent's
//! policy is answered REFUSED and causes no packet: else a name's labels carry data out. What is asked upstream
//! is built anew from name and type, never passed on, and only Aegis' configured servers are asked.
//!
//! ```text
//! server (sockets) -> serving: request (strict parse) -> attribution, policy, limits (names) -> resolver (cache, one asker a question)
//!   -> upstream (UDP, TCP) -> answer (checked, chain followed; svcb: ech and h3 taken out) -> reply
//! ```

mod answer;
mod cache;
mod host;
mod letters;
mod limits;
mod name;
mod names;
mod places;
mod reply;
mod request;
mod resolv_conf;
mod resolver;
mod server;
mod serving;
mod svcb;
mod upstream;

pub use host::{Decided, DnsHost, Outcome, Ticket, Transport};
pub use limits::{Asked, Excess};
pub use names::Names;
pub use resolver::{ResolveError, Resolver, ResolverError};
pub use server::{BindError, DnsServer, Sockets};
