//! The Aegis daemon. `ARCHITECTURE.md` has the map; [`flow`] is the way of one connection.

mod cgroups;
pub mod config;
pub mod control;
pub mod daemon;
pub mod descriptors;
pub mod discovery;
pub mod dns;
pub mod fetch;
pub mod flow;
pub mod handover;
pub mod identity;
pub mod kernel;
mod loopback;
mod memory;
pub mod namespaces;
pub mod policy;
pub mod priority;
pub mod sockets;
pub mod state;
pub mod telemetry;
pub mod tls;
pub mod upstream;
