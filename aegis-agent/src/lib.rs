//! The Aegis daemon. `ARCHITECTURE.md` has the map; [`flow`] is the way of one connection.

pub mod config;
pub mod control;
pub mod daemon;
pub mod dns;
pub mod flow;
pub mod identity;
pub mod kernel;
pub mod policy;
pub mod state;
pub mod telemetry;
pub mod tls;
pub mod upstream;
